"""From videos to inputs: patches in space and time, and their positions."""

import dataclasses
import math

import haiku as hk

from perceiver import bounds
from perceiver import position_encoding
from perceiver.adapters import checks
from perceiver.adapters import patches
from perceiver.attention import input_parts


@dataclasses.dataclass(frozen=True, kw_only=True)
class VideoInputConfig:
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
    bounds.check(self)
    clip = (self.num_frames, *self.size)
    if min(*clip, self.channels, *self.patch) < 1 or any(
      n % p for n, p in zip(clip, self.patch)
    ):
      raise ValueError(
        f"Video input: num_frames is {self.num_frames}, size {self.size}, "
        f"channels {self.channels} and patch {self.patch}; expected at least 1 "
        "everywhere, and a patch that divides the clip."
      )
    _ = self.input_channels
    position_encoding.check_grid(self.positions, self.grid)

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
  def num_inputs(self) -> int:
    """The number M of inputs."""
    return math.prod(self.grid)

  @property
  def input_channels(self) -> int:
    """Channels of the inputs with their positions."""
    return math.prod(self.patch) * self.channels + (
      position_encoding.num_channels(self.positions, num_axes=3)
    )


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
    values = cut.reshape(len(videos), config.num_inputs, cut.shape[-1])
    positions = position_encoding.encode(config.positions, config.grid)
    return values, positions.astype(values.dtype)  # [1, M, P]
