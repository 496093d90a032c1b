"""Attention by blocks against attention at once."""

import functools

import jax
from jax import test_util
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver import position_encoding
from perceiver.attention import block_sizes
from perceiver.attention import blockwise
from perceiver.attention import input_parts
from perceiver.attention import mapping

B, G, T, S, K, V = 2, 3, 4, 21, 5, 6


def project(parameters, block):
  """Makes keys and values of a block, [B, S, C] -> [B, G, S, K], [.., V]."""
  make = lambda w: jnp.einsum("bsc,gck->bgsk", jnp.tanh(block), w)
  return make(parameters["key"]), make(parameters["value"])


def at_once(queries, parts, parameters, mask, weights_factor=1.0):
  """The plain form of `blockwise.attend`, with a factor on the weights."""
  keys, values = project(parameters, input_parts.concatenate(parts, B))
  scores = jnp.einsum("bgtk,bgsk->bgts", queries, keys)
  if mask is not None:
    scores = jnp.where(mask[:, None, None], scores, -1e30)
  weights = jax.nn.softmax(scores)
  if mask is not None:
    seen = mask.any(axis=1)[:, None, None, None]
    weights = jnp.where(mask[:, None, None] & seen, weights, 0)
  return jnp.einsum("bgts,bgsv->bgtv", weights * weights_factor, values)


@pytest.fixture(scope="module")
def arrays():
  keys = iter(jax.random.split(jax.random.key(0), 6))
  normal = lambda *shape: jax.random.normal(next(keys), shape)
  queries = 3 * normal(B, G, T, K)
  parts = (normal(B, S, 2), normal(1, S, 3))
  parameters = {"key": normal(G, 5, K), "value": normal(G, 5, V)}
  return queries, parts, parameters


MASKS = {
  "none": None,
  "some": jax.random.bernoulli(jax.random.key(7), 0.5, (B, S)),
  "block": jnp.arange(S)[None].repeat(B, 0) >= 8,
  "all_of_one": jnp.array([[True] * S, [False] * S]),
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("block_size", [1, 7, 8, 21, 64])
def test_equals_attention_at_once(arrays, block_size, mask):
  options = blockwise.Options(project, block_size)
  expected = at_once(*arrays, MASKS[mask])
  found = blockwise.attend(options, *arrays, MASKS[mask], None)[0]
  np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("block_size", [7, 8])
def test_gradients_equal_those_of_attention_at_once(arrays, block_size, mask):
  options = blockwise.Options(project, block_size)
  cotangent = jax.random.normal(jax.random.key(1), (B, G, T, V))

  def objective(function):
    return lambda *args: jnp.sum(function(*args) * cotangent)

  streamed = objective(
    lambda *args: blockwise.attend(options, *args, MASKS[mask], None)[0]
  )
  plain = objective(lambda *args: at_once(*args, MASKS[mask]))
  found = jax.grad(streamed, (0, 1, 2))(*arrays)
  expected = jax.grad(plain, (0, 1, 2))(*arrays)
  for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected)):
    np.testing.assert_allclose(a, b, atol=1e-4)


def test_gradients_equal_differences(arrays):
  options = blockwise.Options(project, 8)
  attend = functools.partial(blockwise.attend, options)
  function = jax.jit(lambda *args: attend(*args, None, None)[0])
  test_util.check_grads(function, arrays, 1, ["rev"], rtol=2e-2, atol=2e-2)


def test_scores_of_any_size_do_not_overflow(arrays):
  queries, parts, parameters = arrays
  options = blockwise.Options(project, 8)
  operands = (queries * 1e4, parts, parameters)
  huge, _ = blockwise.attend(options, *operands, None, None)
  assert bool(jnp.isfinite(huge).all())


def dropout_factor(key, rate, block_size):
  """The factor that `attend` applies to the weights, [B, G, T, S]."""
  factors = []
  for i, start in enumerate(range(0, S, block_size)):
    size = min(block_size, S - start)
    keep = jax.random.bernoulli(
      jax.random.fold_in(key, i), 1 - rate, (B, G, T, size)
    )
    factors.append(keep / (1 - rate))
  return jnp.concatenate(factors, axis=-1)


def test_dropout_drops_weights_in_both_directions(arrays):
  key, rate, block_size = jax.random.key(3), 0.4, 8
  options = blockwise.Options(project, block_size, rate)
  factor = dropout_factor(key, rate, block_size)
  assert 0.3 < float(jnp.mean(factor == 0)) < 0.5
  streamed = lambda *args: blockwise.attend(options, *args, None, key)[0]
  plain = functools.partial(at_once, mask=None, weights_factor=factor)
  np.testing.assert_allclose(streamed(*arrays), plain(*arrays), atol=1e-5)
  total = lambda function: lambda *args: jnp.sum(jnp.sin(function(*args)))
  found = jax.grad(total(streamed), (0, 1, 2))(*arrays)
  expected = jax.grad(total(plain), (0, 1, 2))(*arrays)
  for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected)):
    np.testing.assert_allclose(a, b, atol=1e-4)


def test_block_sizes_divide_where_they_can():
  assert block_sizes.choose_block(50_176, 4096) == 3584
  assert block_sizes.choose_block(182_528, 1024) == 992
  assert block_sizes.choose_block(100, 1024) == 100
  assert block_sizes.choose_block(1009, 100) == 100  # a prime


@pytest.mark.parametrize("block_size", [1, 4, 5, 21, 30])
def test_mapping_blocks_changes_nothing(block_size):
  x = jax.random.normal(jax.random.key(0), (B, S, 3))
  y = jax.random.normal(jax.random.key(1), (1, S, 2))

  def function(operands):
    joined = input_parts.concatenate(operands, B)
    return {"sum": jnp.sum(joined**2, axis=-1), "same": joined}

  found = mapping.map_blocks(function, (x, y), block_size)
  expected = function((x, y))
  for name in expected:
    np.testing.assert_allclose(found[name], expected[name], rtol=1e-6)
  gradient = lambda size: jax.grad(
    lambda x: mapping.map_blocks(function, (x, y), size)["sum"].sum()
  )(x)
  np.testing.assert_allclose(gradient(block_size), gradient(S), rtol=1e-6)


def test_codes_of_a_grid_need_not_be_materialised(arrays):
  queries, _, parameters = arrays
  pixels = jax.random.normal(jax.random.key(3), (B, S, 2))
  config = position_encoding.Fourier(
    num_bands=1, max_resolution=(9, 9), sine_only=True, include_positions=False
  )
  codes = position_encoding.grid_features(config, (3, 7))  # [1, S, 2]
  ones = jnp.ones((1, S, 1))
  options = blockwise.Options(project, 8)

  def outcome(codes):
    def loss(pixels, parameters):
      operands = (queries, (pixels, codes, ones), parameters)
      found, _ = blockwise.attend(options, *operands, None, None)
      return jnp.sum(jnp.sin(found))

    return jax.value_and_grad(loss, argnums=(0, 1))(pixels, parameters)

  found = outcome(codes)
  expected = outcome(position_encoding.materialise(codes))
  for x, y in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
    np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


def test_mapping_blocks_of_codes_of_a_grid():
  config = position_encoding.Fourier(num_bands=2, max_resolution=(5, 5))
  codes = position_encoding.grid_features(config, (5, 5))
  double = lambda x: 2 * input_parts.concatenate(x)
  for size in (4, 25):
    found = mapping.map_blocks(double, (codes,), size)
    expected = 2 * position_encoding.materialise(codes)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
