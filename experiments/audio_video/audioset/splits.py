"""What is learned from, and what is judged by."""

import dataclasses

from experiments.audio_video.audioset import data
from experiments.audio_video.audioset import examples
from experiments.audio_video.clips import clips
from experiments.audio_video.clips import prepared
from experiments.audio_video.clips import synthetic
from experiments.data import files
from experiments.data import loader


def train_split(config: data.DataConfig, sensed: data.Senses) -> loader.Split:
  """Opens what is learned from.

  Args:
    config: where clips come from, and how they are varied.
    sensed: by the model.

  Returns:
    Examples as `examples.TrainTransform` makes them.

  Raises:
    FileNotFoundError: if there is no such data set.
    files.InputError: if it does not fit the model, or is not complete.
  """
  source = _source(config, sensed, config.train_split, config.generator)
  name = _name(config, config.train_split, "train")
  return loader.Split(source, examples.TrainTransform(config, sensed), name)


def eval_split(config: data.DataConfig, sensed: data.Senses) -> loader.Split:
  """Opens what is judged by, several pieces of every clip.

  Args:
    config: where clips come from.
    sensed: by the model.

  Returns:
    Examples as `examples.EvalTransform` makes them.

  Raises:
    FileNotFoundError: if there is no such data set.
    files.InputError: if it does not fit the model, or is not complete.
  """
  source = _eval_source(config, sensed)
  name = _name(config, config.eval_split, "evaluation")
  return loader.Split(source, examples.EvalTransform(config, sensed), name)


def class_names(
  config: data.DataConfig, sensed: data.Senses
) -> tuple[str, ...]:
  """Returns what the classes are called."""
  return _eval_source(config, sensed).class_names


def notes(config: data.DataConfig) -> str:
  """Returns what is to be said of the clips that are judged by.

  Of prepared clips, how many of the list are missing, damaged or not as they
  should be.
  """
  if config.data_dir is None:
    return ""
  split = config.eval_split.split("[")[0]
  return prepared.read_report(config.data_dir).splits[split].describe(split)


def _name(config: data.DataConfig, split: str, generated_name: str) -> str:
  if config.data_dir is None:
    return f"generated {generated_name}"
  return f"{prepared.read_report(config.data_dir).kind} {split}"


def _eval_source(
  config: data.DataConfig, sensed: data.Senses
) -> clips.ClipSource:
  held_out = dataclasses.replace(
    config.generator,
    num_examples=config.num_eval,
    seed=config.generator.seed + 1,
  )
  return _source(config, sensed, config.eval_split, held_out)


def _source(
  config: data.DataConfig,
  sensed: data.Senses,
  split: str,
  generator: synthetic.GeneratorConfig,
) -> clips.ClipSource:
  source: clips.ClipSource
  if config.data_dir is None:
    source = synthetic.Generator(generator)
  else:
    source = prepared.open_split(
      config.data_dir, split, allow_partial=config.allow_partial
    )
  if len(source.class_names) != sensed.num_classes:
    raise files.InputError(
      f"{config.data_dir or 'data.generator'} has {len(source.class_names)} "
      f"classes; the model tells {sensed.num_classes}"
    )
  return source
