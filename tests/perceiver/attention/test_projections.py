"""Every order of multiplication gives the same attention."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver import layers
from perceiver.attention import block_sizes
from perceiver.attention import cross_attention
from perceiver.attention import projections

B, T, S, E, C, D = 2, 4, 30, 12, 7, 10


def make(heads, qk, v, **options):
  """Returns a config and weights in which no bias or offset is zero."""
  config = projections.AttentionConfig(
    num_heads=heads,
    qk_channels=qk,
    v_channels=v,
    output_channels=D,
    **options,
  )
  keys = iter(jax.random.split(jax.random.key(0), 10))
  normal = lambda *shape: jax.random.normal(next(keys), shape)
  linear = lambda i, o: layers.LinearWeights(normal(i, o) / i**0.5, normal(o))
  weights = projections.AttentionWeights(
    linear(E, qk), linear(C, qk), linear(C, v), linear(v, D)
  )
  norm = layers.NormWeights(1 + normal(C) / 2, normal(C))
  return config, weights, norm


def data():
  keys = jax.random.split(jax.random.key(1), 3)
  queries = jax.random.normal(keys[0], (B, T, E))
  parts = (
    jax.random.normal(keys[1], (B, S, 3)),
    jax.random.normal(keys[2], (1, S, 4)),
  )
  return queries, parts


def plain(config, weights, norm, queries, parts, mask=None, **options):
  """Plain multi-head attention, one head after the other."""
  shape = (B, S, parts[1].shape[-1])
  inputs = jnp.concatenate([parts[0], jnp.broadcast_to(parts[1], shape)], -1)
  mean, variance = inputs.mean(-1)[..., None], inputs.var(-1)[..., None]
  inputs = (inputs - mean) / jnp.sqrt(variance + 1e-5)
  inputs = inputs * norm.scale + norm.offset
  q, k, v = (
    x @ w.w + w.b for x, w in zip((queries, inputs, inputs), weights[:3])
  )
  attended = []
  split = lambda x: jnp.split(x, config.num_heads, axis=-1)
  for qh, kh, vh in zip(split(q), split(k), split(v)):
    scores = qh @ kh.mT / qh.shape[-1] ** 0.5
    if mask is not None:
      scores = jnp.where(mask[:, None], scores, -1e30)
    weight = jax.nn.softmax(scores)
    if mask is not None:
      weight = weight * mask.any(1)[:, None, None]
    attended.append(weight @ vh)
  return jnp.concatenate(attended, -1) @ weights.output.w + weights.output.b


SIZES = {
  "folds": (1, 24, 24),  # wide heads: folding saves multiplications
  "folds_two_heads": (2, 48, 48),
  "projects": (4, 8, 12),
}
MASKS = {
  "no_mask": None,
  "mask": jnp.array([[True, False, True] * 10, [False] * S]),
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("size", SIZES)
def test_attending_to_many_equals_plain_attention(size, mask, monkeypatch):
  monkeypatch.setattr(block_sizes, "_BLOCK_RANGE", (8, 8))
  config, weights, norm = make(*SIZES[size])
  queries, parts = data()
  found = cross_attention.attend(
    config, weights, norm, queries, parts, input_mask=MASKS[mask]
  )
  expected = plain(config, weights, norm, queries, parts, MASKS[mask])
  np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("size", SIZES)
def test_gradients_equal_those_of_plain_attention(size, monkeypatch):
  monkeypatch.setattr(block_sizes, "_BLOCK_RANGE", (8, 8))
  config, weights, norm = make(*SIZES[size])
  queries, parts = data()
  objective = lambda function: jax.grad(
    lambda *args: jnp.sum(jnp.sin(function(config, *args))), (0, 1, 2, 3)
  )(weights, norm, queries, parts)
  found, expected = objective(cross_attention.attend), objective(plain)
  for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected)):
    np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("num_queries", [T, 10_000])
@pytest.mark.parametrize("size", SIZES)
def test_attending_from_many_equals_plain_attention(size, num_queries, mask):
  config, weights, norm = make(*SIZES[size])
  queries, parts = data()
  inputs = norm(
    jnp.concatenate([parts[0], jnp.broadcast_to(parts[1], (B, S, 4))], -1)
  )
  keys_values = projections.project_keys_values(
    config, weights, inputs, num_queries=num_queries, input_mask=MASKS[mask]
  )
  if size == "folds" and num_queries > T:
    assert keys_values.bias is not None
    assert keys_values.output_folded
  found = projections.attend(config, weights, keys_values, queries)
  expected = plain(config, weights, norm, queries, parts, MASKS[mask])
  np.testing.assert_allclose(found, expected, atol=2e-5)


def test_folding_the_inputs_is_chosen_by_counting():
  fold = lambda size, n: cross_attention._fold_inputs(
    make(*SIZES[size])[0], num_queries=n, num_channels=C, dropout=False
  )
  assert fold("folds", T)
  assert not fold("projects", T)


def test_masked_queries_give_the_output_bias():
  config, weights, norm = make(*SIZES["projects"])
  queries, parts = data()
  keys_values = projections.project_keys_values(
    config, weights, jnp.ones((B, S, C)), num_queries=T
  )
  mask = jnp.array([[True, False, True, True]] * B)
  found = projections.attend(
    config, weights, keys_values, queries, query_mask=mask
  )
  free = projections.attend(config, weights, keys_values, queries)
  np.testing.assert_allclose(found[:, 1], jnp.tile(weights.output.b, (B, 1)))
  np.testing.assert_allclose(found[:, [0, 2, 3]], free[:, [0, 2, 3]])
  del parts, norm


def test_masked_keys_change_nothing():
  config, weights, norm = make(*SIZES["folds"])
  queries, parts = data()
  mask = jnp.arange(S)[None].repeat(B, 0) < 20
  other = (parts[0].at[:, 20:].set(100.0), parts[1])
  read = lambda parts: cross_attention.attend(
    config, weights, norm, queries, parts, input_mask=mask
  )
  np.testing.assert_array_equal(read(parts), read(other))


def test_attention_maps_sum_to_one():
  config, weights, _ = make(*SIZES["projects"])
  keys_values = projections.project_keys_values(
    config,
    weights,
    jax.random.normal(jax.random.key(5), (B, S, C)),
    num_queries=T,
    input_mask=MASKS["mask"],
  )
  weight = projections.attention_map(config, weights, keys_values, data()[0])
  assert weight.shape == (B, config.num_heads, T, S)
  np.testing.assert_allclose(weight[0].sum(-1), 1, rtol=1e-5)
  assert not weight[1].any()
  assert not weight[0, ..., 1::3].any()


def test_dropout_makes_attention_random_but_right_on_average():
  config, weights, norm = make(*SIZES["folds"], dropout_rate=0.5)
  queries, parts = data()
  read = jax.jit(
    lambda key: cross_attention.attend(
      config, weights, norm, queries, parts, key=key
    )
  )
  keys = jax.random.split(jax.random.key(0), 4000)
  mean = jax.vmap(read)(keys).mean(0)
  expected = plain(config, weights, norm, queries, parts)
  assert float(jnp.abs(read(keys[0]) - expected).max()) > 0.1
  np.testing.assert_allclose(mean, expected, atol=0.1)


def test_bfloat16_keeps_softmax_in_float32():
  config, weights, norm = make(*SIZES["folds"])
  queries, parts = data()
  half = jax.tree.map(lambda x: x.astype(jnp.bfloat16), (queries, parts))
  found = cross_attention.attend(config, weights, norm, *half)
  assert found.dtype == jnp.bfloat16
  expected = plain(config, weights, norm, queries, parts)
  error = jnp.linalg.norm(found - expected) / jnp.linalg.norm(expected)
  assert float(error) < 0.02


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"num_heads": 5}, "5 heads do not divide"),
    ({"num_heads": 0}, "num_heads is 0; expected at least 1"),
    ({"v_channels": 9, "num_heads": 4}, "v_channels is 9"),
    ({"dropout_rate": 1.0}, r"dropout_rate is 1.0; expected \[0, 1\)"),
  ],
)
def test_impossible_sizes_are_refused(changes, message):
  config, *_ = make(4, 8, 12)
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(config, **changes)
