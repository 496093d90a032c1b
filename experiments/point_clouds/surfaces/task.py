"""Distances from surfaces: loss, metrics and plots."""

import dataclasses
import functools
import pathlib

import jax
import jax.numpy as jnp

from experiments.data import loader
from experiments.point_clouds.surfaces import data as surfaces_data
from experiments.point_clouds.surfaces import plots
from experiments.runs import plots as runs_plots
from experiments.training import tasks
import perceiver

_NEAR = 0.05  # distances up to this are near


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShapeAutoencoding(tasks.HasSplits):
  """An autoencoder of surfaces, and its surfaces.

  Attributes:
    model: points [B, P, 3] and queries [B, O, 3] -> distances [B, O].
    data: the surfaces.
  """

  model: perceiver.Model
  data: surfaces_data.DataConfig

  def splits(self) -> tuple[loader.Split, loader.Split]:
    """Opens both splits."""
    return surfaces_data.splits(self.data, self.model.config.num_points)

  def example_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns shapes and types of a training example."""
    points, queries = self.model.config.num_points, self.data.num_queries
    return tasks.shapes(
      points=((points, 3), jnp.float32),
      queries=((queries, 3), jnp.float32),
      distances=((queries,), jnp.float32),
    )

  def losses(
    self,
    variables: perceiver.Variables,
    batch: tasks.Batch,
    *,
    rng: jax.Array | None,
    is_training: bool,
  ) -> tasks.Losses:
    """Computes the mean difference of distances, and that near the surface."""
    found, state = self.model.apply_and_update(
      variables,
      batch["points"],
      batch["queries"],
      rng=rng,
      is_training=is_training,
    )  # [B, O]
    wanted = batch["distances"]
    error = jnp.abs(found - wanted)
    near = wanted <= _NEAR
    count = jnp.maximum(jnp.sum(near, axis=1), 1)
    return tasks.Losses(
      jnp.mean(error, axis=1),
      {"near_error": jnp.sum(jnp.where(near, error, 0), axis=1) / count},
      state,
      found,
    )

  def distance(
    self, outputs: jax.Array, targets: jax.Array, batch: tasks.Batch
  ) -> jax.Array:
    """Returns the mean difference of two outputs, [B]."""
    del batch
    return jnp.mean(jnp.abs(outputs - targets), axis=1)

  def plots(
    self, variables: perceiver.Variables, workdir: pathlib.Path
  ) -> list[pathlib.Path]:
    """Plots the learning curve and slices; returns the files."""
    made = runs_plots.learning_curve(workdir, plots.CURVE)
    folder = runs_plots.folder(workdir)
    decode = functools.partial(self.model.apply, variables)
    split = self.eval_split()
    made.append(plots.slices(decode, split, folder / "slices.png"))
    return made
