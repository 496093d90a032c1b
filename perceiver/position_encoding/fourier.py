"""Fourier features of positions (2103.03206 §3.2).

A coordinate x in [-1, 1] becomes x, sin(π f_k x) and cos(π f_k x) for K
frequencies f_k spaced evenly from 1 to half the maximum resolution, the
Nyquist frequency of a grid of that size. The order is all coordinates, all
sines, all cosines; within the latter, axis by axis.
"""

from collections.abc import Sequence
import dataclasses
import itertools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
import numpy as np

from perceiver import bounds
from perceiver.position_encoding import coordinates
from perceiver.position_encoding import grid_encoding


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
    bounds.check_ranges(
      self, num_bands=f"[1, {bounds.MAX_SIZE}]", max_resolution="(0, inf)"
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


def features(
  config: Fourier, positions: Float[Array | np.ndarray, "*B d"]
) -> Float[Array, "*B C"]:
  """Encodes free positions.

  Args:
    config: bands and resolution.
    positions: coordinates, in [-1, 1] on the encoder's own grid.

  Returns:
    d·(2K + 1) features, float32; fewer without coordinates or cosines.
  """
  config.channels(positions.shape[-1])
  # [d, K] by [..., d] -> [..., d, K]
  phase = np.pi * (positions[..., None] * _frequencies(config))
  parts = [positions] if config.include_positions else []
  parts += [
    jax.lax.collapse(wave(phase), positions.ndim - 1)
    for wave in ((jnp.sin,) if config.sine_only else (jnp.sin, jnp.cos))
  ]
  return jnp.concatenate(parts, axis=-1).astype(jnp.float32)


def grid_features(
  config: Fourier, shape: Sequence[int]
) -> grid_encoding.GridEncoding:
  """Encodes a whole grid, as one small table per axis and kind of wave.

  Args:
    config: bands and resolution, one axis for each of the grid's.
    shape: the grid's shape.

  Returns:
    The encoding of [1, prod(shape), d·(2K + 1)] features, which are those that
    `features` gives for the grid's coordinates; float32.
  """
  config.channels(len(shape))
  axes = [coordinates.axis(size) for size in shape]
  phases = [
    np.pi * np.outer(x, frequencies)
    for x, frequencies in zip(axes, _frequencies(config))
  ]  # each [size, K]
  groups = [[x[:, None] for x in axes]] if config.include_positions else []
  for wave in (np.sin,) if config.sine_only else (np.sin, np.cos):
    groups.append([wave(phase) for phase in phases])
  return grid_encoding.GridEncoding(
    tables=tuple(jnp.asarray(x, jnp.float32) for x in itertools.chain(*groups)),
    axes=tuple(range(len(shape))) * len(groups),
    grid=tuple(shape),
    length=math.prod(shape),
  )


def _frequencies(config: Fourier) -> Float[np.ndarray, "d K"]:
  highest = np.asarray(config.max_resolution) / 2
  return np.linspace(1.0, highest, config.num_bands, axis=-1)
