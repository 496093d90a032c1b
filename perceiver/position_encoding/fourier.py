"""Fourier features of positions (2103.03206 §3.2).

A coordinate x in [-1, 1] becomes x, sin(π f_k x) and cos(π f_k x) for K
frequencies f_k spaced evenly from 1 to half the maximum resolution, the
Nyquist frequency of a grid of that size. The order is all coordinates, all
sines, all cosines; within the latter, axis by axis.
"""

from collections.abc import Sequence
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from perceiver.position_encoding import coordinates

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fourier:
  """Fourier position encoding.

  Attributes:
    num_bands: the number K of frequencies per axis.
    max_resolution: one number per axis; frequencies go up to half of it.
    include_positions: whether the coordinates themselves come first.
    sine_only: whether cosines are left out.
  """

  num_bands: int
  max_resolution: tuple[float, ...]
  include_positions: bool = True
  sine_only: bool = False

  def __post_init__(self) -> None:
    if self.num_bands < 1 or any(size <= 0 for size in self.max_resolution):
      raise ValueError(
        f"Fourier positions: num_bands is {self.num_bands} and max_resolution "
        f"{self.max_resolution}; expected at least 1 and positive sizes."
      )

  def channels(self, num_axes: int) -> int:
    """Returns the number of features per position."""
    if num_axes != len(self.max_resolution):
      raise ValueError(
        f"Fourier positions: max_resolution {self.max_resolution} has "
        f"{len(self.max_resolution)} axes; expected {num_axes}."
      )
    waves = self.num_bands * (1 if self.sine_only else 2)
    return num_axes * (waves + self.include_positions)


def features(config: Fourier, positions: Array) -> Array:
  """Encodes free positions.

  Args:
    config: bands and resolution.
    positions: [..., d] coordinates, in [-1, 1] on the encoder's own grid.

  Returns:
    [..., d·(2K + 1)] features, float32; fewer if the config says so.
  """
  config.channels(positions.shape[-1])
  # [d, K] by [..., d] -> [..., d, K]
  phase = np.pi * (positions[..., None] * _frequencies(config))
  parts = [positions] if config.include_positions else []
  parts += [
    wave(phase).reshape(*positions.shape[:-1], -1)
    for wave in ((jnp.sin,) if config.sine_only else (jnp.sin, jnp.cos))
  ]
  return jnp.concatenate(parts, axis=-1).astype(jnp.float32)


def grid_features(config: Fourier, shape: Sequence[int]) -> Array:
  """Encodes a whole grid, from one small table per axis.

  Args:
    config: bands and resolution, one axis for each of the grid's.
    shape: the grid's shape.

  Returns:
    [prod(shape), d·(2K + 1)] features, as `features` of the grid's
    coordinates.
  """
  config.channels(len(shape))
  columns = []  # each [*shape, 1 or K]
  axes = [coordinates.axis(size) for size in shape]
  if config.include_positions:
    columns += [_along(i, x[:, None], shape) for i, x in enumerate(axes)]
  phases = [
    np.pi * np.outer(x, frequencies)
    for x, frequencies in zip(axes, _frequencies(config))
  ]
  for wave in (np.sin,) if config.sine_only else (np.sin, np.cos):
    columns += [_along(i, wave(x), shape) for i, x in enumerate(phases)]
  encoded = jnp.concatenate(columns, axis=-1)  # [*shape, d·(2K + 1)]
  return encoded.reshape(-1, encoded.shape[-1])


def _frequencies(config: Fourier) -> np.ndarray:  # [d, K]
  highest = np.asarray(config.max_resolution) / 2
  return np.linspace(1.0, highest, config.num_bands, axis=-1)


def _along(axis: int, table: np.ndarray, shape: Sequence[int]) -> Array:
  """Spreads a table [size of one axis, K] over the grid, [*shape, K]."""
  view = [1] * len(shape) + [table.shape[-1]]
  view[axis] = shape[axis]
  spread = jnp.asarray(table, jnp.float32).reshape(view)
  return jnp.broadcast_to(spread, (*shape, table.shape[-1]))
