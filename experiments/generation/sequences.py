"""Sequences of elements: their numbers, crops for training, and windows.

Element 0 is padding, 1 the end, 2 the start, and data follow from 3, as in the
released Perceiver AR.
"""

from collections.abc import Iterator, Sequence
import dataclasses

import numpy as np

from experiments.data import loader

END, START = 1, 2
NUM_SPECIAL = 3


def encode(data: bytes | np.ndarray) -> np.ndarray:  # [L] int32
  """Returns the elements of bytes."""
  values = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data
  return values.astype(np.int32) + NUM_SPECIAL


def decode(elements: Sequence[int] | np.ndarray) -> bytes:
  """Returns the bytes of elements, without the special ones."""
  found = np.asarray(elements)
  return (found[found >= NUM_SPECIAL] - NUM_SPECIAL).astype(np.uint8).tobytes()


def sequence(data: bytes | np.ndarray) -> np.ndarray:  # [L + 2] int32
  """Returns the elements of bytes between start and end."""
  return np.concatenate([[START], encode(data), [END]]).astype(np.int32)


@dataclasses.dataclass(frozen=True)
class Window:
  """A part of a sequence, some of whose elements count.

  Attributes:
    number: of the sequence.
    end: index after the last element, which is a target only.
    counted: targets that count, the last ones.
  """

  number: int
  end: int
  counted: int


def windows(
  lengths: Sequence[int], block: int, first: int = 1
) -> Iterator[Window]:
  """Yields windows in which every element from `first` on counts once.

  Blocks are counted from the end of a sequence; its first may be short.
  """
  for number, length in enumerate(lengths):
    yield from reversed(
      [
        Window(number, end, min(block, end - first))
        for end in range(length, first, -block)
      ]
    )


def example(
  elements: np.ndarray, end: int, context: int, counted: int, average: float
) -> dict[str, np.ndarray]:
  """Returns the entries of an example that ends before index `end`.

  They are "inputs" and "targets" int32 [context], which the next input is, both
  padded behind; "first" int32, the index of the first input in its sequence;
  "counted" int32, the targets that count, the last ones; and "average" float32,
  the number of them that an example has on average.
  """
  first = max(0, end - 1 - context)
  crop = elements[first:end].astype(np.int32)
  padded = np.zeros((2, context), np.int32)
  padded[0, : len(crop) - 1] = crop[:-1]
  padded[1, : len(crop) - 1] = crop[1:]
  return {
    "inputs": padded[0],
    "targets": padded[1],
    "first": np.int32(first),
    "counted": np.int32(counted),
    "average": np.float32(average),
  }


@dataclasses.dataclass(frozen=True)
class RandomCrop:
  """Cuts a sequence at a random end, and at the context before it.

  A sequence that fits into the context is cut at its end only.

  Attributes:
    sequences: with start and end.
    context: inputs of an example.
    num_latents: of which each has a target.
    shortest: fewest elements of a crop; one more than the latents if None.
  """

  sequences: Sequence[np.ndarray]
  context: int
  num_latents: int
  shortest: int | None = None

  def __call__(
    self, number: int, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    """Returns an example of a sequence."""
    elements = self.sequences[number]
    shortest = min(self.shortest or self.num_latents + 1, len(elements))
    end = int(generator.integers(shortest, len(elements) + 1))
    counted = min(self.num_latents, end - 1)
    return example(elements, end, self.context, counted, counted)


@dataclasses.dataclass(frozen=True)
class WindowTransform:
  """Cuts the windows of an evaluation."""

  sequences: Sequence[np.ndarray]
  context: int
  average: float

  def __call__(
    self, window: Window, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    """Returns the example of a window."""
    del generator
    return example(
      self.sequences[window.number],
      *(window.end, self.context, window.counted, self.average),
    )


def splits(
  train: Sequence[np.ndarray],
  held_out: Sequence[np.ndarray],
  name: str,
  *,
  context: int,
  num_latents: int,
  most: int | None = None,
) -> tuple[loader.Split, loader.Split]:
  """Returns splits of sequences; entries are those of `example`.

  An epoch has a crop for each `num_latents` elements of the training split.

  Args:
    train: sequences to learn from, with start and end.
    held_out: sequences to evaluate on.
    name: of the data.
    context: inputs of an example.
    num_latents: of the model.
    most: windows to evaluate, from all over the sequences; None for all.
  """
  numbers = [
    number
    for number, elements in enumerate(train)
    for _ in range(-(-len(elements) // num_latents))
  ]
  split = loader.Split(
    numbers,
    RandomCrop(train, context, num_latents),
    loader.split_name(name, "train"),
  )
  return split, held_out_split(
    held_out, name, context=context, num_latents=num_latents, most=most
  )


def held_out_split(
  sequences: Sequence[np.ndarray],
  name: str,
  *,
  context: int,
  num_latents: int,
  first: int = 1,
  most: int | None = None,
) -> loader.Split:
  """Returns a split in which every element from `first` on counts once.

  Args:
    sequences: with start and end.
    name: of the data.
    context: inputs of an example.
    num_latents: of the model, the most elements that count in a window.
    first: index of the first element that counts in a sequence.
    most: windows to evaluate, from all over the sequences; None for all.
  """
  found = list(windows([len(x) for x in sequences], num_latents, first))
  if most is not None and most < len(found):
    rows = np.linspace(0, len(found) - 1, most).astype(int)
    found = [found[row] for row in rows]
  average = float(np.mean([window.counted for window in found]))
  transform = WindowTransform(sequences, context, average)
  return loader.Split(found, transform, loader.split_name(name, "held out"))
