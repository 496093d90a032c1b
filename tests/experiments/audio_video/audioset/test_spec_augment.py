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
    hidden = spectrogram == RAMP.mean()
    times, bands = hidden.all(axis=1), hidden.all(axis=0)
    # Nothing but whole rows and columns is hidden.
    np.testing.assert_array_equal(hidden, times[:, None] | bands)
    np.testing.assert_array_equal(spectrogram[~hidden], RAMP[~hidden])
    longest_times = max(longest_times, times.sum())
    longest_bands = max(longest_bands, bands.sum())
  # Two runs of up to 12 times and 15 bands, which may touch.
  assert 18 <= longest_times <= 24
  assert 23 <= longest_bands <= 30
  np.testing.assert_array_equal(RAMP, before)


def test_every_place_is_masked_at_times():
  config = masking.SpecAugmentConfig(time_masks=1, band_masks=1)
  hidden = sum(masked(config, seed) == RAMP.mean() for seed in range(400))
  assert hidden.min() > 0


def test_a_single_kind_of_mask():
  config = masking.SpecAugmentConfig(band_masks=0, time_part=1.0)
  hidden = [masked(config, seed) == RAMP.mean() for seed in range(20)]
  assert all((h == h[:, :1]).all() for h in hidden)
  assert any(h.sum() > 30 * 80 for h in hidden)


def test_the_same_generator_masks_the_same():
  config = masking.SpecAugmentConfig()
  np.testing.assert_array_equal(masked(config, 3), masked(config, 3))
  assert (masked(config, 3) != masked(config, 4)).any()


@pytest.mark.parametrize(
  "changes", [{"band_masks": -1}, {"time_part": 1.5}, {"band_part": -0.1}]
)
def test_impossible_masks_are_refused(changes):
  with pytest.raises(ValueError, match="expected masks of at least 0"):
    masking.SpecAugmentConfig(**changes)
