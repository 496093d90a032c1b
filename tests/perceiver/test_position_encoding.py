"""Coordinates, Fourier features and learned positions."""

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver import position_encoding
from tests.helpers import released


def test_grid_includes_both_ends():
  grid = position_encoding.grid((2, 3))
  assert grid.shape == (2, 3, 2)
  np.testing.assert_allclose(grid[:, 0, 0], [-1, 1])
  np.testing.assert_allclose(grid[0, :, 1], [-1, 0, 1])


def test_subsampled_positions_stop_one_step_before_one():
  found = position_encoding.subsampled(jnp.arange(4), (4,))
  np.testing.assert_allclose(found[:, 0], [-1, -0.5, 0, 0.5])
  found = position_encoding.subsampled(jnp.array([5]), (2, 4))
  np.testing.assert_allclose(found, [[0, -0.5]])


def test_fourier_values_at_known_positions():
  config = position_encoding.Fourier(num_bands=2, max_resolution=(4,))
  found = position_encoding.features(config, jnp.array([[0.0], [0.5], [1.0]]))
  expected = [  # x, sin πx, sin 2πx, cos πx, cos 2πx
    [0, 0, 0, 1, 1],
    [0.5, 1, 0, 0, -1],
    [1, 0, 0, -1, 1],
  ]
  np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
  ("bands", "axes", "channels"), [(64, 2, 258), (64, 3, 387), (192, 1, 385)]
)
def test_fourier_sizes_of_the_paper(bands, axes, channels):
  config = position_encoding.Fourier(
    num_bands=bands, max_resolution=(224,) * axes
  )
  assert position_encoding.num_channels(config, axes) == channels


def written(codes):
  (array,) = position_encoding.materialise(codes)
  return array


def test_grid_features_equal_features_of_the_grid():
  config = position_encoding.Fourier(num_bands=6, max_resolution=(5, 7))
  grid = position_encoding.grid((5, 7)).reshape(-1, 2)
  np.testing.assert_allclose(
    written(position_encoding.grid_features(config, (5, 7))),
    position_encoding.features(config, jnp.asarray(grid)),
    atol=1e-5,
  )


def test_released_position_encodings():
  golden = released.golden("position_encoding")
  np.testing.assert_allclose(
    position_encoding.grid((5, 7)), golden["grid"], atol=1e-6
  )
  config = position_encoding.Fourier(num_bands=6, max_resolution=(5, 7))
  found = written(position_encoding.grid_features(config, (5, 7)))
  assert released.relative_error(found, golden["fourier"]) < 1e-5
  config = position_encoding.Fourier(
    num_bands=4, max_resolution=(20,), sine_only=True, include_positions=False
  )
  line = jnp.linspace(-1, 1, 13)[:, None]
  found = position_encoding.features(config, line)
  assert released.relative_error(found, golden["fourier_sine_only"]) < 1e-5


def test_wrong_number_of_axes_is_refused():
  config = position_encoding.Fourier(num_bands=4, max_resolution=(20,))
  with pytest.raises(ValueError, match="has 1 axes; expected 2"):
    position_encoding.grid_features(config, (4, 4))


def encode(encoding, shape):
  network = hk.transform(lambda: position_encoding.encode(encoding, shape))
  params = jax.jit(network.init)(jax.random.key(0))
  return params, network.apply(params, None)[0]


def test_learned_positions_start_small_and_truncated():
  config = position_encoding.Learned(channels=8, init_scale=0.02)
  _, table = encode(config, (30, 20))
  assert table.shape == (600, 8)
  assert float(jnp.max(jnp.abs(table))) <= 0.04
  # A normal cut off at two deviations, rescaled to the deviation asked for
  # or not: between 0.0176 and 0.02.
  assert 0.016 < float(jnp.std(table)) < 0.021


def test_projected_positions():
  config = position_encoding.Projected(
    encoding=position_encoding.Learned(channels=3), channels=5
  )
  params, table = encode(config, (4,))
  assert position_encoding.num_channels(config, 1) == 5
  learned = params["learned_positions"]["embeddings"]
  projection = params["position_projection"]
  expected = learned @ projection["w"] + projection["b"]
  np.testing.assert_allclose(table, expected, rtol=1e-6)


def test_interpolation_keeps_corners_and_linear_functions():
  grid = position_encoding.grid((3, 4)).reshape(-1, 2)
  table = jnp.asarray(grid) @ jnp.array([[1.0, 2.0], [3.0, -1.0]]) + 0.5
  finer = position_encoding.grid((7, 5)).reshape(-1, 2)
  expected = jnp.asarray(finer) @ jnp.array([[1.0, 2.0], [3.0, -1.0]]) + 0.5
  found = position_encoding.interpolate(table, (3, 4), (7, 5))
  np.testing.assert_allclose(found, expected, atol=1e-5)


def test_interpolation_to_the_same_size_changes_nothing():
  table = jax.random.normal(jax.random.key(0), (12, 3))
  same = position_encoding.interpolate(table, (3, 4), (3, 4))
  np.testing.assert_array_equal(same, table)


def test_interpolation_of_a_wrong_table_is_refused():
  with pytest.raises(ValueError, match=r"expected \[12, channels\]"):
    position_encoding.interpolate(jnp.zeros((10, 3)), (3, 4), (6, 8))


def encoding_of_three_axes():
  config = position_encoding.Fourier(num_bands=2, max_resolution=(3, 4, 5))
  return position_encoding.grid_features(config, (3, 4, 5))


def test_codes_of_a_grid_are_small_until_they_are_needed():
  codes = encoding_of_three_axes()
  assert codes.shape == (1, 60, 15)
  assert sum(table.size for table in codes.tables) == (3 + 4 + 5) * 5
  assert written(codes).shape == (60, 15)
  assert codes.astype(jnp.bfloat16).slice(0, 1).dtype == jnp.bfloat16


def test_any_part_of_a_grid():
  codes = encoding_of_three_axes()
  whole = written(codes)
  np.testing.assert_array_equal(codes.slice(jnp.int32(17), 9)[0], whole[17:26])
  indices = jnp.array([59, 0, 23, 23])
  np.testing.assert_array_equal(codes.take(indices)[0], whole[indices])
  first = codes.first(20)
  assert first.shape == (1, 20, 15)
  np.testing.assert_array_equal(written(first), whole[:20])


def test_positions_that_do_not_exist_are_nan():
  found = (
    encoding_of_three_axes().first(40).take(jnp.array([-1, 39, 40, 60, 99]))
  )
  assert list(np.isnan(found[0]).all(axis=1)) == [True, False, True, True, True]
  assert not np.isnan(found[0, 1]).any()
