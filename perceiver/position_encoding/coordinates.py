"""Coordinates of the elements of a grid, in [-1, 1] along every axis.

Two conventions exist in the released models and differ slightly: a whole grid
includes both ends, a sub-sampled set of queries stops one step before 1.
"""

from collections.abc import Sequence
import math

import jax.numpy as jnp
from jaxtyping import Array, Float, Integer
import numpy as np

from perceiver import bounds


def axis(size: int) -> Float[np.ndarray, "{size}"]:
  """Returns evenly spaced coordinates from -1 to 1, both included; float64."""
  return np.linspace(-1.0, 1.0, size)


def grid(shape: Sequence[int]) -> Float[np.ndarray, "*shape d"]:
  """Returns the coordinates of every element of a grid, first axis first."""
  axes = np.meshgrid(*(axis(size) for size in shape), indexing="ij")
  return np.stack(axes, axis=-1).astype(np.float32)


def subsampled(
  indices: Integer[Array | np.ndarray, "O"], shape: Sequence[int]
) -> Float[Array, "O d"]:
  """Returns the coordinates of some elements of a grid, for decoder queries.

  Index i of n gives −1 + 2·i/n, so the last element stays below 1: not the
  coordinates that `grid` gives, but those that the released video model was
  trained with.

  Args:
    indices: into the flattened grid (last axis fastest).
    shape: the grid's shape, d sizes.

  Raises:
    ValueError: if there are more positions, or higher indices, than 32 bits
      can count.
  """
  bounds.check_indices("Indices", indices)
  bounds.check_number(
    "Positions", "size of the grid", math.prod(shape), bounds.MAX_INDEX
  )
  position = jnp.stack(jnp.unravel_index(indices, tuple(shape)), axis=-1)
  return -1 + 2 * position / jnp.asarray(shape, jnp.float32)
