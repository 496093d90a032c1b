"""Rotary position encoding: pairs of channels turned by the position.

The product of a turned query and a turned key depends on the difference of
their positions only (2104.09864). Perceiver AR turns a share of the channels of
every head (2202.07765 appendix D).
"""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float, Integer
import numpy as np

from perceiver import bounds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rotary:
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

  def num_channels(self, head_channels: int) -> int:
    """Returns the number of channels of a head that turn, an even number.

    Raises:
      ValueError: if there are none.
    """
    count = int(head_channels * self.fraction) // 2 * 2
    if not count:
      raise ValueError(
        f"Rotary: fraction is {self.fraction} of {head_channels} channels per "
        "head; expected two channels or more. Raise the fraction."
      )
    return count


def rotate(
  config: Rotary,
  x: Float[Array, "B S H K"],
  positions: Float[Array, "#B S"] | Integer[Array, "#B S"],
) -> Float[Array, "B S H K"]:
  """Turns queries or keys by their positions, which may be any real numbers.

  Angles and products are float32; the result has the dtype of `x`.
  """
  heads = int(config.head_fraction * x.shape[2])
  count = config.num_channels(x.shape[3])
  exponents = np.arange(count // 2) / max(count // 2 - 1, 1)
  frequencies = (float(config.max_wavelength) ** -exponents).astype(np.float32)
  angles = positions.astype(jnp.float32)[..., None, None] * frequencies
  sine, cosine = jnp.sin(angles), jnp.cos(angles)  # [B, S, 1, pairs]
  turned = x[:, :, :heads, :count].astype(jnp.float32)
  first, second = turned[..., ::2], turned[..., 1::2]
  turned = jnp.stack(
    [first * cosine - second * sine, second * cosine + first * sine], axis=-1
  )  # [B, S, heads, pairs, 2]
  turned = turned.reshape(*turned.shape[:3], count).astype(x.dtype)
  turned = jnp.concatenate([turned, x[:, :, :heads, count:]], axis=-1)
  return jnp.concatenate([turned, x[:, :, heads:]], axis=2)
