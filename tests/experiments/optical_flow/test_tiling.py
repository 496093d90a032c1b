"""Laws of splitting frames into tiles and joining their flow."""

import numpy as np
import pytest

from experiments.optical_flow import tiling

MODEL = (368, 496)


@pytest.mark.parametrize(
  ("size", "rows", "columns"),
  [
    ((436, 1024), [0, 68], [0, 476, 528]),  # Sintel
    ((375, 1242), [0, 7], [0, 476, 746]),  # KITTI
    ((368, 496), [0], [0]),
    ((100, 497), [0], [0, 1]),
    ((716, 972), [0, 348], [0, 476]),  # overlaps of just 20 pixels
    ((717, 973), [0, 348, 349], [0, 476, 477]),
  ],
)
def test_positions_of_the_released_tiles(size, rows, columns):
  assert tiling.starts(size[0], MODEL[0]) == rows
  assert tiling.starts(size[1], MODEL[1]) == columns


def test_even_tiles():
  assert tiling.starts(1024, 496, even=True) == [0, 264, 528]
  assert tiling.starts(1242, 496, even=True) == [0, 373, 746]
  assert tiling.starts(436, 368, even=True) == [0, 68]
  assert tiling.starts(300, 368, even=True) == [0]


@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize("overlap", [0, 3, 9])
def test_tiles_cover_everything_and_overlap_enough(even, overlap):
  for size in range(1, 80):
    found = tiling.starts(size, 10, overlap, even=even)
    assert found[0] == 0
    assert found[-1] == max(size - 10, 0)
    steps = np.diff(found)
    assert np.all((steps >= 1) & (steps <= 10 - overlap))


@pytest.mark.parametrize("overlap", [-1, 10, 11])
def test_impossible_overlaps_are_refused(overlap):
  with pytest.raises(ValueError, match="less than the 10 pixels of a tile"):
    tiling.starts(30, 10, overlap)


def test_weights_are_distances_to_the_edge():
  found = tiling.weights(4, 5)
  expected = [[1, 1, 1, 1, 1], [1, 2, 2, 2, 1], [1, 2, 2, 2, 1], [1] * 5]
  np.testing.assert_array_equal(found, expected)
  assert np.all(tiling.weights(*MODEL) > 0)


@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize("size", [(10, 12), (23, 40), (4, 30), (37, 5), (1, 1)])
def test_a_constant_flow_stays_constant(size, even):
  shapes, done = [], []

  def constant(frames):
    shapes.append(frames.shape)
    return np.tile(np.float32([3.25, -7.5]), (10, 12, 1))

  found = tiling.tiled(
    constant,
    np.zeros((2, *size, 3), np.float32),
    (10, 12),
    4,
    even=even,
    on_progress=lambda *numbers: done.append(numbers),
  )
  assert found.shape == (*size, 2)
  assert found.dtype == np.float32
  np.testing.assert_allclose(found - np.float32([3.25, -7.5]), 0, atol=1e-6)
  assert set(shapes) == {(2, 10, 12, 3)}
  assert done == [(i + 1, len(shapes)) for i in range(len(shapes))]


def test_tiling_does_not_change_functions_of_single_pixels():
  frames = np.random.default_rng(0).random((2, 33, 29, 3), np.float32)
  found = tiling.tiled(lambda x: x[0, ..., :2], frames, (10, 12), 4)
  np.testing.assert_allclose(found, frames[0, ..., :2], atol=1e-6)


def test_small_frames_are_padded_with_their_edge():
  tiles = []

  def function(frames):
    tiles.append(frames)
    return frames[0, ..., :2]

  frames = np.arange(2 * 2 * 3 * 3, dtype=np.float32).reshape(2, 2, 3, 3)
  found = tiling.tiled(function, frames, (4, 5), 1)
  np.testing.assert_array_equal(found, frames[0, ..., :2])
  (tile,) = tiles
  np.testing.assert_array_equal(tile[:, :2, :3], frames)
  np.testing.assert_array_equal(tile[:, 3, :3], frames[:, 1])
  np.testing.assert_array_equal(tile[:, :2, 4], frames[:, :, 2])


def test_the_middle_of_a_tile_has_more_weight_than_its_edge():
  """Two tiles of different values are blended where they overlap."""
  values = iter((0.0, 1.0))
  stub = lambda x: np.full((8, 8, 2), next(values))
  found = tiling.tiled(stub, np.zeros((2, 8, 12, 3)), (8, 8), 4)[4, :, 0]
  # The distances are 4, 3, 2, 1 from the right and 1, 2, 3, 4 from the left.
  np.testing.assert_allclose(found[:4], 0)
  np.testing.assert_allclose(found[4:8], [1 / 5, 2 / 5, 3 / 5, 4 / 5])
  np.testing.assert_allclose(found[8:], 1)
