"""Clouds of points to classes: loss, metrics and pictures."""

import dataclasses
import pathlib
from typing import Any

import jax
import jax.numpy as jnp

from experiments.data import loader
from experiments.point_clouds import data as points_data
from experiments.point_clouds import plots
from experiments.runs import confusions
from experiments.runs import plots as runs_plots
from experiments.training import losses as training_losses
from experiments.training import tasks
import perceiver

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class PointClassification(training_losses.HasLogits):
  """A classifier of shapes, and its training and test shapes.

  Attributes:
    model: points [B, P, 3] in [-1, 1] -> logits [B, classes].
    data: the shapes and their augmentation.
  """

  model: perceiver.Model
  data: points_data.DataConfig

  def train_split(self) -> loader.Split:
    """Returns the training shapes."""
    return points_data.train_split(self.data, self.model.config.num_points)

  def eval_split(self) -> loader.Split:
    """Returns the shapes to evaluate on."""
    return points_data.eval_split(self.data, self.model.config.num_points)

  def example_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns shapes and types of a training example."""
    num_points, ragged = self.model.config.num_points, self.data.ragged
    if ragged is None:
      shape = (num_points, 3)
      return tasks.shapes(points=(shape, jnp.float32), labels=((), jnp.int32))
    length, sets = ragged.row_points, (ragged.row_sets(num_points),)
    return tasks.shapes(
      points=((length, 3), jnp.float32),
      labels=(sets, jnp.int32),
      segment_ids=((length,), jnp.int32),
      set_weight=(sets, jnp.float32),
    )

  def losses(
    self,
    variables: perceiver.Variables,
    batch: tasks.Batch,
    *,
    rng: Array | None,
    is_training: bool,
  ) -> tasks.Losses:
    """Computes cross-entropy in nats and whether the class was recognised.

    Of a row of several clouds they are means.
    """
    labels = batch["labels"]  # [B] or [B, S]
    options: dict[str, Any] = {}
    if "segment_ids" in batch:
      sets = perceiver.Segments(batch["segment_ids"], labels.shape[1])
      options["segments"] = sets
    logits, state = self.model.apply_and_update(
      variables, batch["points"], rng=rng, is_training=is_training, **options
    )  # [B, classes] or [B, S, classes]
    if options:
      return _row_losses(logits, batch, state)
    return tasks.classified(logits, labels, state)

  def plots(
    self, variables: perceiver.Variables, workdir: pathlib.Path
  ) -> list[pathlib.Path]:
    """Plots learning curve, confusions and where the latents look.

    Returns:
      The files: curve.png if there is a log, confusion.png, and attention.png
      if the model gives its attention.
    """
    folder, names = runs_plots.folder(workdir), self.data.class_names
    found = self.model, variables, self.eval_split()
    made = runs_plots.learning_curve(workdir, plots.CURVE)
    predict = lambda batch: self.model.apply(variables, batch["points"])
    num_classes = self.model.config.num_classes
    counts = confusions.count(predict, self.eval_split(), num_classes)
    made.append(confusions.plot(counts, names, folder / "confusion.png"))
    if hasattr(self.model.config, "perceiver"):  # others do not attend
      made.append(plots.attention(*found, names, folder / "attention.png"))
    return made


def _row_losses(
  logits: Array,  # [B, S, classes]
  batch: tasks.Batch,
  state: Any,
) -> tasks.Losses:
  """Returns means over the clouds of every row."""
  labels, weight = batch["labels"], batch["set_weight"]  # [B, S]
  flat, known = logits.reshape(-1, logits.shape[-1]), labels.reshape(-1)
  targets = jax.nn.one_hot(known, logits.shape[-1])

  def mean(x: Array) -> Array:  # [B · S] -> [B]
    total = jnp.sum(x.reshape(labels.shape) * weight, axis=1)
    return total / jnp.maximum(jnp.sum(weight, axis=1), 1)

  return tasks.Losses(
    mean(training_losses.softmax_cross_entropy(flat, targets)),
    {"top_1": mean(training_losses.top_k_correct(flat, known))},
    state,
    logits,
  )
