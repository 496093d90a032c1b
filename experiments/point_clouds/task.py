"""Clouds of points to classes: loss, metrics and pictures."""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp

from experiments.data import loader
from experiments.point_clouds import data as points_data
from experiments.point_clouds import plots
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
    shape = (self.model.config.num_points, 3)
    return tasks.shapes(points=(shape, jnp.float32), labels=((), jnp.int32))

  def losses(
    self,
    variables: perceiver.Variables,
    batch: tasks.Batch,
    *,
    rng: Array | None,
    is_training: bool,
  ) -> tasks.Losses:
    """Computes cross-entropy in nats and whether the class was recognised."""
    labels = batch["labels"]  # [B]
    logits, state = self.model.apply_and_update(
      variables, batch["points"], rng=rng, is_training=is_training
    )  # [B, classes]
    targets = jax.nn.one_hot(labels, logits.shape[-1])
    return tasks.Losses(
      training_losses.softmax_cross_entropy(logits, targets),
      {"top_1": training_losses.top_k_correct(logits, labels)},
      state,
      logits,
    )

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
    counts = plots.confusions(*found)
    made.append(plots.confusion(counts, names, folder / "confusion.png"))
    if hasattr(self.model.config, "perceiver"):  # others do not attend
      made.append(plots.attention(*found, names, folder / "attention.png"))
    return made
