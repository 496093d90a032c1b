"""From sets of points to inputs: a point is its position code."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from perceiver import bounds
from perceiver import position_encoding
from perceiver.adapters import checks
from perceiver.attention import input_parts


@dataclasses.dataclass(frozen=True, kw_only=True)
class PointInputConfig:
  """The adapter of points in space.

  Attributes:
    num_axes: coordinates of a point.
    positions: the encoding of coordinates; bands go up to half the resolution
      per unit of length.
  """

  num_axes: int = 3
  positions: position_encoding.Fourier

  def __post_init__(self) -> None:
    bounds.check(self, "num_axes")
    _ = self.input_channels

  @property
  def input_channels(self) -> int:
    """Channels of an input; the coordinates themselves are among them."""
    return self.positions.channels(self.num_axes)

  def example(
    self, batch_size: int = 1, num_points: int = 2000
  ) -> jax.ShapeDtypeStruct:
    """Returns shape and dtype of the points, [B, P, 3] float32."""
    shape = (batch_size, num_points, self.num_axes)
    return jax.ShapeDtypeStruct(shape, jnp.float32)

  def apply(
    self,
    examples: checks.Unchecked,  # [B, P, num_axes]
    mask: checks.Unchecked | None = None,  # [B, P] bool
    *,
    is_training: bool = False,
  ) -> tuple[input_parts.Parts, Bool[Array, "B M"] | None]:
    """Returns the inputs of points, and their mask; see `InputAdapter`."""
    del is_training
    if mask is not None:
      checks.flags("Point input", mask, examples.shape[:2])
      # Values of a missing point must not matter, even if they are NaN.
      examples = jnp.where(mask[..., None], examples, 0)
    return encode(self, examples), mask


def encode(
  config: PointInputConfig,
  points: checks.Unchecked,  # [B, P, num_axes]
) -> tuple[Float[Array, "B P C"]]:
  """Returns the inputs for any number of points, computed in float32.

  Raises:
    ValueError: if the points have another number of coordinates.
    TypeError: if they are not floating point.
  """
  checks.floats("Point input", points, ("points", config.num_axes))
  return (position_encoding.features(config.positions, points),)
