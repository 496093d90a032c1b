"""Files .ts of the UEA and UCR archives: multivariate series with classes.

Lines that begin with # are comments, those with @ describe the series. After
@data every line is a series: channels with colons between, values with commas,
and its class last.
"""

import pathlib
from typing import NamedTuple

import numpy as np

from experiments.data import files
from experiments.data import tables


class Series(NamedTuple):
  """One series."""

  values: np.ndarray  # [M, C] float32
  times: np.ndarray  # [M] float32, in steps
  label: int


class SeriesSet(NamedTuple):
  """The series of a file."""

  problem: str  # the set's name
  class_names: tuple[str, ...]
  series: tuple[Series, ...]

  @property
  def num_channels(self) -> int:
    """The channels of the values."""
    return self.series[0].values.shape[1]

  @property
  def longest(self) -> int:
    """The values of the longest series."""
    return max(len(each.times) for each in self.series)


def read(path: pathlib.Path) -> SeriesSet:
  """Reads a file.

  A step of which a value is missing, "?" or "NaN", is left out.

  Raises:
    files.InputError: if it is no such file; the message names the line.
  """
  lines = tables.read_text(path).splitlines()
  header, data = _split(path, lines)
  names = header.get("classlabel", "").split()
  if names[:1] != ["true"] or len(names) < 2:
    raise files.InputError(
      f"{path}: @classLabel is {' '.join(names)!r}; expected true and the "
      "names of the classes"
    )
  if header.get("timestamps", "false") != "false":
    raise files.InputError(f"{path}: @timeStamps is true; expected false")
  found = []
  for number, line in data:
    try:
      found.append(_series(line, tuple(names[1:])))
    except ValueError as error:
      raise files.InputError(f"{path}, line {number}: {error}") from None
  if not found:
    raise files.InputError(f"{path} has no series after @data")
  channels = {each.values.shape[1] for each in found}
  if len(channels) > 1:
    raise files.InputError(
      f"{path} has series of {' and '.join(map(str, sorted(channels)))} "
      "channels; expected one number"
    )
  problem = header.get("problemname", path.stem)
  return SeriesSet(problem, tuple(names[1:]), tuple(found))


def _split(
  path: pathlib.Path, lines: list[str]
) -> tuple[dict[str, str], list[tuple[int, str]]]:
  """Returns the description, and the numbered lines of the series."""
  header: dict[str, str] = {}
  for number, line in enumerate(lines, start=1):
    word, _, value = line.strip().partition(" ")
    if word.lower() == "@data":
      rest = enumerate(lines[number:], start=number + 1)
      return header, [pair for pair in rest if pair[1].strip()]
    if word.startswith("@"):
      header[word[1:].lower()] = value.strip()
  raise files.InputError(f"{path} has no line @data; is it a .ts file?")


def _series(line: str, class_names: tuple[str, ...]) -> Series:
  *channels, label = line.strip().split(":")
  if label not in class_names:
    raise ValueError(
      f"the class is {label!r}; expected one of {', '.join(class_names)}"
    )
  rows = [
    [
      float("nan") if value == "?" else float(value)
      for value in text.split(",")
    ]
    for text in channels
  ]
  lengths = {len(row) for row in rows}
  if len(lengths) != 1:
    raise ValueError(
      f"channels have {' and '.join(map(str, sorted(lengths)))} values; "
      "expected one number"
    )
  values = np.array(rows, np.float32).T  # [M, C]
  kept = np.isfinite(values).all(axis=1)
  if not kept.any():
    raise ValueError("no step has a value in all channels")
  times = np.flatnonzero(kept).astype(np.float32)
  return Series(values[kept], times, class_names.index(label))
