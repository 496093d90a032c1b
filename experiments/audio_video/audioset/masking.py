"""SpecAugment: spectrograms with bands and times left out (1904.08779).

2103.03206 uses it and gives no parameters. The defaults are that paper's policy
"SM" but for its warping of time, which gains least there; its longest mask, 70
times, never counts here, as a fifth of the clip is shorter.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpecAugmentConfig:
  """How much of a spectrogram is left out at most.

  Attributes:
    band_masks: how many runs of bands.
    band_part: the longest run, as a part of all bands: 15 of 80.
    time_masks: how many runs of times.
    time_part: the longest run, as a part of all times.
  """

  band_masks: int = 2
  band_part: float = 15 / 80
  time_masks: int = 2
  time_part: float = 0.2

  def __post_init__(self) -> None:
    if min(self.band_masks, self.time_masks) < 0 or not (
      0 <= self.band_part <= 1 and 0 <= self.time_part <= 1
    ):
      raise ValueError(
        f"SpecAugment: {self}; expected masks of at least 0 and parts in "
        "[0, 1]."
      )


def spec_augment(
  spectrogram: np.ndarray,  # [times, bands] float32
  config: SpecAugmentConfig,
  generator: np.random.Generator,
) -> np.ndarray:  # [times, bands] float32
  """Returns the spectrogram with its mean in place of what is left out.

  A run's length is drawn from 0 to the longest, then its place.
  """
  masked = spectrogram.copy()
  mean = spectrogram.mean()
  times, bands = spectrogram.shape
  for _ in range(config.time_masks):
    masked[_run(times, config.time_part, generator)] = mean
  for _ in range(config.band_masks):
    masked[:, _run(bands, config.band_part, generator)] = mean
  return masked


def _run(size: int, part: float, generator: np.random.Generator) -> slice:
  length = generator.integers(int(part * size), endpoint=True)
  start = generator.integers(size - length, endpoint=True)
  return slice(start, start + length)
