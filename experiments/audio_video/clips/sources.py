"""Sources of clips: a prepared data set, or synthetic clips."""

import dataclasses
import pathlib

from experiments.audio_video.clips import clips
from experiments.audio_video.clips import prepared
from experiments.audio_video.clips import sampling
from experiments.audio_video.clips import synthetic as synthetic_clips
from experiments.data import files
from perceiver import bounds


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipsConfig:
  """The clips of an experiment, and the augmentation of their frames.

  Attributes:
    data_dir: a data set made by `experiments.prepare clips`; None for synthetic
      clips.
    train_split: its training split.
    eval_split: its evaluation split.
    allow_partial: accept fewer clips than the official lists have.
    synthetic: synthetic clips. Those for evaluation have the next seed.
    num_eval: number of synthetic clips for evaluation.
    augmentation: augmentation of training clips.
  """

  data_dir: pathlib.Path | None = None
  train_split: str = "train"
  eval_split: str = "validation"
  allow_partial: bool = False
  synthetic: synthetic_clips.SyntheticConfig = synthetic_clips.SyntheticConfig()
  num_eval: int = 256
  augmentation: sampling.AugmentationConfig = sampling.AugmentationConfig()

  def __post_init__(self) -> None:
    bounds.check_ranges(self, "num_eval")


def num_classes(config: ClipsConfig) -> int | None:
  """Returns the number of classes of a data set, None for synthetic clips."""
  if config.data_dir is None:
    return None
  source = prepared.open_split(
    config.data_dir, config.train_split, allow_partial=True
  )
  return len(source.class_names)


def open_train(
  config: ClipsConfig, num_classes: int
) -> tuple[clips.ClipSource, str]:
  """Opens the training clips.

  Args:
    config: their source.
    num_classes: number of the model's classes.

  Returns:
    The clips, and the name of the split.

  Raises:
    FileNotFoundError: if there is no such data set.
    files.InputError: if it does not fit the model, or is not complete.
  """
  if config.data_dir is None:
    return _synthetic(config.synthetic, "train", num_classes)
  return _prepared(config, config.train_split, num_classes)


def open_eval(
  config: ClipsConfig, num_classes: int
) -> tuple[clips.ClipSource, str]:
  """Opens the evaluation clips; otherwise like `open_train`."""
  if config.data_dir is not None:
    return _prepared(config, config.eval_split, num_classes)
  held_out = dataclasses.replace(
    config.synthetic,
    num_examples=config.num_eval,
    seed=config.synthetic.seed + 1,
  )
  return _synthetic(held_out, "evaluation", num_classes)


def _synthetic(
  config: synthetic_clips.SyntheticConfig, part: str, num_classes: int
) -> tuple[clips.ClipSource, str]:
  source = synthetic_clips.SyntheticClips(config)
  _check_classes("data.synthetic", source, num_classes)
  return source, f"synthetic {part}"


def _prepared(
  config: ClipsConfig, split: str, num_classes: int
) -> tuple[clips.ClipSource, str]:
  assert config.data_dir is not None
  source = prepared.open_split(
    config.data_dir, split, allow_partial=config.allow_partial
  )
  _check_classes(str(config.data_dir), source, num_classes)
  return source, f"{source.kind} {split}"


def _check_classes(
  name: str, source: clips.ClipSource, num_classes: int
) -> None:
  if len(source.class_names) != num_classes:
    raise files.InputError(
      f"{name} has {len(source.class_names)} classes; expected the model's "
      f"{num_classes}."
    )
