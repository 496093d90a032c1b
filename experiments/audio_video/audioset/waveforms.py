"""Augmentation of audio before it is cut into patches or spectrograms."""

import dataclasses

import numpy as np

from perceiver import bounds


@dataclasses.dataclass(frozen=True, kw_only=True)
class WaveformConfig:
  """Random changes to the audio of training clips; none by default.

  Attributes:
    gain: largest change of level, decibels, up or down.
    speed: largest factor by which it is faster or slower, and so higher or
      lower.
    delay: largest part of the segment by which it begins later, after silence.
  """

  gain: float = 0.0
  speed: float = 1.0
  delay: float = 0.0

  def __post_init__(self) -> None:
    bounds.check_ranges(self, gain="[0, inf)", speed="[1, inf)", delay="[0, 1)")


def augment(
  audio: np.ndarray,  # [S, channels] float32
  config: WaveformConfig,
  generator: np.random.Generator,
) -> np.ndarray:  # [S, channels] float32
  """Changes level, speed and beginning; what is beyond the end is lost.

  Levels are uniform in decibels, and speeds in their logarithm.
  """
  if config == WaveformConfig():
    return audio
  level, rate = generator.uniform(-1, 1, 2)
  speed = config.speed**rate
  delay = generator.uniform(0, config.delay) * len(audio)
  times = (np.arange(len(audio)) - delay) * speed
  numbers = np.arange(len(audio))
  moved = [
    np.interp(times, numbers, channel, left=0, right=0) for channel in audio.T
  ]
  louder = 10 ** (config.gain * level / 20)
  return np.clip(louder * np.stack(moved, axis=1), -1, 1).astype(np.float32)
