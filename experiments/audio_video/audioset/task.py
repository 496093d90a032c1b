"""The task of classifying clips: data, loss, metrics and plots."""

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
  """Classification of clips.

  Attributes:
    model: modalities -> logits [B, classes], one sigmoid each.
    data: source and augmentation of the clips.
    eval_batch_size: clips per batch in evaluation.
    devices: devices of the evaluation.
  """

  model: perceiver.Model
  data: audioset_data.DataConfig
  eval_batch_size: int
  devices: sharding.ParallelConfig

  @property
  def inputs(self) -> audioset_data.ModelInputs:
    """Inputs of the model."""
    config = self.model.config
    return audioset_data.model_inputs(
      config.inputs, config.num_classes, self.data
    )

  def train_split(self) -> loader.Split:
    """Returns the training split."""
    return splits.train_split(self.data, self.inputs)

  def eval_split(self) -> loader.Split:
    """Returns the evaluation split, each clip in several segments."""
    return splits.eval_split(self.data, self.inputs)

  def make_evaluator(self) -> evaluation.Evaluator:
    """Returns the evaluator: average precision needs all clips at once."""
    return evaluator.Evaluator(
      model=self.model,
      split=self.eval_split(),
      class_names=splits.class_names(self.data, self.inputs),
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
      splits.class_names(self.data, self.inputs),
      workdir,
    )
