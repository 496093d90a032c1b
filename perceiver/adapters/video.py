"""From videos to inputs: patches in space and time, and their positions."""

import dataclasses
import math

import haiku as hk

from perceiver import bounds
from perceiver import position_encoding
from perceiver.adapters import checks
from perceiver.adapters import grid
from perceiver.adapters import patches
from perceiver.attention import input_parts


@dataclasses.dataclass(frozen=True, kw_only=True)
class VideoInputConfig(grid.GridInputConfig):
  """The adapter of videos.

  Attributes:
    num_frames: frames T of a clip.
    size: height and width of a frame, pixels.
    channels: channels of a pixel.
    patch: frames, rows and columns of a patch; divides the clip. Its values are
      flattened: one input is one patch.
    positions: the encoding of the grid of patches.
  """

  num_frames: int
  size: tuple[int, int]
  channels: int = 3
  patch: tuple[int, int, int]
  positions: position_encoding.Encoding

  def __post_init__(self) -> None:
    bounds.check(self, "num_frames", "size", "channels", "patch")
    clip = (self.num_frames, *self.size)
    if any(n % p for n, p in zip(clip, self.patch)):
      raise ValueError(
        f"Video input: patch is {self.patch} and the clip {clip}; expected a "
        "patch that divides the clip."
      )
    self.check_grid()

  @property
  def shape(self) -> tuple[int, ...]:
    """The shape of one example."""
    return (self.num_frames, *self.size, self.channels)

  @property
  def grid(self) -> tuple[int, int, int]:
    """Frames, rows and columns of the grid of patches."""
    t, h, w = self.patch
    return self.num_frames // t, self.size[0] // h, self.size[1] // w

  @property
  def num_values(self) -> int:
    """Channels of an input without its position."""
    return math.prod(self.patch) * self.channels

  def module(self, name: str, is_training: bool = False) -> "VideoInput":
    """Returns the Haiku module from videos to inputs."""
    del is_training
    return VideoInput(self, name=name)


@dataclasses.dataclass
class VideoInput(hk.Module):
  """Turns videos into flattened patches and position codes."""

  config: VideoInputConfig
  name: str | None = None

  def __call__(self, videos: checks.Unchecked) -> input_parts.Parts:
    """Returns ([B, M, values], [1, M, positions]) of [B, T, H, W, 3]."""
    config = self.config
    checks.floats("Video input", videos, config.shape)
    cut = patches.space_to_depth(videos, config.patch)  # [B, t, h, w, values]
    return config.with_positions(cut)
