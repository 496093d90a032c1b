"""Clips of video and audio."""

from typing import NamedTuple, Protocol

import numpy as np


class Frames(Protocol):
  """Frames that may be decoded on access.

  An array [T, H, W, 3] satisfies it.
  """

  def __len__(self) -> int:
    """Returns the number T of frames."""

  def __getitem__(self, part: slice, /) -> np.ndarray:  # [T, H, W, 3] uint8
    """Returns some of them."""


class Clip(NamedTuple):
  """Video and audio of the same length, and their classes."""

  frames: Frames  # [T, H, W, 3] uint8
  audio: np.ndarray  # [S, channels] float32 in [-1, 1]; one channel is mono
  frame_rate: float  # per second
  sample_rate: int  # per second
  labels: tuple[int, ...]  # classes in rising order; exactly one in Kinetics
  name: str
  has_audio: bool = True  # otherwise `audio` is silence


class ClipSource(Protocol):
  """Clips that can be read in any order."""

  @property
  def class_names(self) -> tuple[str, ...]:
    """Names of the classes, by number."""

  def __len__(self) -> int:
    """Returns the number of clips."""

  def __getitem__(self, index: int, /) -> Clip:
    """Returns one of them."""


def samples_per_frame(clip: Clip) -> int:
  """Returns the number of audio samples per frame.

  Raises:
    ValueError: if that is no whole number.
  """
  ratio = clip.sample_rate / clip.frame_rate
  if ratio < 1 or ratio != round(ratio):
    raise ValueError(
      f"clip {clip.name}: {clip.sample_rate} samples and {clip.frame_rate:g} "
      "frames per second; expected a whole number of samples per frame"
    )
  return round(ratio)
