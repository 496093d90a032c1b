"""Series whose values are left out at random, as batches of one size."""

from collections.abc import Mapping, Sequence
import dataclasses
import enum
import pathlib
from typing import Any, NamedTuple

import numpy as np

from experiments.data import files
from experiments.data import loader
from experiments.data import sources as data_sources
from experiments.time_series import prepare
from experiments.time_series import ts_files
from perceiver import bounds

_HELD_OUT = 3  # every third training series, for choices
PERIODS = (3.0, 4.0, 5.5, 7.5, 10.0, 13.0)  # of synthetic classes, in steps
_LENGTHS = (20, 33)
_NOISE = 0.3


class Kind(enum.Enum):
  """The source of series: files .ts of a folder, or synthetic oscillations."""

  TS = "ts"
  SYNTHETIC = "synthetic"


@dataclasses.dataclass(frozen=True)
class Source(data_sources.Source):
  """The series; a folder has one file *_TRAIN.ts and one *_TEST.ts."""

  kind: Kind
  of_path = Kind.TS
  needs_path = (Kind.TS,)
  advice = prepare.PACKAGE.advice(
    "japanese-vowels ARCHIVE DIR", "time-series --data.source DIR"
  )


class Positions(enum.Enum):
  """The numbers that stand for the times of values.

  TIME is their times. INDEX counts the values that are left, from 0; a time
  between two of them is the middle of their numbers.
  """

  TIME = "time"
  INDEX = "index"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """Series, and the values that are left out of them.

  Attributes:
    source: the series.
    positions: what the model gets for times.
    left_out: the largest share of a training series' values that is left out,
      each series has another one.
    evaluated_left_out: the share that is left out of each series in evaluation,
      the same values each time.
    hold_out: whether every third training series is left out of training and
      evaluated in place of the test series, as choices between settings need.
  """

  source: Source = Source(Kind.TS)
  positions: Positions = Positions.TIME
  left_out: float = 0.75
  evaluated_left_out: float = 0.0
  hold_out: bool = False

  def __post_init__(self) -> None:
    bounds.check_ranges(self, left_out="[0, 1)", evaluated_left_out="[0, 1)")


class Kept(NamedTuple):
  """A series of which some values were left out."""

  values: np.ndarray  # [K, C] float32
  positions: np.ndarray  # [K] float32
  left_out: np.ndarray  # [L, C] float32
  left_out_positions: np.ndarray  # [L] float32


def leave_out(
  series: ts_files.Series,
  share: float,
  positions: Positions,
  generator: np.random.Generator,
) -> Kept:
  """Leaves out values at random; at least one is kept.

  Args:
    series: the series.
    share: of its values that are left out, rounded to a whole number of them.
    positions: what stands for their times.
    generator: source of randomness.
  """
  length = len(series.times)
  count = min(round(share * length), length - 1)
  out = np.zeros(length, bool)
  out[generator.permutation(length)[:count]] = True
  numbers = series.times
  if positions is Positions.INDEX:
    before = np.cumsum(~out)  # values that are left, up to each
    numbers = np.where(out, before - 0.5, before - 1).astype(np.float32)
  return Kept(
    series.values[~out], numbers[~out], series.values[out], numbers[out]
  )


