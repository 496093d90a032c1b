"""Clips of video and audio."""

import dataclasses
from typing import NamedTuple, Protocol

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipShape:
  """Shape of the clips of a model.

  Attributes:
    num_frames: frames T of a clip.
    size: height and width of a frame, pixels.
    num_samples: samples S of its audio, in the time of all frames.
    channels: channels of its audio.
    num_classes: number of labels.
  """

  num_frames: int
  size: tuple[int, int]
  num_samples: int
  channels: int
  num_classes: int

  @property
  def samples_per_frame(self) -> int:
    """Samples of audio per frame."""
    return self.num_samples // self.num_frames


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
  has_video: bool = True  # otherwise `frames` are black


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
