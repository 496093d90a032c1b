"""The phases of training: backward flow first, then growing augmentation.

Perceiver IO trains as AutoFlow does, whose augmentation grows, after a phase
of its own: nothing is augmented, and pairs are also trained on in backward
order (2107.14795 appendix H). The lengths of the phases are not published.
"""

import dataclasses
from typing import Protocol

import numpy as np

from experiments.optical_flow import examples
from experiments.optical_flow.augmentation import augment


@dataclasses.dataclass(frozen=True, kw_only=True)
class CurriculumConfig:
  """Lengths of the phases, as shares of the whole training.

  Attributes:
    plain: the first phase, in which half of the pairs have backward flow and
      nothing is augmented; 0 for none.
    growing: the second phase, in which augmentation grows from nothing to its
      full strength, where it stays.
  """

  plain: float = 0.1
  growing: float = 0.5

  def __post_init__(self) -> None:
    if min(self.plain, self.growing) < 0 or self.plain + self.growing > 1:
      raise ValueError(
        f"CurriculumConfig: plain is {self.plain} and growing {self.growing}; "
        "expected shares of the training, together at most 1."
      )

  def strength(self, progress: float) -> float:
    """Returns the strength of the augmentation, from 0 to 1.

    Args:
      progress: share of the training that is over, in [0, 1].
    """
    since = progress - self.plain
    if since < 0:
      return 0.0
    return min(since / self.growing, 1.0) if self.growing else 1.0

  def uses_backward_flow(self, progress: float) -> bool:
    """Returns whether half of the pairs have backward flow at `progress`."""
    return progress < self.plain


class Source(Protocol):
  """Pairs of frames with flow in both directions."""

  def __len__(self) -> int:
    """Returns the number of pairs."""

  def __getitem__(self, index: int, /) -> examples.FlowExample:
    """Returns a pair with the flow from its first frame to its second."""

  def backward(self, index: int) -> examples.FlowExample:
    """Returns a pair in backward order, with the flow back to its first."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainTransform:
  """Reads a pair, forward or backward, and augments it.

  Attributes:
    source: the pairs.
    curriculum: phases of training.
    augmentation: changes at full strength.
    size: height and width of training examples, pixels.
  """

  source: Source
  curriculum: CurriculumConfig
  augmentation: augment.AugmentationConfig
  size: tuple[int, int]

  def __call__(
    self, index: int, generator: np.random.Generator, progress: float = 0.0
  ) -> dict[str, np.ndarray]:
    """Returns the entries of pair `index`; see `to_entries`."""
    backward = (
      self.curriculum.uses_backward_flow(progress) and generator.random() < 0.5
    )
    example = self.source.backward(index) if backward else self.source[index]
    return to_entries(
      augment.augment(
        example,
        generator,
        size=self.size,
        config=self.augmentation,
        strength=self.curriculum.strength(progress),
      )
    )


def to_entries(example: examples.FlowExample) -> dict[str, np.ndarray]:
  """Returns the entries of an example in a batch.

  They are "frames" uint8 [2, H, W, 3], "flow" float32 [H, W, 2] in pixels and
  "valid" bool [H, W].
  """
  return {
    "frames": example.frames,
    "flow": example.flow,
    "valid": example.valid,
  }