@dataclasses.dataclass(frozen=True)
class Transform:
  """Leaves values out and pads what is left.

  Attributes:
    config: how many.
    size: values of an example, with the padding.
    with_queries: whether the values that were left out are asked for.
    share: of the values that are left out; at random if None.
  """

  config: DataConfig
  size: int
  with_queries: bool
  share: float | None = None

  def __call__(
    self, example: tuple[int, ts_files.Series], generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    """Returns "values", "times", "mask" and "labels" of an example.

    With queries also "queries", times [P], "targets" [P, C] and "query_mask".
    """
    index, series = example
    share = self.share
    if share is None:
      share = generator.uniform(0, self.config.left_out)
    else:
      generator = np.random.default_rng(index)
    kept = leave_out(series, share, self.config.positions, generator)
    found = {
      "values": _padded(kept.values, self.size),
      "times": _padded(kept.positions, self.size),
      "mask": np.arange(self.size) < len(kept.values),
      "labels": np.asarray(series.label, np.int32),
    }
    if not self.with_queries:
      return found
    return found | {
      "queries": _padded(kept.left_out_positions, self.size),
      "targets": _padded(kept.left_out, self.size),
      "query_mask": np.arange(self.size) < len(kept.left_out),
    }


def examples(batch: Mapping[str, Any]) -> dict[str, Any]:
  """Returns a model's examples, of a batch."""
  return {name: batch[name] for name in ("values", "times")}


def _padded(x: np.ndarray, size: int) -> np.ndarray:
  return np.pad(x, [(0, size - len(x)), *[(0, 0)] * (x.ndim - 1)])


def sets(
  config: DataConfig, num_channels: int
) -> tuple[ts_files.SeriesSet, ts_files.SeriesSet]:
  """Returns the series for training and for evaluation.

  Args:
    config: the series.
    num_channels: of synthetic ones.

  Raises:
    files.InputError: if the folder has not the two files, or they do not fit.
  """
  if config.source.is_synthetic:
    train, test = (
      synthetic(count, num_channels, seed)
      for seed, count in enumerate((600, 300))
    )
  else:
    train, test = _files(config.source.folder())
  if not config.hold_out:
    return train, test
  numbered = list(enumerate(train.series))
  kept = tuple(x for i, x in numbered if i % _HELD_OUT != _HELD_OUT - 1)
  held = tuple(x for i, x in numbered if i % _HELD_OUT == _HELD_OUT - 1)
  return train._replace(series=kept), train._replace(series=held)


def splits(
  config: DataConfig, *, size: int, channels: int, with_queries: bool
) -> tuple[loader.Split, loader.Split]:
  """Opens the training and the evaluation split.

  Args:
    config: the series.
    size: values of an example, with the padding.
    channels: channels of the values that the model takes.
    with_queries: see `Transform`.

  Raises:
    files.InputError: if the series do not fit the model.
  """
  train, test = sets(config, channels)
  for found in (train, test):
    if found.num_channels != channels or found.longest > size:
      raise files.InputError(
        f"{found.problem} has series of {found.num_channels} channels and up "
        f"to {found.longest} values; expected {channels} and at most {size}, "
        "as the model has: --model.value-channels, --model.num-inputs"
      )
  share = config.evaluated_left_out
  part = "held out" if config.hold_out else "test"
  if share:
    part += f" with {100 * share:g} % left out"
  is_official = not (share or config.hold_out or config.source.is_synthetic)
  return (
    loader.Split(
      list(enumerate(train.series)),
      Transform(config, size, with_queries),
      loader.split_name(train.problem, "train"),
    ),
    loader.Split(
      list(enumerate(test.series)),
      Transform(config, size, with_queries, share),
      loader.split_name(test.problem, part, official=is_official),
    ),
  )


def _files(
  folder: pathlib.Path,
) -> tuple[ts_files.SeriesSet, ts_files.SeriesSet]:
  train, test = (_file(folder, part) for part in ("TRAIN", "TEST"))
  if train.class_names != test.class_names:
    raise files.InputError(
      f"{folder}: the classes of both files are {train.class_names} and "
      f"{test.class_names}; expected the same"
    )
  return train, test


def _file(folder: pathlib.Path, part: str) -> ts_files.SeriesSet:
  found = sorted(folder.glob(f"*_{part}.ts"))
  if len(found) != 1:
    raise files.InputError(
      f"{folder} has {len(found)} files *_{part}.ts; expected one. "
      f"{Source.advice}"
    )
  return ts_files.read(found[0])


def synthetic(count: int, num_channels: int, seed: int) -> ts_files.SeriesSet:
  """Returns oscillations with noise; a class is a period.

  Channels follow one another by a quarter of the period.
  """
  generator = np.random.default_rng(seed)
  names = tuple(f"period of {period:g} steps" for period in PERIODS)

  def series(label: int) -> ts_files.Series:
    times = np.arange(generator.integers(*_LENGTHS), dtype=np.float32)
    phase = generator.uniform(0, 2 * np.pi)
    angle = 2 * np.pi * times / PERIODS[label] + phase
    values = np.cos(angle[:, None] - np.pi / 2 * np.arange(num_channels))
    values += generator.normal(scale=_NOISE, size=values.shape)
    return ts_files.Series(values.astype(np.float32), times, label)

  labels: Sequence[int] = [i % len(PERIODS) for i in range(count)]
  return ts_files.SeriesSet("synthetic", names, tuple(map(series, labels)))
