"""Sizes that no model has are refused where configurations are made."""

import dataclasses

import pytest

from perceiver import bounds
from perceiver import position_encoding
from perceiver.adapters import image
from perceiver.adapters import text


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
  size: int = 3
  grid: tuple[int, ...] = (2, 2)
  seed: int | None = None
  rate: float = 1e300

  def __post_init__(self):
    bounds.check(self)


def test_sizes_and_grids_are_bounded_and_seeds_are_not():
  Config(size=2**24, grid=(2**14, 2**14), seed=2**60)
  with pytest.raises(ValueError, match="Config: size is 16777217; expected"):
    Config(size=2**24 + 1)
  with pytest.raises(ValueError, match="Config: size is -16777217"):
    Config(size=-(2**24) - 1)
  with pytest.raises(ValueError, match=r"Config: grid is \(16385, 16384\)"):
    Config(grid=(2**14 + 1, 2**14))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ranged:
  count: int | None = 1
  pair: tuple[float, ...] = (0.0, 1.0)
  rate: float = 0.5
  width: float = 0.5

  def __post_init__(self):
    bounds.check_ranges(
      self, "count", pair="[0, 1]", rate="[0, 1)", width="(0, inf)"
    )


def test_ranges_of_counts_shares_and_pairs():
  Ranged(count=None, pair=(1, 0), rate=0, width=1e300)
  for field, value, expected in (
    ("count", 0, "at least 1"),
    ("pair", (0.0, 1.1), r"\[0, 1\]"),
    ("rate", 1, r"\[0, 1\)"),
    ("rate", float("nan"), r"\[0, 1\)"),
    ("width", 0, r"\(0, inf\)"),
    ("width", float("inf"), r"\(0, inf\)"),
  ):
    with pytest.raises(
      ValueError, match=rf"Ranged: {field} is .*; expected {expected}\.$"
    ):
      Ranged(**{field: value})


FOURIER = position_encoding.Fourier(num_bands=64, max_resolution=(8.0, 8.0))


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (
      lambda: text.TextInputConfig(vocab_size=2**30, max_length=3),
      "vocab_size is 1073741824",
    ),
    (
      lambda: image.ImageInputConfig(size=(2**15, 2**15), positions=FOURIER),
      "size is",
    ),
    (
      lambda: image.ImageInputConfig(size=(1, 2**20), positions=FOURIER),
      "num_bands times positions is 67108864",
    ),
    (
      lambda: image.ImageInputConfig(
        size=(2**10, 2**11), positions=FOURIER, permutation_seed=0
      ),
      "number of shuffled inputs is 2097152; expected at most 1048576",
    ),
  ],
  ids=range(4),
)
def test_adapters_refuse_what_would_fill_the_memory(make, message):
  with pytest.raises(ValueError, match=message):
    make()
