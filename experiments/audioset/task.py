"""Clips to the classes that are in them: loss, metrics and pictures."""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp

from experiments import evaluation
from experiments import loading
from experiments import parallel
from experiments import task as task_lib
from experiments.audioset import data as data_lib
from experiments.audioset import figures as figures_lib
from experiments.audioset import judging as judging_lib
from experiments.audioset import splits as splits_lib
import perceiver

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class AudioSet:
  """A classifier of clips, what it learns from and what it is judged by.

  Attributes:
    model: modalities -> logits [B, classes], one sigmoid each.
    data: which clips there are, and how they are varied.
    eval_batch_size: clips at a time in evaluation.
    devices: which devices share them.
  """

  model: perceiver.Model
  data: data_lib.DataConfig
  eval_batch_size: int
  devices: parallel.ParallelConfig

  @property
  def sensed(self) -> data_lib.Senses:
    """What the model sees and hears."""
    config = self.model.config
    return data_lib.senses(config.inputs, config.num_classes, self.data)

  def train_split(self) -> loading.Split:
    """Returns the clips to learn from."""
    return splits_lib.train_split(self.data, self.sensed)

  def eval_split(self) -> loading.Split:
    """Returns the clips to judge by, each in several pieces."""
    return splits_lib.eval_split(self.data, self.sensed)

  def judge(self) -> evaluation.Judge:
    """Returns what ranks all clips: a mean over examples cannot."""
    return judging_lib.Judge(
      model=self.model,
      split=self.eval_split(),
      class_names=splits_lib.class_names(self.data, self.sensed),
      batch_size=self.eval_batch_size,
      devices=self.devices,
      notes=splits_lib.notes(self.data),
    )

  def losses(
    self,
    variables: perceiver.Variables,
    batch: task_lib.Batch,
    *,
    rng: Array | None,
    is_training: bool,
  ) -> task_lib.Losses:
    """Computes sigmoid cross-entropies in nats, means over the classes.

    "hit" is 1 where the likeliest class is in the clip, else 0.
    """
    inputs, present = judging_lib.to_model(batch)
    logits, state = self.model.apply_and_update(
      variables, inputs, rng=rng, is_training=is_training, present=present
    )  # [B, classes]
    labels = batch["labels"]  # [B, classes]
    likeliest = jnp.argmax(logits, axis=-1)[:, None]
    hit = jnp.take_along_axis(labels, likeliest, axis=-1)[:, 0]
    loss = judging_lib.cross_entropy(logits, labels)
    return task_lib.Losses(loss, {"hit": hit}, state)

  def figures(
    self, variables: perceiver.Variables, workdir: pathlib.Path
  ) -> list[pathlib.Path]:
    """Draws learning curve, precision by class, where the latents look."""
    return figures_lib.draw(
      self.model,
      variables,
      self.eval_split(),
      splits_lib.class_names(self.data, self.sensed),
      workdir,
    )
