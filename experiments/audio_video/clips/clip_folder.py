"""Folders of video files and the official lists of their clips.

Two kinds of lists are read, recognised by their first lines:

  Kinetics   label,youtube_id,time_start,time_end,split
  AudioSet   # YTID, start_seconds, end_seconds, positive_labels

Labels of AudioSet are identifiers such as /m/09x0r; class_labels_indices.csv
maps them to classes. Lists without labels, such as those of test splits, give
clips without any.

Files are found anywhere below the folder, in folders by class or not, by the
names ID_SSSSSS_EEEEEE (seconds, six digits), ID_START_END (milliseconds) or ID
alone, and any of the suffixes of `video_files.SUFFIXES`, or, of audio alone, of
`audio_files.SUFFIXES`.
"""

import dataclasses
import functools
import pathlib
from typing import NamedTuple

from experiments.audio_video.clips import audio_files
from experiments.audio_video.clips import video_files
from experiments.data import files
from experiments.data import tables

# Clips in the official lists, by their columns and the name of the split.
# Kinetics-700-2020; AudioSet's training lists, one for itself or both.
OFFICIAL_COUNTS = {
  ("kinetics", "train"): (545_793,),
  ("kinetics", "validation"): (34_256,),
  ("kinetics", "test"): (67_858,),
  ("audioset", "train"): (2_063_949, 2_041_789, 22_160),
  ("audioset", "validation"): (20_371,),
}
_KINETICS = "kinetics"
_AUDIOSET = "audioset"


class Row(NamedTuple):
  """One clip of a list."""

  video_id: str
  start: float  # seconds in the whole video
  end: float
  labels: tuple[str, ...]


class Listing(NamedTuple):
  """A list of clips."""

  kind: str  # "kinetics" or "audioset"
  rows: list[Row]


def read_list(path: pathlib.Path) -> Listing:
  """Reads a list of clips.

  Raises:
    files.InputError: if it is of neither kind, or a row is malformed.
  """
  first, *rows = tables.read_csv(path) or [tables.Row(1, [])]
  if "".join(first.fields).startswith("#"):
    return Listing(_AUDIOSET, _audioset_rows(path, rows))
  header = tables.columns(first.fields)
  if not {"youtube_id", "time_start", "time_end"} <= set(header):
    begin = repr(",".join(first.fields)) if first.fields else "nothing"
    raise files.InputError(
      f"{path} begins with {begin}; expected the columns label, youtube_id, "
      "time_start and time_end of Kinetics, or the comments of AudioSet."
    )
  return Listing(_KINETICS, [_kinetics_row(path, header, row) for row in rows])


def _kinetics_row(
  path: pathlib.Path, header: list[str], row: tables.Row
) -> Row:
  entry = dict(zip(header, row.fields))
  label = entry.get("label")
  times = entry.get("time_start"), entry.get("time_end")
  labels = (label,) if label else ()
  return _row((path, row.line), entry.get("youtube_id"), *times, labels)


def _audioset_rows(path: pathlib.Path, rows: list[tables.Row]) -> list[Row]:
  found = []
  for line, fields in rows:
    if fields[0].startswith("#"):
      continue
    if len(fields) != 4:
      raise files.InputError(
        f"{path}, line {line}: {len(fields)} columns; expected 4."
      )
    video_id, start, end, listed = fields
    labels = tuple(filter(None, map(str.strip, listed.split(","))))
    found.append(_row((path, line), video_id, start, end, labels))
  return found


def _row(
  line: tuple[pathlib.Path, int],
  video_id: str | None,
  start: str | None,
  end: str | None,
  labels: tuple[str, ...],
) -> Row:
  try:
    row = Row(video_id or "", float(start or ""), float(end or ""), labels)
  except ValueError:
    row = None
  if row is None or not row.video_id or not 0 <= row.start < row.end:
    raise files.InputError(
      f"{line[0]}, line {line[1]}: {video_id!r} from {start!r} to {end!r}; "
      "expected a name and two rising times in seconds."
    )
  return row


@dataclasses.dataclass(frozen=True)
class Classes:
  """The classes of labels.

  Attributes:
    keys: labels as the lists have them, by number.
    names: names of the classes, by number.
  """

  keys: tuple[str, ...]
  names: tuple[str, ...]

  @functools.cached_property
  def _numbers(self) -> dict[str, int]:
    return {key: number for number, key in enumerate(self.keys)}

  def numbers(self, row: Row) -> tuple[int, ...]:
    """Returns the numbers of a clip's labels, rising.

    Raises:
      files.InputError: if one is unknown.
    """
    unknown = [label for label in row.labels if label not in self._numbers]
    if unknown:
      raise files.InputError(
        f"clip {row.video_id} has the label {unknown[0]!r}, which is none of "
        f"the {len(self.keys)} classes."
      )
    return tuple(sorted({self._numbers[label] for label in row.labels}))


def read_classes(path: pathlib.Path) -> Classes:
  """Reads AudioSet's class_labels_indices.csv: index,mid,display_name.

  Raises:
    files.InputError: if it has another form.
  """
  header, *rows = tables.read_csv(path) or [tables.Row(1, [])]
  columns = tables.columns(header.fields)
  try:
    entries = [dict(zip(columns, row.fields)) for row in rows]
    entries.sort(key=lambda entry: int(entry["index"]))
    indices = [int(entry["index"]) for entry in entries]
    keys = tuple(entry["mid"] for entry in entries)
    names = tuple(entry["display_name"] for entry in entries)
  except (KeyError, ValueError) as error:
    raise files.InputError(
      f"{path} is no list of classes: {error!r}; expected the columns index, "
      "mid and display_name."
    ) from error
  if (
    not keys or indices != list(range(len(keys))) or len(set(keys)) < len(keys)
  ):
    raise files.InputError(
      f"{path}: the {len(keys)} classes are not numbered from 0 on, each once."
    )
  return Classes(keys, names)


def classes_of(listings: list[Listing]) -> Classes:
  """Returns the labels of lists as classes, sorted by name."""
  labels = {
    x for listing in listings for row in listing.rows for x in row.labels
  }
  return Classes(tuple(sorted(labels)), tuple(sorted(labels)))


def find_files(folder: pathlib.Path) -> dict[str, pathlib.Path]:
  """Returns all clips below a folder by their files' names without suffixes.

  Of several of a name, the first by its path counts.

  Raises:
    files.InputError: if there is no such folder, or no clip in it.
  """
  if not folder.is_dir():
    raise files.InputError(f"{folder} is not a folder; expected one of videos.")
  found: dict[str, pathlib.Path] = {}
  suffixes = (*video_files.SUFFIXES, *audio_files.SUFFIXES)
  patterns = (f"*{suffix}" for suffix in suffixes)
  for path in files.list_files(folder, *patterns, recursive=True):
    found.setdefault(path.stem, path)
  if not found:
    raise files.InputError(f"{folder} has no clips ({', '.join(suffixes)}).")
  return found


def file_of(row: Row, found: dict[str, pathlib.Path]) -> pathlib.Path | None:
  """Returns the file of a clip, None if there is none."""
  names = (
    f"{row.video_id}_{round(row.start):06d}_{round(row.end):06d}",
    f"{row.video_id}_{round(1000 * row.start)}_{round(1000 * row.end)}",
    row.video_id,
  )
  return next((found[name] for name in names if name in found), None)
