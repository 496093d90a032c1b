"""Clouds of points to classes: loss, metrics and pictures."""

import dataclasses
import pathlib

import jax

from experiments import loading
from experiments import metrics
from experiments import task as task_lib
from experiments.modelnet40 import data as data_lib
from experiments.modelnet40 import figures as figures_lib
import perceiver

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class PointClassification:
  """A classifier of shapes, those it learns from and those it is judged by.

  Attributes:
    model: points [B, P, 3] in [-1, 1] -> logits [B, classes].
    data: which shapes there are, and how they are varied.
  """

  model: perceiver.Model
  data: data_lib.DataConfig

  def train_split(self) -> loading.Split:
    """Returns the shapes to learn from."""
    return data_lib.train_split(self.data, self.model.config.num_points)

  def eval_split(self) -> loading.Split:
    """Returns the shapes to judge by."""
    return data_lib.eval_split(self.data, self.model.config.num_points)

  def losses(
    self,
    variables: perceiver.Variables,
    batch: task_lib.Batch,
    *,
    rng: Array | None,
    is_training: bool,
  ) -> task_lib.Losses:
    """Computes cross-entropy in nats and whether the class was recognised."""
    labels = batch["labels"]  # [B]
    logits, state = self.model.apply_and_update(
      variables, batch["points"], rng=rng, is_training=is_training
    )  # [B, classes]
    targets = jax.nn.one_hot(labels, logits.shape[-1])
    return task_lib.Losses(
      metrics.softmax_cross_entropy(logits, targets),
      {"top_1": metrics.top_k_correct(logits, labels)},
      state,
    )

  def figures(
    self, variables: perceiver.Variables, workdir: pathlib.Path
  ) -> list[pathlib.Path]:
    """Draws learning curve, confusions and where the latents look."""
    return figures_lib.draw(
      self.model,
      variables,
      self.eval_split(),
      workdir,
      self.data.dataset.class_names,
    )
