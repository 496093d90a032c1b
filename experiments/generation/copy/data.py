"""The copy task: random bytes, and the same in reverse order."""

from collections.abc import Sequence
import dataclasses
import enum

import numpy as np

from experiments.data import loader
from experiments.data import sources
from experiments.generation import sequences
from perceiver import bounds

_TRAIN_EXAMPLES = 2**20  # of an epoch, each sampled anew
_EVAL_SEED = 0


class Kind(enum.Enum):
  """The kind of sequences: made by the rule of the task."""

  SYNTHETIC = "synthetic"


@dataclasses.dataclass(frozen=True)
class Source(sources.Source):
  """Sequences, which need no path."""

  kind: Kind


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """The sequences.

  Attributes:
    source: synthetic, the only kind.
    eval_sequences: sequences of an evaluation.
  """

  source: Source = Source(Kind.SYNTHETIC)
  eval_sequences: int = 256

  def __post_init__(self) -> None:
    bounds.check_ranges(self, "eval_sequences")


@dataclasses.dataclass(frozen=True)
class Mirrored(Sequence[np.ndarray]):
  """Sequences of start, bytes, the same bytes mirrored, and end.

  Attributes:
    length: elements of a sequence.
    number: of sequences.
    seed: of the bytes.
  """

  length: int
  number: int
  seed: int

  def __len__(self) -> int:
    return self.number

  def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
    if not 0 <= index < self.number:
      raise IndexError(index)
    return mirrored(self.length, np.random.default_rng((self.seed, index)))


def mirrored(length: int, generator: np.random.Generator) -> np.ndarray:
  """Returns a sequence; `length` is even, [length] int32."""
  half = generator.integers(256, size=(length - 2) // 2).astype(np.uint8)
  return sequences.sequence(np.concatenate([half, half[::-1]]))


@dataclasses.dataclass(frozen=True)
class _Crop:
  """Cuts a sequence of random bytes at a random end in its second half."""

  length: int
  num_latents: int

  def __call__(
    self, number: int, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    """Returns an example."""
    del number
    whole = (mirrored(self.length, generator),)
    crop = sequences.RandomCrop(
      whole, self.length, self.num_latents, self.length // 2
    )
    return crop(0, generator)


def splits(
  length: int, num_latents: int, eval_sequences: int
) -> tuple[loader.Split, loader.Split]:
  """Returns the splits; entries are those of `sequences.example`.

  In evaluation every element of the second half counts once: a half is that of
  the sequence, rounded up, and its last element is the end.
  """
  train = loader.Split(
    range(_TRAIN_EXAMPLES),
    _Crop(length, num_latents),
    loader.split_name("mirrored", "train"),
  )
  held_out = sequences.held_out_split(
    Mirrored(length, eval_sequences, _EVAL_SEED),
    "mirrored",
    context=length,
    num_latents=num_latents,
    first=length // 2,
  )
  return train, held_out
