"""Encodings of a grid's positions, one table per axis.

Coordinates of a grid, and whatever is computed from each of them alone, are
small tables, one per axis. Materialised for every position they are by far the
largest array of a model of raw pixels: 4.3 GB for 4 million of them.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Integer, Shaped

from perceiver import bounds


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class GridEncoding:
  """Stands for an array [1, M, C] of codes, positions in order of the grid.

  Attributes:
    tables: [size of its axis, C_i] each, joined along the channels.
    axes: the axis of the grid that each of the tables belongs to.
    grid: the grid's shape.
    length: the number of positions M, counted from the first; all of the
      grid's, or fewer.
  """

  tables: tuple[Any, ...]  # JAX puts other objects here, too
  axes: tuple[int, ...] = dataclasses.field(metadata={"static": True})
  grid: tuple[int, ...] = dataclasses.field(metadata={"static": True})
  length: int = dataclasses.field(metadata={"static": True})

  def __post_init__(self) -> None:
    bounds.check_number(
      "Positions", "size of the grid", math.prod(self.grid), bounds.MAX_INDEX
    )

  @property
  def shape(self) -> tuple[int, int, int]:
    """The array's shape."""
    return 1, self.length, sum(table.shape[-1] for table in self.tables)

  @property
  def dtype(self) -> jnp.dtype:
    """The array's dtype."""
    return self.tables[0].dtype

  def astype(self, dtype: jax.typing.DTypeLike) -> "GridEncoding":
    """Returns the same with another dtype."""
    tables = tuple(table.astype(dtype) for table in self.tables)
    return dataclasses.replace(self, tables=tables)

  def first(self, length: int) -> "GridEncoding":
    """Returns the first positions."""
    return dataclasses.replace(self, length=length)

  def slice(
    self, start: Int[Array, ""] | int, size: int
  ) -> Float[Array, "1 {size} C"]:
    """Returns `size` positions from one on; all of them must exist."""
    return self._rows(start + jnp.arange(size))[None]

  def take(self, indices: Integer[Array, "S"]) -> Float[Array, "1 S C"]:
    """Returns some of the positions; NaN where there is no such position."""
    known = (indices >= 0) & (indices < self.length)  # [S]
    codes = self._rows(jnp.where(known, indices, 0))
    return jnp.where(known[:, None], codes, jnp.nan)[None]

  def materialise(self) -> Float[Array, "1 {self.length} C"]:
    """Returns the whole array."""
    columns = []
    for axis, table in zip(self.axes, self.tables):
      view = [1] * len(self.grid) + [table.shape[-1]]
      view[axis] = self.grid[axis]
      shape = (*self.grid, table.shape[-1])
      columns.append(jnp.broadcast_to(table.reshape(view), shape))
    codes = jnp.concatenate(columns, axis=-1)  # [*grid, C]
    return codes.reshape(1, -1, codes.shape[-1])[:, : self.length]

  def _rows(self, indices: Integer[Array, "S"]) -> Float[Array, "S C"]:
    positions: list[Array] = []  # along every axis
    for size in reversed(self.grid):
      positions.insert(0, indices % size)
      indices //= size
    rows = [
      table.at[positions[axis]].get(mode="promise_in_bounds")
      for axis, table in zip(self.axes, self.tables)
    ]
    return jnp.concatenate(rows, axis=-1)


def materialise(
  codes: Shaped[Array, "..."] | GridEncoding,
) -> Shaped[Array, "..."]:
  """Returns codes as an array, [1, M, C] if they were not one."""
  return codes.materialise() if isinstance(codes, GridEncoding) else codes
