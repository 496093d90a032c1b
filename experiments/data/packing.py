"""Examples of unequal length, several in a row of one length.

An epoch has the same rows every time, in an order of its own.
"""

from collections.abc import Callable, Sequence
import dataclasses
from typing import Any

import numpy as np

from experiments.data import loader

Example = dict[str, np.ndarray]


def plan(
  lengths: Sequence[int], row_length: int, row_sets: int
) -> list[tuple[int, int]]:
  """Divides examples over rows, in their order.

  Args:
    lengths: positions of every example.
    row_length: positions of a row.
    row_sets: examples that a row may have.

  Returns:
    The first example of every row, and the one after its last.

  Raises:
    ValueError: if an example does not fit a row.
  """
  rows: list[tuple[int, int]] = []
  first = used = 0
  for i, length in enumerate(lengths):
    if length > row_length:
      raise ValueError(
        f"Packing: example {i} has {length} positions; expected at most "
        f"{row_length}, those of a row."
      )
    if used + length > row_length or i - first == row_sets:
      rows.append((first, i))
      first, used = i, 0
    used += length
  return [*rows, (first, len(lengths))] if len(lengths) else rows


@dataclasses.dataclass(frozen=True)
class Rows:
  """Raw examples by rows, as a `loader.Source` of lists of them.

  Attributes:
    source: of the examples.
    planned: of `plan`.
  """

  source: loader.Source
  planned: Sequence[tuple[int, int]]

  def __len__(self) -> int:
    """Returns the number of rows."""
    return len(self.planned)

  def __getitem__(self, index: int) -> list[Any]:
    """Returns the raw examples of a row."""
    return [self.source[i] for i in range(*self.planned[index])]


@dataclasses.dataclass(frozen=True)
class Pack:
  """A transform that makes one example of a row of them.

  Attributes:
    transform: of each.
    ragged: names of the entries that are laid one after another; others are
      stacked.
    row_length: positions of a row.
    row_sets: examples that a row may have.
  """

  transform: Callable[..., Example]
  ragged: tuple[str, ...]
  row_length: int
  row_sets: int

  def __call__(
    self, raw: Sequence[Any], generator: np.random.Generator
  ) -> Example:
    """Returns a row.

    Returns:
      Ragged entries [row_length, ...] and others [row_sets, ...], zeros where
      there is no example; "segment_ids", int32 [row_length], −1 there; and
      "set_weight", float32 [row_sets], 1 for an example.
    """
    examples = [self.transform(x, generator) for x in raw]
    packed = {}
    for name in examples[0]:
      arrays = [example[name] for example in examples]
      is_ragged = name in self.ragged
      joined = (np.concatenate if is_ragged else np.stack)(arrays)
      size = self.row_length if is_ragged else self.row_sets
      packed[name] = _padded(joined, size)
    lengths = [len(example[self.ragged[0]]) for example in examples]
    ids = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    weight = np.ones(len(lengths), np.float32)
    return {
      **packed,
      "segment_ids": _padded(ids, self.row_length, -1),
      "set_weight": _padded(weight, self.row_sets),
    }


def _padded(x: np.ndarray, length: int, value: int = 0) -> np.ndarray:
  widths = [(0, length - len(x))] + [(0, 0)] * (x.ndim - 1)
  return np.pad(x, widths, constant_values=value)
