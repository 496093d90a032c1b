"""Laws of masked spectrograms."""

import numpy as np
import pytest

from experiments.audio_video.audioset import masking

RAMP = np.arange(60 * 80, dtype=np.float32).reshape(60, 80)


def masked(config, seed):
  generator = np.random.default_rng(seed)
  return masking.spec_augment(RAMP, config, generator)


def test_whole_times_and_bands_become_the_mean():
  before = RAMP.copy()
  found = [masked(masking.SpecAugmentConfig(), seed) for seed in range(200)]
  longest_times, longest_bands = 0, 0
  for spectrogram in found:
    is_masked = spectrogram == RAMP.mean()
    times, bands = is_masked.all(axis=1), is_masked.all(axis=0)
    # Only whole rows and columns are masked.
    np.testing.assert_array_equal(is_masked, times[:, None] | bands)
    np.testing.assert_array_equal(spectrogram[~is_masked], RAMP[~is_masked])
    longest_times = max(longest_times, times.sum())
    longest_bands = max(longest_bands, bands.sum())
  # Two runs of up to 12 times and 15 bands, which may touch.
  assert 18 <= longest_times <= 24
  assert 23 <= longest_bands <= 30
  np.testing.assert_array_equal(RAMP, before)


def test_every_position_is_masked_at_times():
  config = masking.SpecAugmentConfig(time_masks=1, band_masks=1)
  is_masked = sum(masked(config, seed) == RAMP.mean() for seed in range(400))
  assert is_masked.min() > 0


def test_a_single_kind_of_mask():
  config = masking.SpecAugmentConfig(band_masks=0, time_part=1.0)
  is_masked = [masked(config, seed) == RAMP.mean() for seed in range(20)]
  assert all((h == h[:, :1]).all() for h in is_masked)
  assert any(h.sum() > 30 * 80 for h in is_masked)


def test_the_same_generator_masks_the_same():
  config = masking.SpecAugmentConfig()
  np.testing.assert_array_equal(masked(config, 3), masked(config, 3))
  assert (masked(config, 3) != masked(config, 4)).any()


@pytest.mark.parametrize(
  ("name", "value"),
  [("band_masks", -1), ("time_part", 1.5), ("band_part", -0.1)],
)
def test_impossible_masks_are_refused(name, value):
  with pytest.raises(ValueError, match=f"{name} is {value}; expected "):
    masking.SpecAugmentConfig(**{name: value})
