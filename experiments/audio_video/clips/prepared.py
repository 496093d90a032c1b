"""Random access to prepared clips, without PyAV or TensorFlow."""

from collections.abc import Mapping, Sequence
import dataclasses
import json
import math
import pathlib
from typing import Any

import numpy as np

from experiments.audio_video.clips import clips
from experiments.audio_video.clips import decoding
from experiments.data import files

REPORT = "clips.json"
_NUM_SHOWN = 5  # of what is missing or damaged


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitReport:
  """Complete, defective and missing clips of a split.

  Attributes:
    listed: number of clips in the lists.
    official: whether that is the number of an official list.
    kept: number of clips in the data set.
    remarks: number of clips with each defect.
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
    """Returns all of it in words, with the first few missing clips."""
    official = "an official list" if self.official else "no official list"
    lines = [
      f"{name}: {self.kept:,} of {self.listed:,} clips of {official}, "
      f"{len(self.missing):,} missing, {len(self.damaged):,} damaged"
    ]
    lines += [f"  {what}: {n:,}" for what, n in sorted(self.remarks.items())]
    if self.damaged:
      lines.append(f"  damaged: {files.commonest(self.damaged)}")
    for what, entries in (("missing", self.missing), ("damaged", self.damaged)):
      lines += [f"  {what}: {entry}" for entry in entries[:_NUM_SHOWN]]
      if len(entries) > _NUM_SHOWN:
        lines.append(
          f"  {what}: {len(entries) - _NUM_SHOWN:,} more in {REPORT}"
        )
    return "\n".join(lines)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatasetReport:
  """Complete, defective and missing clips of a data set.

  Attributes:
    kind: kind of the lists, "kinetics" or "audioset".
    frame_rate: frames per second.
    sample_rate: audio samples per second.
    channels: channels of the audio.
    splits: reports by split.
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
      f"samples per second, {self.channels} channels of audio"
    )
    return "\n".join(
      [head, *(split.describe(name) for name, split in self.splits.items())]
    )


def read_report(data_dir: pathlib.Path) -> DatasetReport:
  """Reads the report of a data set.

  Raises:
    FileNotFoundError: if there is none.
    files.InputError: if it is damaged.
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
  """Frames that are decoded on access.

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


@dataclasses.dataclass(frozen=True)
class NoFrames:
  """Black frames of one pixel, of a clip without video."""

  count: int

  def __len__(self) -> int:
    return self.count

  def __getitem__(self, part: slice) -> np.ndarray:  # [T, 1, 1, 3] uint8
    return np.zeros((len(range(self.count)[part]), 1, 1, 3), np.uint8)


@dataclasses.dataclass(frozen=True)
class PreparedClips:
  """The clips of a split.

  Attributes:
    source: encoded examples, a data source of TensorFlow Datasets.
    report: report of the data set.
    class_names: names of the classes, by number.
  """

  source: Any
  report: DatasetReport
  class_names: tuple[str, ...]

  def __len__(self) -> int:
    return len(self.source)

  def __getitem__(self, index: int) -> clips.Clip:
    """Returns a clip whose frames are not decoded yet."""
    entry, report = self.source[index], self.report
    name, encoded = entry["name"].decode(), list(entry["frames"])
    ratio = round(report.sample_rate / report.frame_rate)
    # Two bytes a sample.
    count = math.ceil(len(entry["sound"]) / (2 * report.channels * ratio))
    frames = EncodedFrames(encoded, name) if encoded else NoFrames(count)
    audio = decoding.from_bytes(
      entry["sound"], report.channels, ratio * len(frames)
    )
    return clips.Clip(
      frames=frames,
      audio=audio,
      frame_rate=report.frame_rate,
      sample_rate=report.sample_rate,
      labels=tuple(int(label) for label in entry["labels"]),
      name=name,
      has_audio=bool(entry["sound"]),
      has_video=bool(encoded),
    )


def open_split(
  data_dir: pathlib.Path, split: str, *, allow_partial: bool = False
) -> PreparedClips:
  """Opens a split of a data set.

  Args:
    data_dir: the folder of the data set.
    split: "train", "validation" or "test", or a slice such as "train[:100]".
    allow_partial: accept fewer clips than the lists have.

  Raises:
    FileNotFoundError: if there is no such data set.
    files.InputError: if it has no such split, or clips are missing.
  """
  report = read_report(data_dir)
  name = split.split("[")[0]
  if name not in report.splits:
    raise files.InputError(
      f"{data_dir} has no split {name!r}; it has {', '.join(report.splits)}."
    )
  found = report.splits[name]
  if found.kept < found.listed and not allow_partial:
    raise files.InputError(
      f"{data_dir} has {found.kept:,} of the {found.listed:,} clips in the "
      f"lists of {name}. Clips disappear from the public data sets; to go on "
      "without them, set data.allow_partial."
    )
  import tensorflow_datasets as tfds

  builder = tfds.builder_from_directory(data_dir)
  names = builder.info.features["labels"].feature.names
  source = builder.as_data_source(split=split)
  return PreparedClips(source, report, tuple(names))
