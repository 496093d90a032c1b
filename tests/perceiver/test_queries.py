"""What a decoder is asked for."""

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from perceiver import position_encoding
from perceiver import queries

FOURIER = position_encoding.Fourier(num_bands=3, max_resolution=(4, 6))


def test_learned_queries_are_a_table():
  net = hk.transform(lambda: queries.learned(5, 8, init_scale=0.1, name="ask"))
  params = jax.jit(net.init)(jax.random.key(0))
  assert jax.tree.map(jnp.shape, params) == {"ask": {"embeddings": (5, 8)}}
  (found,) = net.apply(params, None)
  np.testing.assert_array_equal(found, params["ask"]["embeddings"][None])
  assert 0.05 < float(jnp.std(found)) < 0.12


def test_fourier_queries_of_a_whole_grid_include_both_ends():
  (found,) = queries.fourier(FOURIER, (4, 6))
  assert found.shape == (1, 24, 14)
  codes = position_encoding.materialise(found)
  corners = codes[0, jnp.array([0, 5, 18, 23]), :2]
  np.testing.assert_allclose(corners, [[-1, -1], [-1, 1], [1, -1], [1, 1]])


def test_fourier_queries_of_some_points_use_the_grid_of_the_video_model():
  indices = jnp.array([0, 7, 23])
  (found,) = queries.fourier(FOURIER, (4, 6), indices)
  assert found.shape == (1, 3, 14)
  # −1 + 2i/n: (0, 0), (1, 1) and (3, 5) of (4, 6).
  expected = [[-1, -1], [-0.5, -2 / 3], [0.5, 2 / 3]]
  np.testing.assert_allclose(found[0, :, :2], expected, atol=1e-6)
  np.testing.assert_allclose(
    found[0],
    position_encoding.features(FOURIER, jnp.array(expected)),
    atol=1e-5,
  )


def test_the_order_of_points_is_the_order_of_queries():
  ask = lambda *indices: queries.fourier(FOURIER, (4, 6), jnp.array(indices))
  np.testing.assert_array_equal(
    ask(9, 2, 9)[0], ask(2, 9)[0][:, jnp.array([1, 0, 1])]
  )
