"""Grids that are decoded finely only where that is wanted."""

import numpy as np
import pytest

from perceiver import coarse_to_fine

CONFIG = coarse_to_fine.GridConfig(size=32, coarsest=4, batch_size=64)


class Sphere:
  """The distance from a sphere of radius 0.6; keeps the queries' shapes."""

  def __init__(self):
    self.shapes = []

  def __call__(self, positions):
    self.shapes.append(positions.shape)
    return np.abs(np.linalg.norm(positions, axis=-1) - 0.6)


def everywhere(size, axes=3):
  cells = np.stack(np.indices((size,) * axes), axis=-1)
  return coarse_to_fine.centres(cells.reshape(-1, axes), size)


def test_all_cells_wanted_is_the_whole_grid():
  function = Sphere()
  found = coarse_to_fine.decode(function, CONFIG, lambda v, _: v > -1)
  values = Sphere()(everywhere(32)).reshape(32, 32, 32)
  np.testing.assert_array_equal(found.values, values)
  assert found.is_decoded.all()
  assert found.num_queries == 4**3 + 8**3 + 16**3 + 32**3
  assert set(function.shapes) == {(64, 3)}


def test_no_cell_near_a_surface_is_missed_and_few_are_decoded():
  config = coarse_to_fine.GridConfig(size=64, coarsest=8, batch_size=4096)
  whole = Sphere()(everywhere(64)).reshape(64, 64, 64)
  threshold = 1 / 64  # half a cell
  wanted = coarse_to_fine.near(threshold)
  found = coarse_to_fine.decode(Sphere(), config, wanted)
  near = whole <= threshold
  assert (found.is_decoded & (found.values <= threshold) == near).all()
  assert found.num_queries < 0.12 * 64**3
  fewer = coarse_to_fine.decode(
    Sphere(), config, coarse_to_fine.near(threshold, slope=0.2)
  )
  assert fewer.num_queries < found.num_queries
  missed = near & ~fewer.is_decoded
  assert missed.any()


def test_cells_that_are_not_decoded_have_the_value_around_them():
  found = coarse_to_fine.decode(
    lambda p: p[:, 0], CONFIG, lambda v, _: np.arange(len(v)) < 1
  )
  coarse = coarse_to_fine.decode(
    lambda p: p[:, 0],
    coarse_to_fine.GridConfig(size=4, coarsest=4, batch_size=64),
    lambda v, _: v > 9,
  )
  assert found.is_decoded[:2, :2, :2].all()
  assert found.is_decoded.sum() == 8
  assert found.num_queries == 64 + 3 * 8
  repeated = coarse.values.repeat(8, 0).repeat(8, 1).repeat(8, 2)
  np.testing.assert_array_equal(found.values[8:], repeated[8:])


def test_a_square_and_one_level():
  config = coarse_to_fine.GridConfig(
    size=4, coarsest=4, num_axes=2, batch_size=10
  )

  def second(positions):
    assert positions.shape == (10, 2)  # always: one program serves all
    return positions[:, 1]

  found = coarse_to_fine.decode(second, config, lambda v, _: v > 9)
  np.testing.assert_allclose(found.values, [[-0.75, -0.25, 0.25, 0.75]] * 4)
  assert found.num_queries == 16


def test_nothing_wanted():
  found = coarse_to_fine.decode(Sphere(), CONFIG, lambda v, _: v < 0)
  assert not found.is_decoded.any()
  assert found.num_queries == 64


@pytest.mark.parametrize(
  ("settings", "message"),
  [
    ({"size": 48}, "size is 48 and coarsest 16; expected a size"),
    ({"size": 8}, "expected a size that is coarsest times"),
    ({"batch_size": 0}, "batch_size is 0"),
  ],
)
def test_impossible_sizes(settings, message):
  with pytest.raises(ValueError, match=message):
    coarse_to_fine.GridConfig(**settings)


def test_a_negative_slope():
  with pytest.raises(ValueError, match=r"slope is -1; expected \[0, inf\)"):
    coarse_to_fine.near(0.1, -1)
