"""Folders of video files and the official lists of their clips.

Two kinds of lists are read, recognised by their first lines:

  Kinetics   label,youtube_id,time_start,time_end,split
  AudioSet   # YTID, start_seconds, end_seconds, positive_labels

Labels of AudioSet are identifiers such as /m/09x0r; class_labels_indices.csv
maps them to classes. Lists without labels, such as those of test splits, give
clips without any.

Files are found anywhere below the folder, in folders by class or not, by the
names ID_SSSSSS_EEEEEE (seconds, six digits), ID_START_END (milliseconds) or ID
alone, and any of the suffixes of `video_files.SUFFIXES`.
"""

import csv
import dataclasses
import functools
import pathlib
from typing import NamedTuple

from experiments.audio_video.clips import video_files
from experiments.data import files

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
  try:
    text = files.read_bytes(path).decode()
  except UnicodeDecodeError as error:
    raise files.InputError(f"{path} is not text in UTF-8: {error}") from error
  try:
    return _listing(path, text.splitlines())
  except csv.Error as error:
    raise files.InputError(f"{path} is no list of clips: {error}") from error


def _listing(path: pathlib.Path, lines: list[str]) -> Listing:
  if lines and lines[0].startswith("#"):
    return Listing(_AUDIOSET, _audioset_rows(path, lines))
  header = [name.strip() for name in lines[0].split(",")] if lines else []
  if not {"youtube_id", "time_start", "time_end"} <= set(header):
    first = repr(lines[0]) if lines else "nothing"
    raise files.InputError(
      f"{path} begins with {first}; expected the columns label, youtube_id, "
      "time_start and time_end of Kinetics, or the comments of AudioSet."
    )
  rows = []
  for number, entry in enumerate(csv.DictReader(lines), 2):
    label = (entry.get("label") or "").strip()
    rows.append(
      _row(
        (path, number),
        entry["youtube_id"],
        entry["time_start"],
        entry["time_end"],
        (label,) if label else (),
      )
    )
  return Listing(_KINETICS, rows)


def _audioset_rows(path: pathlib.Path, lines: list[str]) -> list[Row]:
  rows = []
  entries = csv.reader(lines, skipinitialspace=True)
  for number, entry in enumerate(entries, 1):
    if not entry or entry[0].startswith("#"):
      continue
    if len(entry) != 4:
      raise files.InputError(
        f"{path}, line {number}: {len(entry)} columns; expected 4."
      )
    labels = tuple(label.strip() for label in entry[3].split(",") if label)
    video_id, start, end = entry[:3]
    rows.append(_row((path, number), video_id, start, end, labels))
  return rows


def _row(
  line: tuple[pathlib.Path, int],
  video_id: str | None,
  start: str | None,
  end: str | None,
  labels: tuple[str, ...],
) -> Row:
  try:
    row = Row(
      (video_id or "").strip(), float(start or ""), float(end or ""), labels
    )
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
  text = files.read_bytes(path).decode(errors="replace")
  try:
    entries = list(csv.DictReader(text.splitlines()))
    entries.sort(key=lambda entry: int(entry["index"]))
    indices = [int(entry["index"]) for entry in entries]
    keys = tuple(entry["mid"] for entry in entries)
    names = tuple(entry["display_name"] for entry in entries)
  except (csv.Error, KeyError, TypeError, ValueError) as error:
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
  """Returns all video files below a folder by their names without suffixes.

  Of several of a name, the first by its path counts.

  Raises:
    files.InputError: if there is no such folder, or no video in it.
  """
  if not folder.is_dir():
    raise files.InputError(f"{folder} is not a folder; expected one of videos.")
  found: dict[str, pathlib.Path] = {}
  patterns = (f"*{suffix}" for suffix in video_files.SUFFIXES)
  for path in files.list_files(folder, *patterns, recursive=True):
    found.setdefault(path.stem, path)
  if not found:
    raise files.InputError(
      f"{folder} has no videos ({', '.join(video_files.SUFFIXES)})."
    )
  return found


def file_of(row: Row, found: dict[str, pathlib.Path]) -> pathlib.Path | None:
  """Returns the file of a clip, None if there is none."""
  names = (
    f"{row.video_id}_{round(row.start):06d}_{round(row.end):06d}",
    f"{row.video_id}_{round(1000 * row.start)}_{round(1000 * row.end)}",
    row.video_id,
  )
  return next((found[name] for name in names if name in found), None)
