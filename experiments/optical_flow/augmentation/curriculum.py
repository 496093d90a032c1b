"""What training shows when: first every pair both ways, then ever more varied.

Perceiver IO trains as AutoFlow does, whose augmentation grows, after a phase
of its own: nothing is varied and every pair is also shown reversed
(2107.14795 appendix H). The lengths of the phases are not published.
"""

from collections.abc import Sequence
import dataclasses
from typing import Any, Protocol, runtime_checkable

import numpy as np

from experiments.data import loader
from experiments.optical_flow import examples
from experiments.optical_flow.augmentation import (
  augmentation as augmentation_augmentation,
)
from experiments.optical_flow.augmentation import backward_flow


@dataclasses.dataclass(frozen=True, kw_only=True)
class CurriculumConfig:
  """How long the phases are, as parts of the whole training.

  Attributes:
    plain: the first phase, in which half of the pairs are reversed and nothing
      is varied; 0 for none.
    growing: the second, in which augmentation grows from nothing to its full
      strength, where it stays.
  """

  plain: float = 0.1
  growing: float = 0.5

  def __post_init__(self) -> None:
    if min(self.plain, self.growing) < 0 or self.plain + self.growing > 1:
      raise ValueError(
        f"CurriculumConfig: plain is {self.plain} and growing {self.growing}; "
        "expected parts of the training, together at most 1."
      )

  def strength(self, progress: float) -> float:
    """Returns the strength of the augmentation, from 0 to 1.

    Args:
      progress: the part of the training that is over, in [0, 1].
    """
    since = progress - self.plain
    if since < 0:
      return 0.0
    return min(since / self.growing, 1.0) if self.growing else 1.0

  def reverses(self, progress: float) -> bool:
    """Returns whether pairs are reversed when `progress` is over."""
    return progress < self.plain


# ------------------------------------------------------------------------ pairs


@runtime_checkable
class Reversible(Protocol):
  """A source that knows the flow both ways."""

  def reversed_example(self, index: int) -> examples.FlowExample:
    """Returns example `index` from its second frame to its first."""


@dataclasses.dataclass(frozen=True)
class TwoWay:
  """An example that is read when it is known which way it goes."""

  source: loader.Source
  index: int

  def read(self, reverse: bool = False) -> examples.FlowExample:
    """Returns the example, or its reverse, approximate if need be."""
    if not reverse:
      return self.source[self.index]
    if isinstance(self.source, Reversible):
      return self.source.reversed_example(self.index)
    return backward_flow.reverse(self.source[self.index])


@dataclasses.dataclass(frozen=True)
class BothWays(Sequence[Any]):
  """The examples of a source, as pairs that are not read yet."""

  source: loader.Source

  def __len__(self) -> int:
    return len(self.source)

  def __getitem__(self, index: Any) -> Any:  # TwoWay
    return TwoWay(self.source, int(index))


# ------------------------------------------------------------------- transforms


@dataclasses.dataclass(frozen=True, kw_only=True)
class Varied:
  """Reads a pair and varies it.

  Attributes:
    size: height and width of the result, pixels.
    config: what is varied.
    strength: how much, in [0, 1].
    reverses: whether half of the pairs are reversed.
  """

  size: tuple[int, int]
  config: augmentation_augmentation.AugmentationConfig
  strength: float = 0.0
  reverses: bool = False

  def __call__(
    self, pair: TwoWay, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    """Returns the entries of a batch; see `to_entries`."""
    reverse = self.reverses and generator.random() < 0.5
    example = augmentation_augmentation.augment(
      pair.read(reverse),
      generator,
      size=self.size,
      config=self.config,
      strength=self.strength,
    )
    return to_entries(example)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Curriculum:
  """Gives the transform of every example of a training run.

  Attributes:
    config: the phases.
    total_examples: examples of the whole run, through all epochs.
    size: height and width of training examples, pixels.
    augmentation: what is varied.
  """

  config: CurriculumConfig
  total_examples: int
  size: tuple[int, int]
  augmentation: augmentation_augmentation.AugmentationConfig

  def __call__(self, number: int) -> Varied:
    """Returns the transform of example `number` of the run."""
    progress = number / self.total_examples
    return Varied(
      size=self.size,
      config=self.augmentation,
      strength=self.config.strength(progress),
      reverses=self.config.reverses(progress),
    )


def to_entries(example: examples.FlowExample) -> dict[str, np.ndarray]:
  """Returns what batches have of an example.

  They are "frames" uint8 [2, H, W, 3], "flow" float32 [H, W, 2] in pixels and
  "valid" bool [H, W].
  """
  return {
    "frames": example.frames,
    "flow": example.flow,
    "valid": example.valid,
  }
