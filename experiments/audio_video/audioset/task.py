"""Clips to the classes that are in them: loss, metrics and pictures."""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp

from experiments.audio_video.audioset import data as audioset_data
from experiments.audio_video.audioset import evaluator
from experiments.audio_video.audioset import plots
from experiments.audio_video.audioset import splits
from experiments.data import loader
from experiments.training import evaluation
from experiments.training import sharding
from experiments.training import tasks
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
  data: audioset_data.DataConfig
  eval_batch_size: int
  devices: sharding.ParallelConfig

  @property
  def sensed(self) -> audioset_data.Senses:
    """What the model sees and hears."""
    config = self.model.config
    return audioset_data.senses(config.inputs, config.num_classes, self.data)

  def train_split(self) -> loader.Split:
    """Returns the clips to learn from."""
    return splits.train_split(self.data, self.sensed)

  def eval_split(self) -> loader.Split:
    """Returns the clips to evaluate on, each in several pieces."""
    return splits.eval_split(self.data, self.sensed)

  def make_evaluator(self) -> evaluation.Evaluator:
    """Returns what ranks all clips: a mean over examples cannot."""
    return evaluator.Evaluator(
      model=self.model,
      split=self.eval_split(),
      class_names=splits.class_names(self.data, self.sensed),
      batch_size=self.eval_batch_size,
      devices=self.devices,
      notes=splits.notes(self.data),
    )

  def losses(
    self,
    variables: perceiver.Variables,
    batch: tasks.Batch,
    *,
    rng: Array | None,
    is_training: bool,
  ) -> tasks.Losses:
    """Computes sigmoid cross-entropies in nats, means over the classes.

    "hit" is 1 where the likeliest class is in the clip, else 0.
    """
    inputs, present = evaluator.to_model(batch)
    logits, state = self.model.apply_and_update(
      variables, inputs, rng=rng, is_training=is_training, mask=present
    )  # [B, classes]
    labels = batch["labels"]  # [B, classes]
    likeliest = jnp.argmax(logits, axis=-1)[:, None]
    hit = jnp.take_along_axis(labels, likeliest, axis=-1)[:, 0]
    loss = evaluator.cross_entropy(logits, labels)
    return tasks.Losses(loss, {"hit": hit}, state)

  def plots(
    self, variables: perceiver.Variables, workdir: pathlib.Path
  ) -> list[pathlib.Path]:
    """Plots learning curve, precision by class, where the latents look."""
    return plots.plot(
      self.model,
      variables,
      self.eval_split(),
      splits.class_names(self.data, self.sensed),
      workdir,
    )
