"""What a clip of video and sound is."""

from typing import NamedTuple, Protocol

import numpy as np


class Frames(Protocol):
  """Frames that may be decoded only when they are asked for.

  An array [T, H, W, 3] is one.
  """

  def __len__(self) -> int:
    """Returns the number T of frames."""

  def __getitem__(self, part: slice, /) -> np.ndarray:  # [T, H, W, 3] uint8
    """Returns some of them."""


class Clip(NamedTuple):
  """Video and sound of the same length, and what is seen or heard in it."""

  frames: Frames  # [T, H, W, 3] uint8
  sound: np.ndarray  # [S, channels] float32 in [-1, 1]; one channel is mono
  frame_rate: float  # per second
  sample_rate: int  # per second
  labels: tuple[int, ...]  # classes in rising order; exactly one in Kinetics
  name: str
  has_sound: bool = True  # otherwise `sound` is silence


class ClipSource(Protocol):
  """Clips that can be read in any order."""

  @property
  def class_names(self) -> tuple[str, ...]:
    """What the classes are called, in the order of their numbers."""

  def __len__(self) -> int:
    """Returns how many clips there are."""

  def __getitem__(self, index: int, /) -> Clip:
    """Returns one of them."""


def samples_per_frame(clip: Clip) -> int:
  """Returns how many samples are heard while a frame is seen.

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
