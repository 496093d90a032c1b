"""Decoding a grid of queries, finely only where that is wanted.

A network whose queries are positions can be decoded on a grid of any size. Of a
surface in space only the cells near it matter: they are found level by level, a
cell that is wanted being divided in half along each axis. FlashVDM
(2503.16302) decodes shapes in this way.
"""

from collections.abc import Callable
import dataclasses
import math
from typing import NamedTuple

from jaxtyping import Array, Bool, Float
import numpy as np

from perceiver import bounds

# Positions of queries, in [-1, 1] -> their values.
Decode = Callable[[Float[np.ndarray, "n A"]], Float[Array | np.ndarray, "n"]]
# (values of cells, reach) -> True for cells to be divided.
Wanted = Callable[[Float[np.ndarray, "n"], float], Bool[np.ndarray, "n"]]


class Grid(NamedTuple):
  """A function on the cells of a cube or square.

  Attributes:
    values: at the centres of all cells, [S, …] along each axis; a cell that was
      not decoded has the value of the larger cell around it.
    is_decoded: True for cells whose own centre was decoded.
    num_queries: points that were decoded on all levels.
  """

  values: Float[np.ndarray, "..."]
  is_decoded: Bool[np.ndarray, "..."]
  num_queries: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridConfig:
  """Sizes of the grids.

  Attributes:
    size: cells of the finest grid along each axis, `coarsest` times a power of
      two.
    coarsest: cells of the grid that is decoded whole, along each axis.
    num_axes: of the positions.
    batch_size: queries that are decoded at a time; the last ones are padded, so
      that one program serves all.
  """

  size: int = 128
  coarsest: int = 16
  num_axes: int = 3
  batch_size: int = 4096

  def __post_init__(self) -> None:
    bounds.check(self, "size", "coarsest", "num_axes", "batch_size")
    levels = math.log2(self.size / self.coarsest)
    if levels < 0 or levels % 1:
      raise ValueError(
        f"GridConfig: size is {self.size} and coarsest {self.coarsest}; "
        "expected a size that is coarsest times a power of two."
      )

  def sizes(self) -> list[int]:
    """Returns the cells along each axis, from the coarsest grid on."""
    levels = int(math.log2(self.size / self.coarsest))
    return [self.coarsest << level for level in range(levels + 1)]


def centres(
  cells: np.ndarray,  # [n, A] integers
  size: int,
) -> Float[np.ndarray, "n A"]:
  """Returns the centres of cells of a grid over [-1, 1], float32."""
  return ((2 * cells + 1) / size - 1).astype(np.float32)


def near(threshold: float, slope: float = 1.0) -> Wanted:
  """Divides cells in which a function may be at most `threshold`.

  No such cell is missed if the function changes by at most `slope` per unit of
  length, as a distance does.

  Args:
    threshold: largest value that matters.
    slope: in [0, inf); 1 for distances.
  """
  if slope < 0:
    raise ValueError(f"slope is {slope}; expected [0, inf).")
  return lambda values, reach: values <= threshold + slope * reach


def decode(decode: Decode, config: GridConfig, wanted: Wanted) -> Grid:
  """Decodes a grid level by level.

  Args:
    decode: the function, such as a model's, for positions [n, A] in [-1, 1],
      always n = `batch_size`.
    config: the sizes.
    wanted: chooses the cells to be divided from their values and their reach,
      the distance from a cell's centre to the farthest centre of a finest cell
      inside of it.

  Returns:
    The finest grid.
  """
  sizes, axes = config.sizes(), config.num_axes

  def found_at(cells: np.ndarray, size: int) -> np.ndarray:
    return _in_batches(decode, centres(cells, size), config.batch_size)

  cells = _indices(sizes[0], axes)  # [n, A]
  found = found_at(cells, sizes[0])  # [n]
  values = found.reshape((sizes[0],) * axes)
  num_queries = len(cells)
  for size in sizes[1:]:
    reach = math.sqrt(axes) * (2 / size - 1 / sizes[-1])
    chosen = cells[np.asarray(wanted(found, reach))]
    # All 2^A halves of each.
    cells = (2 * chosen[:, None] + _indices(2, axes)).reshape(-1, axes)
    found = found_at(cells, size)
    for axis in range(axes):
      values = np.repeat(values, 2, axis=axis)
    values[tuple(cells.T)] = found
    num_queries += len(cells)
  is_decoded = np.zeros(values.shape, bool)
  is_decoded[tuple(cells.T)] = True
  return Grid(values, is_decoded, num_queries)


def _indices(size: int, axes: int) -> np.ndarray:  # [size^A, A]
  return np.moveaxis(np.indices((size,) * axes), 0, -1).reshape(-1, axes)


def _in_batches(
  decode: Decode, positions: Float[np.ndarray, "n A"], batch_size: int
) -> Float[np.ndarray, "n"]:
  """Returns the values of any number of positions, float32."""
  if not len(positions):
    return np.zeros(0, np.float32)
  padded = np.pad(positions, ((0, -len(positions) % batch_size), (0, 0)))
  parts = [
    np.asarray(decode(padded[start : start + batch_size]), np.float32)
    for start in range(0, len(padded), batch_size)
  ]
  return np.concatenate(parts)[: len(positions)]
