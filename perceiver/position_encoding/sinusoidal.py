"""The sinusoidal position encoding of Perceiver AR (2202.07765).

The first half of the channels are sines, the second cosines, of wavelengths
from 2π to 10,000 · 2π with both ends reached; an odd last channel is 0.
"""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float, Integer
import numpy as np

_MAX_DIVISOR = 10_000.0
# The numerals of a position, so that two small tables hold exact angles.
_BASE = 512


def sinusoidal(
  positions: Integer[Array, "*B"], num_positions: int, channels: int
) -> Float[Array, "*B C"]:
  """Returns the encoding of whole positions, float32.

  A float32 product of a large position and a frequency would be off by more
  than the encoding's own precision: angles are split, position = 512 · high +
  low, and added by the theorem for sines and cosines.

  Args:
    positions: from 0 to `num_positions` - 1.
    num_positions: decides the size of a table.
    channels: the number C.
  """
  divisors = _divisors(channels)

  def look_up(
    indices: Integer[Array, "*B"], size: int, step: int
  ) -> tuple[Float[Array, "*B half"], Float[Array, "*B half"]]:
    angles = step * np.arange(size)[:, None] / divisors
    tables = (f(angles).astype(np.float32) for f in (np.sin, np.cos))
    sine, cosine = (jnp.take(jnp.asarray(t), indices, axis=0) for t in tables)
    return sine, cosine

  num_high = math.ceil(num_positions / _BASE)
  high_sine, high_cosine = look_up(positions // _BASE, num_high, _BASE)
  sine, cosine = look_up(positions % _BASE, min(_BASE, num_positions), 1)
  parts = [
    high_sine * cosine + high_cosine * sine,
    high_cosine * cosine - high_sine * sine,
  ]
  if channels % 2:
    parts.append(jnp.zeros((*positions.shape, 1)))
  return jnp.concatenate(parts, axis=-1)


def sinusoidal_table(num_positions: int, channels: int) -> np.ndarray:
  """Returns the encoding of all positions, float32 [positions, channels]."""
  table = np.zeros((num_positions, channels), np.float32)
  divisors = _divisors(channels)
  half = len(divisors)
  for start in range(0, num_positions, _BASE):
    positions = np.arange(start, min(start + _BASE, num_positions))
    angles = positions[:, None] / divisors
    table[positions, :half] = np.sin(angles)
    table[positions, half : 2 * half] = np.cos(angles)
  return table


def _divisors(channels: int) -> np.ndarray:
  half = channels // 2
  return np.asarray(_MAX_DIVISOR ** (np.arange(half) / max(half - 1, 1)))
