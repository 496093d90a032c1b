"""Layer norm, linear maps and dropout."""

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver import layers


def run(module, x, key=0):
  """Returns parameters and result of a module."""
  net = hk.transform(lambda x: module()(x))
  params = jax.jit(net.init)(jax.random.key(key), x)
  return params, net.apply(params, None, x)


def test_normalising_known_numbers():
  # Mean 2, variance 2/3, to which epsilon 1e-5 is added.
  found = layers.normalise(jnp.array([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]]))
  edge = 1 / np.sqrt(2 / 3 + 1e-5)
  np.testing.assert_allclose(found, [[-edge, 0, edge], [0, 0, 0]], rtol=1e-6)


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_normalising_agrees_with_float64(offset):
  x = np.random.default_rng(0).normal(offset, 3.0, (50, 64))
  exact = x.astype(np.float32).astype(np.float64)
  mean, variance = exact.mean(-1, keepdims=True), exact.var(-1, keepdims=True)
  expected = (exact - mean) / np.sqrt(variance + 1e-5)
  found = layers.normalise(jnp.asarray(x, jnp.float32))
  np.testing.assert_allclose(found, expected, atol=2e-5)


def test_small_channels_are_kept_small_by_epsilon():
  x = jnp.array([[-1e-3, 1e-3]])
  expected = 1e-3 / np.sqrt(1e-6 + 1e-5)
  np.testing.assert_allclose(layers.normalise(x)[0, 1], expected, rtol=1e-5)


def test_statistics_of_bfloat16_are_float32():
  # In bfloat16 arithmetic the mean of so many channels would be far off.
  x = np.random.default_rng(1).normal(3.0, 1.0, (4, 4096))
  half = jnp.asarray(x, jnp.bfloat16)
  found = layers.normalise(half)
  assert found.dtype == jnp.bfloat16
  expected = layers.normalise(half.astype(jnp.float32))
  np.testing.assert_array_equal(found, expected.astype(jnp.bfloat16))


def test_layer_norm_scales_and_offsets():
  x = jax.random.normal(jax.random.key(0), (2, 5, 6))
  net = hk.transform(lambda x: layers.LayerNorm(name="some_norm")(x))
  params = net.init(jax.random.key(0), x)
  start = params["some_norm"]
  np.testing.assert_array_equal(start["scale"], np.ones(6))
  np.testing.assert_array_equal(start["offset"], np.zeros(6))
  scale, offset = jnp.arange(6.0), jnp.arange(6.0)[::-1]
  params = {"some_norm": {"scale": scale, "offset": offset}}
  np.testing.assert_allclose(
    net.apply(params, None, x),
    layers.normalise(x) * scale + offset,
    rtol=1e-6,
  )


def test_linear_is_a_matrix_product_and_a_bias():
  weights = layers.LinearWeights(
    w=jnp.array([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]]),
    b=jnp.array([0.5, 0.0, -1.0]),
  )
  found = weights(jnp.array([[[3.0, 4.0]]]))
  np.testing.assert_array_equal(found, [[[3.5, 4.0, 1.0]]])


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_linear_starts_with_a_variance_of_scale_over_fan_in(scale):
  x = jnp.ones((1, 400))
  params, _ = run(lambda: layers.Linear(300, scale, name="map"), x)
  w, b = params["map"]["w"], params["map"]["b"]
  assert w.shape == (400, 300)
  assert float(jnp.var(w)) == pytest.approx(scale / 400, rel=0.02)
  assert float(jnp.mean(w)) == pytest.approx(0, abs=1e-3)
  # Truncated at two deviations of the normal that it is cut from.
  limit = 2 * np.sqrt(scale / 400) / 0.8796
  assert 0.95 * limit < float(jnp.abs(w).max()) <= limit
  np.testing.assert_array_equal(b, np.zeros(300))


def test_linear_may_start_at_zero():
  params, found = run(
    lambda: layers.Linear(3, 0.0, name="map"), jnp.ones((1, 4))
  )
  assert not np.any(params["map"]["w"])
  assert not np.any(found)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_the_dtype_of_the_input_decides(dtype):
  x = jnp.ones((2, 4), dtype)
  for module in (
    lambda: layers.Linear(3, name="map"),
    lambda: layers.LayerNorm(name="norm"),
  ):
    params, found = run(module, x)
    assert found.dtype == dtype
    assert {p.dtype for p in jax.tree.leaves(params)} == {jnp.dtype("float32")}


KEY = jax.random.key(4)


def test_without_rate_or_key_nothing_is_dropped():
  x = jnp.arange(6.0)
  assert layers.dropout(x, 0.0, KEY) is x
  assert layers.dropout(x, 0.5, None) is x


def test_dropout_zeroes_a_share_and_scales_up_the_rest():
  x = jnp.full((200, 500), 3.0)
  found = np.asarray(layers.dropout(x, 0.2, KEY))
  assert np.mean(found == 0) == pytest.approx(0.2, abs=0.005)
  np.testing.assert_allclose(found[found != 0], 3 / 0.8, rtol=1e-6)
  assert found.mean() == pytest.approx(3.0, rel=0.01)


def test_dropout_depends_on_the_key_alone():
  x = jnp.ones((50, 50))
  first, again = (layers.dropout(x, 0.5, KEY) for _ in range(2))
  other = layers.dropout(x, 0.5, jax.random.key(5))
  np.testing.assert_array_equal(first, again)
  assert np.any(np.asarray(first) != np.asarray(other))


def test_dropout_keeps_the_dtype():
  x = jnp.ones((4, 4), jnp.bfloat16)
  assert layers.dropout(x, 0.5, KEY).dtype == jnp.bfloat16


def test_gradients_flow_through_what_was_kept():
  x = jnp.ones(1000)
  kept = layers.dropout(x, 0.5, KEY)
  gradient = jax.grad(lambda x: layers.dropout(x, 0.5, KEY).sum())(x)
  np.testing.assert_array_equal(gradient, kept)
