"""From images to inputs: features of pixels, and their positions.

The released models take an image as raw pixels, through a 1×1 convolution, or
through a strided convolution with batch norm and max-pooling; patches are a
fourth way. Positions are concatenated as a part of their own, which is the
same for all images and therefore held only once.
"""

import dataclasses
from typing import ClassVar

import haiku as hk
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
import numpy as np

from perceiver import bounds
from perceiver import errors
from perceiver import layers
from perceiver import position_encoding
from perceiver.adapters import checks
from perceiver.adapters import grid
from perceiver.adapters import patches


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pixels:
  """Pixels as they are."""

  def grid(self, size: tuple[int, int]) -> tuple[int, int]:
    """Returns height and width of the grid of inputs."""
    return size

  def channels(self, image_channels: int) -> int:
    """Returns the channels of each input, without position."""
    return image_channels


@dataclasses.dataclass(frozen=True, kw_only=True)
class Conv1x1:
  """Pixels through a linear map, the same for all of them.

  Attributes:
    num_channels: channels of the map's result.
    init_scale: variance scaling of its initial weights.
  """

  num_channels: int
  init_scale: float = layers.TRUNCATED_VARIANCE

  def __post_init__(self) -> None:
    bounds.check(self, "num_channels", init_scale="[0, inf)")

  def grid(self, size: tuple[int, int]) -> tuple[int, int]:
    """Returns height and width of the grid of inputs."""
    return size

  def channels(self, image_channels: int) -> int:
    """Returns the channels of each input, without position."""
    del image_channels
    return self.num_channels


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvPool:
  """A 7×7 convolution, batch norm, ReLU and 3×3 max-pooling, stride 2 each.

  Attributes:
    num_channels: channels of the convolution.
    decay: of the running statistics of the batch norm.
    group: images that the batch norm of a training step is taken over, on
      whatever device they are; a smaller batch is one group. As released, 16:
      the share of one of 64 devices. Running statistics are those of the mean
      group, and evaluation uses them.
    centred: whether the convolution is padded by 3 pixels on every side and the
      pooling not at all, as in `transformers`; otherwise as little as needed,
      and on both sides or, of an odd number, after more than before.
  """

  num_channels: int = 64
  decay: float = 0.9
  group: int = 16
  centred: bool = False

  stride: ClassVar[int] = 4  # pixels from one input to the next

  def __post_init__(self) -> None:
    bounds.check(self, "num_channels", "group", decay="[0, 1)")

  def grid(self, size: tuple[int, int]) -> tuple[int, int]:
    """Returns height and width of the grid of inputs."""
    if self.centred:
      if min(size) < 5:
        raise ValueError(
          f"ConvPool: the images' size is {size}; expected at least 5 pixels."
        )
      return (size[0] - 1) // self.stride, (size[1] - 1) // self.stride
    return -(-size[0] // self.stride), -(-size[1] // self.stride)

  def channels(self, image_channels: int) -> int:
    """Returns the channels of each input, without position."""
    del image_channels
    return self.num_channels


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patches:
  """Non-overlapping square patches, flattened.

  Attributes:
    size: side of a patch in pixels; divides the image's.
    num_channels: channels that patches are mapped to; not mapped if None.
    init_scale: variance scaling of the map's initial weights.
  """

  size: int
  num_channels: int | None = None
  init_scale: float = layers.TRUNCATED_VARIANCE

  def __post_init__(self) -> None:
    bounds.check(self, "size", "num_channels", init_scale="[0, inf)")

  def grid(self, size: tuple[int, int]) -> tuple[int, int]:
    """Returns height and width of the grid of inputs."""
    if size[0] % self.size or size[1] % self.size:
      raise ValueError(
        f"Patches: size is {self.size}; expected a divisor of both sides of an "
        f"image of {size}."
      )
    return size[0] // self.size, size[1] // self.size

  def channels(self, image_channels: int) -> int:
    """Returns the channels of each input, without position."""
    return self.num_channels or self.size**2 * image_channels


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageInputConfig(grid.GridInputConfig):
  """The adapter of images.

  Attributes:
    size: height and width of the images, pixels.
    channels: channels of the images.
    features: the map from pixels to features.
    positions: the encoding of the grid of inputs.
    permutation_seed: if set, inputs are shuffled by one permutation for all
      images. Fourier codes move with their pixels, as in 2103.03206 table 2;
      learned positions, which mean nothing before training, are those after
      the shuffling.
  """

  size: tuple[int, int]
  channels: int = 3
  features: Pixels | Conv1x1 | ConvPool | Patches = Pixels()
  positions: position_encoding.Encoding
  permutation_seed: int | None = None

  def __post_init__(self) -> None:
    bounds.check(self, "size", "channels", permutation_seed="[0, inf)")
    self.check_grid()
    if self.permutation_seed is not None:
      bounds.check_number(
        "Image input", "number of shuffled inputs", self.num_inputs, 2**20
      )

  @property
  def grid(self) -> tuple[int, int]:
    """Height and width of the grid of inputs."""
    return self.features.grid(self.size)

  @property
  def num_values(self) -> int:
    """Channels of an input without its position."""
    return self.features.channels(self.channels)

  def resizable_tables(self) -> dict[str, tuple[int, ...]]:
    """Returns the grids of learned positions, by module below the input's.

    Shuffled positions are not next to one another and cannot be resized.
    """
    if self.permutation_seed is not None:
      return {}
    return super().resizable_tables()

  @property
  def shape(self) -> tuple[int, int, int]:
    """The shape of one normalised image, [H, W, C]."""
    return *self.size, self.channels

  def module(self, name: str, is_training: bool = False) -> "ImageInput":
    """Returns the Haiku module from images to inputs."""
    return ImageInput(self, is_training, name=name)

  def permutation(self) -> Int[np.ndarray, "M"]:
    """Returns the element of the grid at each position."""
    if self.permutation_seed is None:
      return np.arange(self.num_inputs)
    generator = np.random.default_rng(self.permutation_seed)
    return generator.permutation(self.num_inputs)


@dataclasses.dataclass
class ImageInput(hk.Module):
  """Turns images into pixel features and position codes."""

  config: ImageInputConfig
  is_training: bool = False
  name: str | None = None

  def __call__(
    self, images: checks.Unchecked
  ) -> tuple[
    Float[Array, "B M C"],
    Float[Array, "1 M P"] | position_encoding.GridEncoding,
  ]:
    """Returns features and positions of images [B, H, W, 3]."""
    config = self.config
    checks.floats("Image input", images, (*config.size, config.channels))
    features, positions = config.with_positions(
      _features(config, images, self.is_training)
    )
    if config.permutation_seed is None:
      return features, positions
    permutation = config.permutation()
    if not position_encoding.is_learned(config.positions):
      positions = position_encoding.materialise(positions)[:, permutation]
    return features[:, permutation], positions


def _features(
  config: ImageInputConfig,
  images: Float[Array, "B H W _"],
  is_training: bool,
) -> Float[Array, "B h w C"]:
  """Returns features of images."""
  features = config.features
  if isinstance(features, Conv1x1):
    return layers.Linear(
      features.num_channels, features.init_scale, name="conv_1x1"
    )(images)
  if isinstance(features, ConvPool):
    return conv_pool(features, images, is_training)
  if isinstance(features, Patches):
    x = patches.space_to_depth(images, (features.size, features.size))
    if features.num_channels is None:
      return x
    return layers.Linear(
      features.num_channels, features.init_scale, name="patch_projection"
    )(x)
  return images


class _GroupedBatchNorm(hk.BatchNorm):
  """Haiku's batch norm, in training over groups of images."""

  def __init__(self, group: int, decay: float, name: str) -> None:
    super().__init__(True, True, decay, eps=1e-5, name=name)
    self.group = group

  @hk.name_like("__call__")
  def by_groups(
    self, x: Float[Array, "B H W C"], is_training: bool
  ) -> Float[Array, "B H W C"]:
    """Normalises each group by itself, and averages their statistics.

    Raises:
      errors.BatchError: if the batch is larger than a group and does not
        divide.
    """
    if not is_training or not len(x):  # Of nothing there are no statistics.
      return self(x, False)
    size = min(self.group, len(x))
    if len(x) % size:
      raise errors.BatchError(
        f"ConvPool: a batch of {len(x)} images does not divide into groups of "
        f"{size}; expected a multiple of `group`, or another group."
      )
    groups = x.reshape(-1, size, *x.shape[1:])  # [G, size, H, W, C]
    mean = jnp.mean(groups, (1, 2, 3), keepdims=True)  # [G, 1, 1, 1, C]
    squares = jnp.mean(jnp.square(groups), (1, 2, 3), keepdims=True)
    variance = squares - jnp.square(mean)
    self.mean_ema(jnp.mean(mean, axis=0))
    self.var_ema(jnp.mean(variance, axis=0))
    shape, kind = (1, 1, 1, x.shape[-1]), x.dtype
    scale = hk.get_parameter("scale", shape, kind, init=jnp.ones)
    offset = hk.get_parameter("offset", shape, kind, init=jnp.zeros)
    inverse = scale * jax.lax.rsqrt(variance + self.eps)  # [G, 1, 1, 1, C]
    return ((groups - mean) * inverse + offset).reshape(x.shape)


def conv_pool(
  features: ConvPool,
  images: Float[Array, "B H W _"],
  is_training: bool,
) -> Float[Array, "B h w C"]:
  """Takes features from images, with a quarter of each side, in Haiku."""
  x = hk.Conv2D(
    features.num_channels,
    kernel_shape=7,
    stride=2,
    padding=((3, 3), (3, 3)) if features.centred else "SAME",
    with_bias=False,
    name="conv",
  )(images)
  norm = _GroupedBatchNorm(features.group, features.decay, "batch_norm")
  x = norm.by_groups(x, is_training)
  padding = "VALID" if features.centred else "SAME"
  return hk.max_pool(jax.nn.relu(x), (1, 3, 3, 1), (1, 2, 2, 1), padding)
