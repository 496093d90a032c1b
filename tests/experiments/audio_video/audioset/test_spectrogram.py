"""Laws of log-mel spectrograms."""

import dataclasses

import numpy as np
import pytest

from experiments.audio_video.audioset import spectrogram

CONFIG = spectrogram.SpectrogramConfig()
# Centres every 400 mel, from 0 to 2000.
TINY = spectrogram.SpectrogramConfig(
  sample_rate=8000,
  hop=64,
  window=128,
  num_bands=4,
  lowest=0.0,
  highest=700 * (10 ** (2000 / 2595) - 1),
)


def tone(frequency, seconds, rate, amplitude=1.0, phase=0.0):
  times = np.arange(round(seconds * rate)) / rate
  wave = amplitude * np.sin(2 * np.pi * frequency * times + phase)
  return wave.astype(np.float32)


def test_the_published_size():
  audio = tone(1000, 1.28, 48_000)
  assert audio.shape == (61_440,)
  found = spectrogram.log_mel(audio, CONFIG)
  assert found.shape == (60, 80)
  assert found.size == 4800
  assert found.dtype == np.float32


def test_the_mel_scale_is_htks():
  np.testing.assert_allclose(
    spectrogram.to_mel(np.array([0, 700, 1000, 8000])),
    [0, 781.17, 999.99, 2840.02],
    atol=0.01,
  )


def test_bands_are_triangles_that_sum_to_one():
  bank = spectrogram.filter_bank(TINY)
  assert bank.shape == (65, 4)
  mel = spectrogram.to_mel(np.fft.rfftfreq(128, 1 / 8000))
  triangle = np.maximum(0, 1 - np.abs(mel - 1200) / 400)
  np.testing.assert_allclose(bank[:, 2], triangle, atol=1e-6)
  between = (mel >= 400) & (mel <= 1600)
  np.testing.assert_allclose(bank[between].sum(axis=1), 1, atol=1e-6)
  assert not bank[mel > 2000].any()


@pytest.mark.parametrize("band", [3, 20, 60])
def test_a_pure_tone_is_in_its_band(band):
  mel = np.linspace(*spectrogram.to_mel(np.array([20, 20_000])), 82)[band + 1]
  frequency = 700 * (10 ** (mel / 2595) - 1)
  found = spectrogram.log_mel(tone(frequency, 0.64, 48_000), CONFIG)
  inside = found[1:-1]  # the windows at the ends are half silent
  assert (inside.argmax(axis=1) == band).all()
  assert inside[:, band].min() > 0.95
  far = np.abs(np.arange(80) - band) > 3
  assert inside[:, far].max() < 0


def test_silence_and_loudness():
  silent = spectrogram.log_mel(np.zeros(4096, np.float32), CONFIG)
  np.testing.assert_allclose(silent, np.full((4, 80), -1.0), atol=1e-6)
  loud, soft = (
    spectrogram.log_mel(tone(440, 0.64, 48_000, amplitude), CONFIG)
    for amplitude in (1.0, 0.1)
  )
  band = loud[5].argmax()
  # A tenth of the amplitude is 20 of 100 decibels less, in a range of 2.
  np.testing.assert_allclose(loud[5, band] - soft[5, band], 0.4, atol=1e-3)


def test_the_window_is_around_the_middle_of_every_hop():
  click = np.zeros(8 * 64, np.float32)
  click[3 * 64 + 32] = 1.0
  level = spectrogram.log_mel(click, TINY).max(axis=1)
  # Hann windows of two hops: the neighbours' reach it where they are zero.
  assert level.argmax() == 3
  assert (level[[0, 1, 2, 4, 5, 6, 7]] < level[3] - 0.5).all()


def test_the_phase_of_a_tone_does_not_matter():
  one, other = (
    spectrogram.log_mel(tone(1500, 0.128, 8000, phase=phase), TINY)
    for phase in (0.0, 1.1)
  )
  np.testing.assert_allclose(one[1:-1], other[1:-1], atol=0.02)


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"window": 1000}, "window is 1000 and hop 1024"),
    ({"window": 1025}, "longer than the hop by an even number"),
    ({"highest": 30_000.0}, r"highest is 30000.0; expected \(0, 24000"),
    ({"lowest": 20_000.0}, r"lowest is 20000.0; expected \[0, 20000"),
    ({"silence": 0.0}, "silence is 0"),
    ({"num_bands": 400}, "400, of which bands .* are empty"),
  ],
)
def test_impossible_settings_are_refused(changes, message):
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(CONFIG, **changes)


@pytest.mark.parametrize("shape", [(1000,), (0,), (1024, 1)])
def test_audios_of_another_shape_are_refused(shape):
  with pytest.raises(ValueError, match="a multiple of 1024"):
    spectrogram.log_mel(np.zeros(shape, np.float32), CONFIG)
