"""Other classifiers of point clouds, for comparison.

They are trained and evaluated by the same recipes; a configuration replaces the
Perceiver's.
"""

from collections.abc import Sequence
import dataclasses
import enum
from typing import Self

import haiku as hk
import jax
import jax.numpy as jnp

from perceiver import decoder
from perceiver import layers
from perceiver import processor
from perceiver.adapters import checks
from perceiver.adapters import points as adapters_points
from perceiver.models import grid_networks

Array = jax.Array

_NUM_AXES = 3
_BITS = 10  # per axis, of a point's position along the curve


class Pooling(enum.Enum):
  """The reduction of all points' channels to one vector."""

  MAX = "max"
  MEAN = "mean"


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Classifier:
  """Classes and points of a classifier.

  Attributes:
    num_classes: the number of classes.
    num_points: points of an example.
  """

  num_classes: int
  num_points: int = 2000

  def with_num_classes(self, count: int) -> Self:
    """Returns the configuration with another number of classes."""
    return dataclasses.replace(self, num_classes=count)

  def example(self, batch_size: int = 1) -> tuple[jax.ShapeDtypeStruct]:
    """Returns shape and dtype of the points, [B, P, 3] float32."""
    shape = (batch_size, self.num_points, _NUM_AXES)
    return (jax.ShapeDtypeStruct(shape, jnp.float32),)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PointNetConfig(_Classifier):
  """The same small network for every point, pooled, then another one.

  It is PointNet (1612.00593) without its learned rotations, and with layer norm
  in place of batch norm.

  Attributes:
    point_channels: layers that see one point each.
    pooling: how points are put together.
    cloud_channels: layers that see the whole cloud.
  """

  point_channels: tuple[int, ...] = (64, 64, 128, 1024)
  pooling: Pooling = Pooling.MAX
  cloud_channels: tuple[int, ...] = (512, 256)

  def network(self, is_training: bool = False) -> "PointNet":
    """Returns the Haiku module."""
    return PointNet(self, is_training, name="point_net")


@dataclasses.dataclass
class PointNet(hk.Module):
  """Points to logits, whatever their order."""

  config: PointNetConfig
  is_training: bool = False
  name: str | None = None

  def __call__(self, points: Array) -> Array:  # [B, P, 3] -> [B, classes]
    config = self.config
    checks.floats("PointNet", points, ("points", _NUM_AXES))
    x = _layers("point", config.point_channels, points)  # [B, P, C]
    is_max = config.pooling is Pooling.MAX
    x = jnp.max(x, axis=1) if is_max else jnp.mean(x, axis=1)  # [B, C]
    x = _layers("cloud", config.cloud_channels, x)  # [B, D]
    return layers.Linear(config.num_classes, name="output")(x)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransformerConfig(_Classifier):
  """Self-attention among groups of points, then their mean.

  Groups are of points that follow one another along a curve through all cells
  of space (Morton, 1966), so that they lie close together; with groups of one,
  every point is an input. Layers are those of the Perceiver's latents.

  Attributes:
    points: how points are encoded; a group's codes are put side by side.
    group_size: points of a group, a divisor of `num_points`.
    layers: the stack of self-attention layers.
  """

  points: adapters_points.PointInputConfig
  group_size: int
  layers: processor.ProcessorConfig

  def __post_init__(self) -> None:
    if self.group_size < 1 or self.num_points % self.group_size:
      raise ValueError(
        f"Transformer: group_size is {self.group_size}; expected a divisor of "
        f"the {self.num_points} points."
      )

  def network(self, is_training: bool = False) -> "Transformer":
    """Returns the Haiku module."""
    return Transformer(self, is_training, name="transformer")


@dataclasses.dataclass
class Transformer(hk.Module):
  """Points to logits; order matters only within a cell of the curve."""

  config: TransformerConfig
  is_training: bool = False
  name: str | None = None

  def __call__(self, points: Array) -> Array:  # [B, P, 3] -> [B, classes]
    config = self.config
    (codes,) = adapters_points.encode(config.points, along_curve(points))
    groups = codes.reshape(
      len(points), -1, config.group_size * codes.shape[-1]
    )  # [B, G, g·C]
    x = layers.Linear(config.layers.channels, name="embed")(groups)  # [B, G, D]
    x = processor.Processor(config.layers, self.is_training, name="processor")(
      x
    )  # [B, G, D]
    logits = decoder.MeanDecoder(
      decoder.MeanDecoderConfig(output_channels=config.num_classes),
      name="decoder",
    )(layers.LayerNorm(name="norm")(x))  # [B, 1, classes]
    return logits[:, 0]


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridConfig(_Classifier):
  """A network for images over points that lie on a grid in any order.

  As in 2103.03206 table 4: the codes of points are the pixels.

  Attributes:
    points: how points are encoded.
    backbone: the network over the grid.
    side: of the grid; further points are left out.
  """

  points: adapters_points.PointInputConfig
  backbone: grid_networks.GridNetworkConfig
  side: int = 44

  def __post_init__(self) -> None:
    grid_networks.check_grid(self.backbone, (self.side, self.side))
    if self.side**2 > self.num_points:
      raise ValueError(
        f"Grid: side is {self.side}; expected a square of at most the "
        f"{self.num_points} points."
      )

  def network(self, is_training: bool = False) -> "Grid":
    """Returns the Haiku module."""
    return Grid(self, is_training, name="grid")


@dataclasses.dataclass
class Grid(hk.Module):
  """Points to logits; the order of the points matters."""

  config: GridConfig
  is_training: bool = False
  name: str | None = None

  def __call__(self, points: Array) -> Array:  # [B, P, 3] -> [B, classes]
    config = self.config
    checks.floats("Grid", points, (config.num_points, _NUM_AXES))
    (codes,) = adapters_points.encode(
      config.points, points[:, : config.side**2]
    )
    grid = codes.reshape(len(points), config.side, config.side, -1)
    return grid_networks.GridNetwork(
      config.backbone, config.num_classes, self.is_training, name="backbone"
    )(grid)


def along_curve(points: Array) -> Array:  # [B, P, 3] -> [B, P, 3]
  """Sorts points in [-1, 1]³ along a curve that keeps neighbours together.

  The curve is Morton's: a point's position on it interleaves the bits of its
  cell's three numbers. Points of one cell, 1/512 wide, keep their order.
  """
  cells = jnp.clip((points + 1) / 2, 0, 1) * (2**_BITS - 1)
  cells = cells.astype(jnp.uint32)  # [B, P, 3]
  position = jnp.zeros(points.shape[:-1], jnp.uint32)
  for bit in range(_BITS):
    for axis in range(_NUM_AXES):
      found = (cells[..., axis] >> bit) & 1
      position |= found << (_NUM_AXES * bit + axis)
  order = jnp.argsort(position, axis=1)  # [B, P]
  return jnp.take_along_axis(points, order[..., None], axis=1)


def _layers(name: str, channels: Sequence[int], x: Array) -> Array:
  """Applies layers to [..., C], each a linear map, layer norm and ReLU."""
  for i, size in enumerate(channels):
    x = layers.Linear(size, name=f"{name}_{i}")(x)
    x = jax.nn.relu(layers.LayerNorm(name=f"{name}_{i}_norm")(x))
  return x
