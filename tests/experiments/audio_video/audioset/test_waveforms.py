"""Augmentation of audio: level, speed and beginning."""

import numpy as np
import pytest

from experiments.audio_video.audioset import waveforms

RAMP = np.arange(1, 101, dtype=np.float32)[:, None] / 1000  # [100, 1]


def augment(audio=RAMP, seed=0, **changes):
  config = waveforms.WaveformConfig(**changes)
  return waveforms.augment(audio, config, np.random.default_rng(seed))


def test_nothing_changes_by_default():
  assert augment() is RAMP


def test_levels_are_within_the_range():
  factors = [augment(seed=i, gain=6.0)[50, 0] / RAMP[50, 0] for i in range(50)]
  decibels = 20 * np.log10(factors)
  assert -6 <= decibels.min() < -4 < 4 < decibels.max() <= 6
  loud = augment(np.ones((4, 1), np.float32), gain=60.0)
  assert loud.max() <= 1


def test_speeds_are_within_the_range():
  # The slope of the ramp is the speed.
  slopes = [
    float(np.diff(augment(seed=i, speed=2.0)[:40, 0]).mean()) * 1000
    for i in range(50)
  ]
  assert 0.5 <= min(slopes) < 0.7 < 1.4 < max(slopes) <= 2.01


def test_audio_begins_later_after_silence():
  found = [augment(seed=i, delay=0.5)[:, 0] for i in range(20)]
  silent = [int((x == 0).sum()) for x in found]
  assert 0 <= min(silent) < 15 < 35 < max(silent) <= 50
  # Nothing else changes, but for positions between samples.
  steps = np.diff(found[0][silent[0] + 1 :])
  np.testing.assert_allclose(steps, 1e-3, atol=1e-5)


def test_channels_change_alike():
  both = np.concatenate([RAMP, -RAMP], axis=1)
  found = augment(both, gain=3.0, speed=1.2, delay=0.1)
  assert found.dtype == np.float32
  np.testing.assert_allclose(found[:, 0], -found[:, 1])


@pytest.mark.parametrize(
  "changes", [{"gain": -1.0}, {"speed": 0.9}, {"delay": 1.0}]
)
def test_impossible_changes(changes):
  with pytest.raises(ValueError, match="WaveformConfig"):
    waveforms.WaveformConfig(**changes)
