"""The task of classifying clips: data, loss, metrics and plots."""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp

from experiments.audio_video.audioset import data as audioset_data
from experiments.audio_video.audioset import evaluator
from experiments.audio_video.audioset import examples
from experiments.audio_video.audioset import plots
from experiments.audio_video.clips import clips
from experiments.audio_video.clips import prepared
from experiments.audio_video.clips import sources
from experiments.data import loader
from experiments.runs import plots as runs_plots
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

  def class_names(self) -> tuple[str, ...]:
    """Returns the names of the classes."""
    return self._open(for_training=False)[0].class_names

  def train_split(self) -> loader.Split:
    """Returns the training split; examples of `examples.TrainTransform`.

    Raises:
      FileNotFoundError: if there is no such data set.
      files.InputError: if it does not fit the model, or is not complete.
    """
    source, name = self._open(for_training=True)
    transform = examples.TrainTransform(self.data, self.inputs)
    return loader.Split(source, transform, name)

  def eval_split(self) -> loader.Split:
    """Returns the evaluation split; examples of `examples.EvalTransform`.

    Errors are those of `train_split`.
    """
    source, name = self._open(for_training=False)
    transform = examples.EvalTransform(self.data, self.inputs)
    return loader.Split(source, transform, name)

  def _open(self, *, for_training: bool) -> tuple[clips.ClipSource, str]:
    return sources.open_clips(
      self.data, self.inputs.num_classes, for_training=for_training
    )

  def make_evaluator(self) -> evaluation.Evaluator:
    """Returns the evaluator: average precision needs all clips at once."""
    notes, config = "", self.data
    if not config.source.is_synthetic:  # Missing and defective clips.
      name = config.eval_split.split("[")[0]
      report = prepared.read_report(config.source.folder())
      notes = report.splits[name].describe(name)
    return evaluator.Evaluator(
      model=self.model,
      split=self.eval_split(),
      class_names=self.class_names(),
      batch_size=self.eval_batch_size,
      devices=self.devices,
      notes=notes,
    )

  def example_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns shapes and types of a training example."""
    inputs, flag = self.inputs, ((), jnp.bool)
    found = tasks.shapes(labels=((inputs.num_classes,), jnp.float32))
    if (video := inputs.video) is not None:
      pixels = (video.shape, jnp.uint8)
      found |= tasks.shapes(video=pixels, has_video=flag)
    if (audio := inputs.audio) is not None:
      samples = (audio.shape, jnp.float32)
      found |= tasks.shapes(audio=samples, has_audio=flag)
    return found

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
    """Plots learning curve, precision by class, where the latents look.

    Returns:
      The files: curve.png if there is a log, classes.png, attention.png and
      the audio of its clips.
    """
    folder = runs_plots.folder(workdir)
    found = self.model, variables, self.eval_split(), self.class_names()
    return [
      *runs_plots.learning_curve(workdir, plots.CURVE),
      plots.classes(*found, folder / "classes.png"),
      plots.attention(*found, folder / "attention.png"),
      *plots.audio_files(self.eval_split(), folder),
    ]
