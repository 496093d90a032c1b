"""Sources of clips: a prepared data set, or synthetic clips."""

import dataclasses
import enum
import types

from experiments.audio_video.clips import clips
from experiments.audio_video.clips import prepared
from experiments.audio_video.clips import sampling
from experiments.audio_video.clips import synthetic as synthetic_clips
from experiments.audio_video.packages import pinned
from experiments.data import files
from experiments.data import loader
from experiments.data import sources as data_sources
from perceiver import bounds


class Kind(enum.Enum):
  """The kind of clips: a data set that is prepared, or synthetic ones.

  Data sets of packages have names of their own.
  """

  PREPARED = "prepared"
  DRUMS = "drums"
  LETTERS = "letters"
  STAMPS = "stamps"
  SYNTHETIC = "synthetic"


_PACKAGES = tuple(map(Kind, pinned.PACKAGES))


@dataclasses.dataclass(frozen=True)
class Source(data_sources.Source):
  """The clips, whose path is a data set of `experiments.prepare`."""

  kind: Kind
  of_path = Kind.PREPARED
  needs_path = (Kind.PREPARED, *_PACKAGES)
  advice = types.MappingProxyType(
    {
      Kind.PREPARED: (
        "`python -m experiments.prepare clips` makes one of a folder of files."
      ),
      **{kind: pinned.advice(kind.value) for kind in _PACKAGES},
    }
  )


PREPARED = Source(Kind.PREPARED)
SYNTHETIC = Source(Kind.SYNTHETIC)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipsConfig:
  """The clips of an experiment, and the augmentation of their frames.

  Attributes:
    source: the source of the clips.
    train_split: its training split.
    eval_split: its evaluation split.
    allow_partial: accept fewer clips than the official lists have.
    synthetic: synthetic clips. Those for evaluation have the next seed.
    num_eval: number of synthetic clips for evaluation.
    augmentation: augmentation of training clips.
  """

  source: Source = SYNTHETIC
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
  if config.source.is_synthetic:
    return None
  source = prepared.open_split(
    config.source.folder(), config.train_split, allow_partial=True
  )
  return len(source.class_names)


def open_clips(
  config: ClipsConfig, num_classes: int, *, for_training: bool
) -> tuple[clips.ClipSource, str]:
  """Opens the clips for training or for evaluation.

  Args:
    config: their source.
    num_classes: number of the model's classes.
    for_training: whether they are for training.

  Returns:
    The clips, and the name of the split.

  Raises:
    FileNotFoundError: if there is no such data set.
    files.InputError: if it is not given, does not fit the model, or is not
      complete.
  """
  source: clips.ClipSource
  if not config.source.is_synthetic:
    split = config.train_split if for_training else config.eval_split
    source = prepared.open_split(
      config.source.folder(), split, allow_partial=config.allow_partial
    )
    listed = source.report.splits[split.split("[")[0]]
    name = loader.split_name(
      source.report.kind,
      split,
      official=listed.official and listed.kept == listed.listed,
    )
  else:
    synthetic = config.synthetic
    if not for_training:
      synthetic = dataclasses.replace(
        synthetic, num_examples=config.num_eval, seed=synthetic.seed + 1
      )
    source = synthetic_clips.SyntheticClips(synthetic)
    name = f"synthetic {'train' if for_training else 'evaluation'}"
  if len(source.class_names) != num_classes:
    raise files.InputError(
      f"{config.source.path or 'data.synthetic'} has {len(source.class_names)} "
      f"classes; expected the model's {num_classes}."
    )
  return source, name
