"""From sets of points to inputs: a point is its position code."""

import dataclasses

import jax

from perceiver import bounds
from perceiver import position_encoding
from perceiver.adapters import checks

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class PointInputConfig:
  """How points in space become inputs.

  Attributes:
    num_axes: coordinates of a point.
    positions: how coordinates are encoded; bands go up to half the resolution
      per unit of length.
  """

  num_axes: int = 3
  positions: position_encoding.Fourier

  def __post_init__(self) -> None:
    bounds.check(self)
    _ = self.input_channels

  @property
  def input_channels(self) -> int:
    """Channels of an input; the coordinates themselves are among them."""
    return self.positions.channels(self.num_axes)


def encode(
  config: PointInputConfig,
  points: Array,  # [B, P, num_axes]
) -> tuple[Array]:  # [B, P, C]
  """Returns the inputs for any number of points, computed in float32.

  Raises:
    ValueError: if the points have another number of coordinates.
    TypeError: if they are not floating point.
  """
  checks.floats("Point input", points, ("points", config.num_axes))
  return (position_encoding.features(config.positions, points),)
