"""From pairs of frames to inputs, and from coarse outputs to flow.

Every pixel, or every few, enters with its neighbours, or all through a
convolution that leaves a quarter of each side; the two frames are joined along
the channels, or kept apart along an axis of time. 2107.14795 appendix H
compares these, but for neighbourhoods of every few pixels.
"""

import dataclasses
import math

import haiku as hk
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from perceiver import bounds
from perceiver import layers
from perceiver import position_encoding
from perceiver.adapters import checks
from perceiver.adapters import image
from perceiver.adapters import patches
from perceiver.attention import input_parts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Neighbourhoods:
  """The pixels around each pixel, or around every few, through a linear map.

  Attributes:
    size: odd side of the neighbourhood, pixels; 1 takes each pixel alone.
    stride: pixels from one neighbourhood to the next. Published models have
      one for each pixel; with fewer, the flow is upsampled.
    num_channels: channels of the map's result.
    init_scale: variance scaling of its initial weights.
  """

  size: int = 3
  stride: int = 1
  num_channels: int = 64
  init_scale: float = layers.TRUNCATED_VARIANCE

  def __post_init__(self) -> None:
    bounds.check(self, "size", "stride", "num_channels", init_scale="[0, inf)")
    if self.size % 2 == 0:
      raise ValueError(
        f"Neighbourhoods: size is {self.size}; expected an odd size."
      )

  def grid(self, size: tuple[int, int]) -> tuple[int, int]:
    """Returns height and width of the grid of inputs."""
    return -(-size[0] // self.stride), -(-size[1] // self.stride)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlowInputConfig:
  """The adapter of pairs of frames.

  Attributes:
    size: height and width of the frames, pixels.
    features: the map from a pixel's neighbourhood to features.
    concatenate_frames: whether one input is of both frames; otherwise each
      frame has its own inputs, all of the first before all of the second.
    positions: their encoding: by height and width, or by time, height
      and width if frames are not concatenated.
  """

  size: tuple[int, int]
  features: Neighbourhoods | image.ConvPool = Neighbourhoods()
  concatenate_frames: bool = True
  positions: position_encoding.Fourier

  def __post_init__(self) -> None:
    bounds.check(self, "size")
    _ = self.input_channels
    covered = tuple(count * self.features.stride for count in self.grid)
    if covered[0] < self.size[0] or covered[1] < self.size[1]:
      raise ValueError(
        f"Flow input: the features' grid covers {covered} pixels of frames of "
        f"{self.size}; expected all, as without `centred`."
      )
    position_encoding.check_grid(self.positions, self.grid)

  @property
  def grid(self) -> tuple[int, int]:
    """Height and width of the grid of inputs of one frame."""
    return self.features.grid(self.size)

  @property
  def num_outputs(self) -> int:
    """The number of inputs of the first frame, which are the queries."""
    return math.prod(self.grid)

  @property
  def num_inputs(self) -> int:
    """The number M of inputs."""
    return self.num_outputs * (1 if self.concatenate_frames else 2)

  @property
  def input_channels(self) -> int:
    """Channels of the inputs with their positions."""
    num_axes = 2 if self.concatenate_frames else 3
    return self.features.num_channels + self.positions.channels(num_axes)


@dataclasses.dataclass
class FlowInput(hk.Module):
  """Turns pairs of frames into features and position codes."""

  config: FlowInputConfig
  is_training: bool = False
  name: str | None = None

  def __call__(self, frames: checks.Unchecked) -> input_parts.Parts:
    """Returns ([B, M, features], [1, M, positions]).

    Args:
      frames: [B, 2, H, W, 3] in [-1, 1].

    Raises:
      ValueError: if frames have another shape.
      TypeError: if they are not floating point.
    """
    config = self.config
    checks.floats("Flow input", frames, (2, *config.size, 3))
    features = _features(config, frames, self.is_training)
    shape = config.grid if config.concatenate_frames else (2, *config.grid)
    positions = position_encoding.encode(config.positions, shape)  # [1, M, P]
    return (
      features.reshape(frames.shape[0], config.num_inputs, features.shape[-1]),
      positions.astype(features.dtype),
    )


def _features(
  config: FlowInputConfig,
  frames: Float[Array, "B 2 H W 3"],
  is_training: bool,
) -> Float[Array, "B h w C"] | Float[Array, "B 2 h w C"]:
  features = config.features
  if isinstance(features, image.ConvPool):
    if config.concatenate_frames:
      return image.conv_pool(features, _join_frames(frames), is_training)
    each = jax.lax.collapse(frames, 0, 2)  # [2B, H, W, 3]
    pooled = image.conv_pool(features, each, is_training)  # [2B, h, w, C]
    return pooled.reshape(frames.shape[0], 2, *pooled.shape[1:])
  around = patches.neighbourhoods(frames, features.size, features.stride)
  if config.concatenate_frames:
    around = _join_frames(around)  # [B, h, w, 54] of 3 × 3 pixels
  return layers.Linear(
    features.num_channels, features.init_scale, name="patch_projection"
  )(around)


def _join_frames(
  frames: Float[Array, "B 2 H W C"],
) -> Float[Array, "B H W 2*C"]:
  return jnp.concatenate([frames[:, 0], frames[:, 1]], axis=-1)


def first_frame(
  config: FlowInputConfig, parts: input_parts.Parts
) -> input_parts.QueryParts:
  """Returns the inputs of the first frame, which are the queries."""
  if config.concatenate_frames:
    return parts
  count = config.num_outputs
  return tuple(
    part.first(count)
    if isinstance(part, position_encoding.GridEncoding)
    else part[:, :count]
    for part in parts
  )


@dataclasses.dataclass
class ConvexUpsampling(hk.Module):
  """A coarse flow from features, upsampled (RAFT, 2003.12039).

  Weights of the nine coarse neighbours come from the same features as the flow
  through one linear map; RAFT has two convolutions there, and 2107.14795
  appendix H does not say.

  Attributes:
    factor: how much finer each side becomes.
    init_scale: variance scaling of the initial weights of the flow, which
      starts at zero with 0.
    name: of the module.
  """

  factor: int
  init_scale: float = 0.0
  name: str | None = None

  def __call__(
    self, features: Float[Array, "B h w C"]
  ) -> Float[Array, "B {self.factor}*h {self.factor}*w 2"]:
    """Returns flow, in its own unit."""
    coarse = layers.Linear(2, self.init_scale, name="flow")(features)
    logits = layers.Linear(9 * self.factor**2, name="weights")(features)
    return convex_upsample(
      self.factor * coarse.astype(jnp.float32),
      logits.astype(jnp.float32),
      self.factor,
    )


def convex_upsample(
  flow: Float[Array, "B h w C"],
  logits: Float[Array, "B h w {9*factor**2}"],
  factor: int,
) -> Float[Array, "B {factor}*h {factor}*w C"]:
  """Makes every fine value a convex combination of nine coarse ones.

  Args:
    flow: coarse values; beyond the border they are zero.
    logits: for every fine position within a coarse one, by row and column,
      the weights of the 3×3 coarse neighbours before softmax.
    factor: how much finer each side becomes.
  """
  batch, height, width, channels = flow.shape
  around = patches.neighbourhoods(flow, 3).reshape(
    batch, height, width, 9, channels
  )
  weights = jax.nn.softmax(
    logits.reshape(batch, height, width, factor, factor, 9)
  )
  fine = jnp.einsum("bhwijk,bhwkc->bhiwjc", weights, around)
  return fine.reshape(batch, factor * height, factor * width, channels)
