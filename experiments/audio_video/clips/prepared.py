"""Reads prepared clips at random, without PyAV or TensorFlow."""

from collections.abc import Mapping, Sequence
import dataclasses
import json
import pathlib
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from experiments.audio_video.clips import clips
from experiments.audio_video.clips import decoding
from experiments.data import files

REPORT = "clips.json"
_NUM_SHOWN = 5  # of what is missing or damaged


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitReport:
  """What became of the clips of a list.

  Attributes:
    listed: how many the list has.
    official: whether that is the number of an official list.
    kept: how many are in the data set.
    remarks: how many of them were not as they should be, and in what.
    missing: clips without a file.
    damaged: errors of files that could not be decoded.
  """

  listed: int
  official: bool
  kept: int
  remarks: Mapping[str, int]
  missing: tuple[str, ...]
  damaged: tuple[str, ...]

  def describe(self, name: str) -> str:
    """Returns all of it in words, of what is missing the first few."""
    official = "an official list" if self.official else "no official list"
    lines = [
      f"{name}: {self.kept:,} of {self.listed:,} clips of {official}, "
      f"{len(self.missing):,} missing, {len(self.damaged):,} damaged"
    ]
    lines += [f"  {what}: {n:,}" for what, n in sorted(self.remarks.items())]
    for what, entries in (("missing", self.missing), ("damaged", self.damaged)):
      lines += [f"  {what}: {entry}" for entry in entries[:_NUM_SHOWN]]
      if len(entries) > _NUM_SHOWN:
        lines.append(
          f"  {what}: {len(entries) - _NUM_SHOWN:,} more in {REPORT}"
        )
    return "\n".join(lines)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatasetReport:
  """What a data set has, and what it lacks.

  Attributes:
    kind: of the lists, "kinetics" or "audioset".
    frame_rate: frames per second.
    sample_rate: samples per second.
    channels: channels of the sound.
    splits: what became of every list.
  """

  kind: str
  frame_rate: float
  sample_rate: int
  channels: int
  splits: Mapping[str, SplitReport]

  def describe(self) -> str:
    """Returns all of it in words."""
    head = (
      f"{self.kind}: {self.frame_rate:g} frames and {self.sample_rate:,} "
      f"samples per second, {self.channels} channels of sound"
    )
    return "\n".join(
      [head, *(split.describe(name) for name, split in self.splits.items())]
    )


def read_report(data_dir: pathlib.Path) -> DatasetReport:
  """Reads what is known of a data set.

  Raises:
    FileNotFoundError: if there is none.
    files.InputError: if it was not made by `prepare`.
  """
  path = data_dir / REPORT
  if not path.exists():
    raise FileNotFoundError(
      f"There is no {path}. "
      "`python -m experiments.prepare clips` makes a data set of a folder of "
      "videos."
    )
  try:
    entries = json.loads(path.read_text())
    splits = {
      name: SplitReport(
        **{
          **split,
          "missing": tuple(split["missing"]),
          "damaged": tuple(split["damaged"]),
        }
      )
      for name, split in entries.pop("splits").items()
    }
    return DatasetReport(**entries, splits=splits)
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise files.InputError(f"{path} is damaged: {error!r}") from error


@dataclasses.dataclass(frozen=True)
class EncodedFrames:
  """Frames that are decoded when they are asked for.

  Attributes:
    encoded: JPEG files, each of a frame of the same size.
    name: of the clip, for errors.
  """

  encoded: Sequence[bytes]
  name: str

  def __len__(self) -> int:
    return len(self.encoded)

  def __getitem__(self, part: slice) -> np.ndarray:  # [T, H, W, 3] uint8
    """Decodes some frames, at least one.

    Raises:
      files.InputError: if one is damaged.
    """
    try:
      return np.stack(
        [np.asarray(files.decode_image(x)) for x in self.encoded[part]]
      )
    except ValueError as error:
      raise files.InputError(f"clip {self.name}: {error}") from error


class PreparedClips:
  """The clips of a split."""

  def __init__(self, source: Any, report: DatasetReport, names: Sequence[str]):
    """Takes an open source of TensorFlow Datasets.

    Args:
      source: of encoded examples.
      report: of the data set.
      names: of the classes.
    """
    self._source, self._report = source, report
    self._names = tuple(names)

  @property
  def class_names(self) -> tuple[str, ...]:
    """What the classes are called."""
    return self._names

  def __len__(self) -> int:
    return len(self._source)

  def __getitem__(self, index: int) -> clips.Clip:
    """Returns a clip whose frames are not decoded yet."""
    entry, report = self._source[index], self._report
    frames = EncodedFrames(list(entry["frames"]), entry["name"].decode())
    ratio = round(report.sample_rate / report.frame_rate)
    sound = decoding.from_bytes(
      entry["sound"], report.channels, ratio * len(frames)
    )
    return clips.Clip(
      frames=frames,
      sound=sound,
      frame_rate=report.frame_rate,
      sample_rate=report.sample_rate,
      labels=tuple(int(label) for label in entry["labels"]),
      name=frames.name,
      has_sound=bool(entry["sound"]),
    )


def open_split(
  data_dir: pathlib.Path, split: str, *, allow_partial: bool = False
) -> PreparedClips:
  """Opens one part of a data set.

  Args:
    data_dir: the folder that `prepare` was told to write.
    split: "train", "validation" or "test", or a slice such as "train[:100]".
    allow_partial: accept fewer clips than the lists have.

  Raises:
    FileNotFoundError: if there is no such data set.
    files.InputError: if it has no such part, or clips are missing.
  """
  data_dir = data_dir.expanduser()
  report = read_report(data_dir)
  name = split.split("[")[0]
  if name not in report.splits:
    raise files.InputError(
      f"{data_dir} has no part {name!r}; it has {', '.join(report.splits)}."
    )
  found = report.splits[name]
  if found.kept < found.listed and not allow_partial:
    raise files.InputError(
      f"{data_dir} has {found.kept:,} of the {found.listed:,} clips in the "
      f"lists of {name}. Clips disappear from the public data sets; to go on "
      "without them, set data.allow_partial to True."
    )
  builder = tfds.builder_from_directory(data_dir)
  label = builder.info.features["labels"].feature
  return PreparedClips(builder.as_data_source(split=split), report, label.names)
