"""Rotary position encoding: pairs of channels turned by the position.

The product of a turned query and a turned key depends on the difference of
their positions only (2104.09864). Perceiver AR turns a share of the channels of
every head (2202.07765 appendix D), by the numbers of elements; POYO turns them
by times (2310.16046).
"""

import dataclasses
import math

import jax.numpy as jnp
from jaxtyping import Array, Float, Integer
import numpy as np

from perceiver import bounds


class Rotation:
  """The common part of rotary encodings."""

  fraction: float

  def num_channels(self, head_channels: int) -> int:
    """Returns the number of channels of a head that turn, an even number.

    Raises:
      ValueError: if there are none.
    """
    count = int(head_channels * self.fraction) // 2 * 2
    if not count:
      raise ValueError(
        f"{type(self).__name__}: fraction is {self.fraction} of "
        f"{head_channels} channels per head; expected two channels or more. "
        "Raise the fraction."
      )
    return count

  def num_heads(self, heads: int) -> int:
    """Returns the number of heads that turn, the first ones."""
    return heads

  def frequencies(self, num_pairs: int) -> np.ndarray:
    """Returns the frequency of each pair, radians per unit of position."""
    raise NotImplementedError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rotary(Rotation):
  """Rotary position encoding of queries and keys.

  Adjacent channels make a pair; pair i of n turns by position /
  `max_wavelength`^(i / (n - 1)) radians, so that both 1 and `max_wavelength`
  are divisors, as in the released Perceiver AR.

  Attributes:
    max_wavelength: the last pair's divisor, at least the longest distance.
    fraction: share of each head's channels that turn, the first ones, rounded
      down to an even number.
    head_fraction: share of the heads that turn, the first ones, rounded down.
  """

  max_wavelength: float
  fraction: float = 0.5
  head_fraction: float = 1.0

  def __post_init__(self) -> None:
    bounds.check(
      self,
      max_wavelength="[1, inf)",
      fraction="(0, 1]",
      head_fraction="[0, 1]",
    )

  def num_heads(self, heads: int) -> int:
    """Returns the number of heads that turn, the first ones."""
    return int(self.head_fraction * heads)

  def frequencies(self, num_pairs: int) -> np.ndarray:
    """Returns the frequency of each pair, radians per unit of position."""
    return float(self.max_wavelength) ** -_exponents(num_pairs)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RotaryTime(Rotation):
  """Rotary encoding of times, any real numbers of one unit, in all heads.

  Pair i of n turns once in `min_period` · (`max_period` / `min_period`)^(i /
  (n - 1)): there are pairs for short and for long differences.

  Attributes:
    min_period: of the fastest pair, about the shortest difference that matters.
    max_period: of the slowest pair, more than the longest difference.
    fraction: share of each head's channels that turn, the first ones, rounded
      down to an even number.
  """

  min_period: float
  max_period: float
  fraction: float = 1.0

  def __post_init__(self) -> None:
    bounds.check(
      self,
      min_period="(0, inf)",
      max_period=f"[{self.min_period}, inf)",
      fraction="(0, 1]",
    )

  def frequencies(self, num_pairs: int) -> np.ndarray:
    """Returns the frequency of each pair, radians per unit of time."""
    ratio = self.max_period / self.min_period
    return 2 * math.pi / self.min_period * ratio ** -_exponents(num_pairs)


def _exponents(num_pairs: int) -> np.ndarray:
  return np.arange(num_pairs) / max(num_pairs - 1, 1)


def rotate(
  config: Rotation,
  x: Float[Array, "B S H K"],
  positions: Float[Array, "#B S"] | Integer[Array, "#B S"],
) -> Float[Array, "B S H K"]:
  """Turns queries or keys by their positions, which may be any real numbers.

  Angles and products are float32 at least; the result has the dtype of `x`.
  """
  heads = config.num_heads(x.shape[2])
  count = config.num_channels(x.shape[3])
  dtype = jnp.promote_types(x.dtype, jnp.float32)
  frequencies = config.frequencies(count // 2).astype(dtype)
  angles = positions.astype(dtype)[..., None, None] * frequencies
  angles = angles[..., None]  # [B, S, 1, pairs, 1]
  turned = x[:, :, :heads, :count].astype(dtype)
  pairs = turned.reshape(*turned.shape[:3], -1, 2)  # [B, S, heads, pairs, 2]
  # Not the two channels of each pair on their own, put together again: XLA's
  # compiler for GPUs fails at some shapes of that (jaxlib 0.10.2).
  across = jnp.sin(angles) * np.array([-1, 1], dtype)
  turned = pairs * jnp.cos(angles) + pairs[..., ::-1] * across
  turned = turned.reshape(*turned.shape[:3], count).astype(x.dtype)
  turned = jnp.concatenate([turned, x[:, :, :heads, count:]], axis=-1)
  return jnp.concatenate([turned, x[:, :, heads:]], axis=2)
