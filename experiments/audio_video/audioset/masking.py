"""SpecAugment: spectrograms with masked bands and times (1904.08779).

2103.03206 uses it and gives no parameters. The defaults are that paper's policy
"SM" without its time warping, which gains least there. Its limit of 70 times
per mask never applies here, as a fifth of the clip is shorter.
"""

import dataclasses

import numpy as np

from perceiver import bounds


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpecAugmentConfig:
  """Masks of a spectrogram.

  Attributes:
    band_masks: number of masks over consecutive bands.
    band_part: largest width of one, as a part of all bands: 15 of 80.
    time_masks: number of masks over consecutive times.
    time_part: largest width of one, as a part of all times.
  """

  band_masks: int = 2
  band_part: float = 15 / 80
  time_masks: int = 2
  time_part: float = 0.2

  def __post_init__(self) -> None:
    bounds.check_ranges(
      self,
      band_masks="[0, inf)",
      band_part="[0, 1]",
      time_masks="[0, inf)",
      time_part="[0, 1]",
    )


def spec_augment(
  spectrogram: np.ndarray,  # [times, bands] float32
  config: SpecAugmentConfig,
  generator: np.random.Generator,
) -> np.ndarray:  # [times, bands] float32
  """Returns the spectrogram with its mean in place of the masked values.

  The width of a mask is uniform from 0 to the largest; its position is uniform.
  """
  masked = spectrogram.copy()
  mean = spectrogram.mean()
  times, bands = spectrogram.shape
  for _ in range(config.time_masks):
    masked[_mask(times, config.time_part, generator)] = mean
  for _ in range(config.band_masks):
    masked[:, _mask(bands, config.band_part, generator)] = mean
  return masked


def _mask(size: int, part: float, generator: np.random.Generator) -> slice:
  width = int(generator.integers(int(part * size), endpoint=True))
  start = generator.integers(size - width, endpoint=True)
  return slice(start, start + width)
