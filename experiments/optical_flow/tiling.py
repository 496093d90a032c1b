"""Flow of frames of any size from a model of one size.

Frames are split into tiles that overlap. There, the weight of a tile is the
distance from its own nearest edge (2107.14795 appendix H). Frames smaller than
a tile are padded at their right and lower edges with their last pixels.
"""

from collections.abc import Callable
import itertools
import math

import numpy as np

FlowOfTile = Callable[[np.ndarray], np.ndarray]  # [2, h, w, 3] -> [h, w, 2]

MIN_OVERLAP = 20  # pixels, as released


def starts(
  size: int, tile: int, min_overlap: int = MIN_OVERLAP, *, even: bool = False
) -> list[int]:
  """Returns the starts of the fewest tiles along one axis.

  Args:
    size: of the frame.
    tile: of a tile.
    min_overlap: of neighbouring tiles.
    even: space all tiles evenly, as in the paper; otherwise all but the last
      have the smallest overlap, and the last ends with the frame, as in the
      released code.

  Raises:
    ValueError: if tiles are not larger than their overlap.
  """
  if not 0 <= min_overlap < tile:
    raise ValueError(
      f"Tiles: min_overlap is {min_overlap}; expected at least 0 and less than "
      f"the {tile} pixels of a tile."
    )
  last = max(size - tile, 0)
  steps = math.ceil(last / (tile - min_overlap))
  if even:
    return [round(i * last / max(steps, 1)) for i in range(steps + 1)]
  return [i * (tile - min_overlap) for i in range(steps)] + [last]


def weights(height: int, width: int) -> np.ndarray:  # [height, width]
  """Returns the weights of a tile's pixels: distances to the edge."""
  rows = np.minimum(np.arange(height) + 1, height - np.arange(height))
  columns = np.minimum(np.arange(width) + 1, width - np.arange(width))
  return np.minimum(rows[:, None], columns[None]).astype(np.float32)


def tiled(
  function: FlowOfTile,
  frames: np.ndarray,  # [2, H, W, 3]
  tile: tuple[int, int],
  min_overlap: int = MIN_OVERLAP,
  *,
  even: bool = False,
  on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> np.ndarray:  # [H, W, 2] float32
  """Returns the flow of whole frames.

  Args:
    function: returns the flow of a tile.
    frames: of any size.
    tile: height and width of a tile.
    min_overlap: see `starts`.
    even: see `starts`.
    on_progress: called with the numbers of tiles that are done and of all.
  """
  height, width = frames.shape[1:3]
  missing = (max(tile[0] - height, 0), max(tile[1] - width, 0))
  frames = np.pad(
    frames, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)), mode="edge"
  )
  weight = weights(*tile)[..., None]  # [h, w, 1]
  total = np.zeros((*frames.shape[1:3], 2), np.float64)
  norm = np.zeros((*frames.shape[1:3], 1), np.float64)
  corners = list(
    itertools.product(
      *(
        starts(size, part, min_overlap, even=even)
        for size, part in zip(frames.shape[1:3], tile)
      )
    )
  )
  for done, (y, x) in enumerate(corners, 1):
    rows, columns = slice(y, y + tile[0]), slice(x, x + tile[1])
    total[rows, columns] += weight * function(frames[:, rows, columns])
    norm[rows, columns] += weight
    on_progress(done, len(corners))
  return (total / norm)[:height, :width].astype(np.float32)
