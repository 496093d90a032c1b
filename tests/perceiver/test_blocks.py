"""The blocks against a plain spelling in NumPy, one head after the other."""

import dataclasses
import functools

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver import blocks
from perceiver.attention import block_sizes
from perceiver.attention import input_parts
from perceiver.attention import reference
from tests.helpers import fill

B, N, M, E = 2, 5, 23, 8
C = 6  # channels of the inputs, in two parts


def normal(seed, *shape):
  values = np.random.default_rng(seed).normal(size=shape)
  return jnp.asarray(values, jnp.float32)


QUERIES = normal(0, B, N, E)
INPUTS = (normal(1, B, M, 4), normal(2, 1, M, 2))
MASK = jnp.array([[True, True, False] * 7 + [True, False], [False] * M])


# ------------------------------------------------------------ a plain spelling


def linear(params, x):
  return x @ params["w"] + params["b"]


def norm(params, x):
  mean = x.mean(-1, keepdims=True)
  variance = ((x - mean) ** 2).mean(-1, keepdims=True)
  return (x - mean) / np.sqrt(variance + 1e-5) * params["scale"] + params[
    "offset"
  ]


def gelu(x):
  return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def mlp(params, x):
  hidden = gelu(linear(params("mlp/hidden"), x))
  return linear(params("mlp/output"), hidden)


def attend(params, num_heads, queries, inputs, mask=None, query_mask=None):
  q = linear(params("attention/query"), queries)
  k = linear(params("attention/key"), inputs)
  v = linear(params("attention/value"), inputs)
  heads = []
  split = lambda x: np.split(x, num_heads, axis=-1)
  for qh, kh, vh in zip(split(q), split(k), split(v)):
    weights = np.exp(qh @ np.swapaxes(kh, 1, 2) / np.sqrt(qh.shape[-1]))
    if mask is not None:
      weights = weights * mask[:, None]
    total = weights.sum(-1, keepdims=True)
    weights = weights / np.where(total == 0, 1, total)
    if query_mask is not None:
      weights = weights * query_mask[..., None]
    heads.append(weights @ vh)
  return linear(params("attention/output"), np.concatenate(heads, axis=-1))


def reader(params):
  """Looks parameters of a block up by what follows its name, in float64."""
  wide = jax.tree.map(lambda x: np.asarray(x, np.float64), params)
  return lambda name: wide[f"block/{name}"]


def self_attention(config, params, x):
  params = reader(params)
  x = np.asarray(x, np.float64)
  normed = norm(params("attention_norm"), x)
  x = x + attend(params, config.num_heads, normed, normed)
  return x + mlp(params, norm(params("mlp_norm"), x))


def cross_attention(config, params, queries, inputs, **masks):
  params = reader(params)
  queries, *inputs = (np.asarray(x, np.float64) for x in (queries, *inputs))
  shape = lambda part: (len(queries), *part.shape[1:])
  joined = np.concatenate([np.broadcast_to(x, shape(x)) for x in inputs], -1)
  x = attend(
    params,
    config.num_heads,
    norm(params("query_norm"), queries),
    norm(params("input_norm"), joined),
    **masks,
  )
  if config.query_residual:
    x = x + queries
  return x + mlp(params, norm(params("mlp_norm"), x))


# --------------------------------------------------------------- the real ones


def filled(init, *args):
  """Returns parameters that are all random, without compiling anything."""
  tree = jax.eval_shape(init, jax.random.key(0), *args)
  filled_tree = fill.parameters("blocks", jax.tree.map(jnp.shape, tree))
  return jax.tree.map(jnp.asarray, filled_tree)


@functools.lru_cache
def build_self(config, is_training=False):
  net = hk.transform(
    lambda x: blocks.SelfAttentionBlock(config, is_training, name="block")(x)
  )
  return filled(net.init, QUERIES), jax.jit(net.apply)


def functions(config, is_training=False, as_reference=False):
  """Returns parameters and the functions of a cross-attention block."""
  switch = reference.implementation(as_reference)

  def template():
    block = blocks.CrossAttentionBlock(config, is_training, name="block")
    project = lambda x: 2 * x[..., :3]
    decode_queries = lambda queries, inputs, **masks: block.decode_queries(
      queries, inputs, project, **masks
    )
    call = switch(block.__call__)
    return call, (call, switch(decode_queries), block.attention_map)

  net = hk.multi_transform(template)
  return filled(net.init, QUERIES, INPUTS), *net.apply


@functools.lru_cache
def build_cross(config, is_training=False, as_reference=False):
  """Returns the same, compiled."""
  params, *rest = functions(config, is_training, as_reference)
  return params, *map(jax.jit, rest)


SELF = blocks.SelfAttentionConfig(num_heads=2)
CROSS = blocks.CrossAttentionConfig()


@pytest.mark.parametrize(
  "changes",
  [
    {},
    {"num_heads": 1},
    {"num_heads": 4, "qk_channels": 12, "v_channels": 20, "mlp_widening": 3},
  ],
)
def test_self_attention_block(changes):
  config = dataclasses.replace(SELF, **changes)
  params, apply = build_self(config)
  found = apply(params, None, QUERIES)
  expected = self_attention(config, params, QUERIES)
  np.testing.assert_allclose(found, expected, atol=2e-5)


CROSS_CHANGES = {
  "plain": {},
  "reference": {},
  "no_residual": {"query_residual": False},
  "heads": {"num_heads": 2, "qk_channels": 10, "v_channels": 4},
  "wide": {"mlp_widening": 4, "qk_channels": 64},
}


@pytest.mark.parametrize("mask", [None, MASK])
@pytest.mark.parametrize("changes", CROSS_CHANGES)
def test_cross_attention_block(changes, mask):
  config = dataclasses.replace(CROSS, **CROSS_CHANGES[changes])
  params, call, *_ = build_cross(config, as_reference=changes == "reference")
  found = call(params, None, QUERIES, INPUTS, input_mask=mask)
  expected = cross_attention(config, params, QUERIES, INPUTS, mask=mask)
  np.testing.assert_allclose(found, expected, atol=5e-5)


@pytest.mark.parametrize("changes", CROSS_CHANGES)
def test_asking_is_the_same_block_from_the_other_side(changes):
  """Many queries in parts, few inputs, and a function on every answer."""
  config = dataclasses.replace(CROSS, **CROSS_CHANGES[changes])
  params, _, decode_queries, _ = build_cross(
    config, as_reference=changes == "reference"
  )
  few = normal(4, B, N, C)
  parts = (normal(5, B, 400, 5), normal(6, 1, 400, E - 5))
  mask = jnp.broadcast_to(jnp.arange(400) % 3 > 0, (B, 400))
  joined = input_parts.concatenate(parts)
  for query_mask in (None, mask):
    found = decode_queries(params, None, parts, few, query_mask=query_mask)
    expected = cross_attention(
      config, params, joined, (few,), query_mask=query_mask
    )
    np.testing.assert_allclose(found, 2 * expected[..., :3], atol=1e-4)


def test_asking_by_blocks_is_asking_at_once(monkeypatch):
  length = 19  # two blocks of 8 and a shorter one
  parts = (normal(5, B, length, 5), normal(6, 1, length, E - 5))
  few = normal(4, B, N, C)
  params, _, decode_queries, _ = functions(CROSS)
  weights = normal(7, B, length, 3)

  def value_and_gradient():
    objective = lambda params, few, parts: jnp.sum(
      weights * decode_queries(params, None, parts, few)
    )
    return jax.jit(jax.value_and_grad(objective, (0, 1, 2)))(params, few, parts)

  expected = value_and_gradient()
  monkeypatch.setattr(block_sizes, "_BLOCK_RANGE", (8, 8))
  found = value_and_gradient()
  for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected)):
    np.testing.assert_allclose(a, b, atol=1e-4)


def test_blocks_of_queries_are_all_that_exists_at_a_time():
  length = 40_000
  params, _, decode_queries, _ = build_cross(CROSS)
  shape = lambda *sizes: jax.ShapeDtypeStruct(sizes, jnp.float32)
  lowered = decode_queries.lower(
    params, None, (shape(1, length, E),), shape(B, N, C)
  )
  text = lowered.as_text()
  assert f"{B}x{length}x3x" in text  # the results
  assert f"{B}x{length}x{E}x" not in text  # anything as wide as the queries
  assert f"x{length}x{N}x" not in text  # scores


def test_attention_map_is_where_the_queries_look():
  params, _, _, attention_map = build_cross(
    dataclasses.replace(CROSS, num_heads=2, qk_channels=10, v_channels=4)
  )
  found = attention_map(params, None, QUERIES, INPUTS, input_mask=MASK)
  assert found.shape == (B, 2, N, M)
  assert not found[1].any()  # nothing may be looked at
  assert not found[0][..., ~np.asarray(MASK[0])].any()
  np.testing.assert_allclose(found[0].sum(-1), np.ones((2, N)), rtol=1e-5)


def test_widening_is_the_hidden_width_of_the_mlp():
  shapes = lambda widening: jax.tree.map(
    np.shape, functions(dataclasses.replace(CROSS, mlp_widening=widening))[0]
  )
  narrow, wide = shapes(1), shapes(4)
  assert narrow["block/mlp/hidden"] == {"w": (E, E), "b": (E,)}
  assert wide["block/mlp/hidden"] == {"w": (E, 4 * E), "b": (4 * E,)}
  assert wide["block/mlp/output"] == {"w": (4 * E, E), "b": (E,)}
  rest = lambda tree: {k: v for k, v in tree.items() if "mlp/" not in k}
  assert rest(narrow) == rest(wide)


def test_channels_of_the_papers_defaults():
  """Queries and keys are as wide as the inputs, values as the keys."""
  config = CROSS.attention(E, C)
  assert (config.qk_channels, config.v_channels) == (C, C)
  assert config.output_channels == E
  config = dataclasses.replace(CROSS, qk_channels=4).attention(E, C)
  assert (config.qk_channels, config.v_channels) == (4, 4)
  config = SELF.attention(E, E)
  assert (config.qk_channels, config.v_channels) == (E, E)


@pytest.mark.parametrize("rate", ["dropout_rate", "attention_dropout_rate"])
def test_dropout_acts_in_training_only(rate):
  for build, config, data in (
    (build_self, SELF, (QUERIES,)),
    (build_cross, CROSS, (QUERIES, INPUTS)),
  ):
    dropping = dataclasses.replace(config, **{rate: 0.5})
    params, plain, *_ = build(config)
    evaluate, train = build(dropping)[1], build(dropping, True)[1]
    expected = plain(params, None, *data)
    np.testing.assert_array_equal(evaluate(params, None, *data), expected)
    key = jax.random.key(0)
    first, again = (train(params, key, *data) for _ in range(2))
    other = train(params, jax.random.key(1), *data)
    np.testing.assert_array_equal(first, again)
    assert np.abs(np.subtract(first, other)).max() > 1e-2
    assert np.abs(np.subtract(first, expected)).max() > 1e-2


def test_dropout_while_asking_draws_for_all_queries(monkeypatch):
  monkeypatch.setattr(block_sizes, "_BLOCK_RANGE", (8, 8))
  config = dataclasses.replace(CROSS, dropout_rate=0.5)
  params, _, decode_queries, _ = functions(config, True)
  parts = (jnp.broadcast_to(normal(5, 1, 1, E), (1, 40, E)),)  # all the same
  found = decode_queries(params, jax.random.key(0), parts, normal(4, B, N, C))
  assert len(np.unique(np.asarray(found[0]), axis=0)) > 20


@pytest.mark.parametrize(
  ("config", "changes", "message"),
  [
    (
      SELF,
      {"mlp_widening": 0},
      "SelfAttentionConfig: mlp_widening is 0; expected at least",
    ),
    (CROSS, {"mlp_widening": -1}, "CrossAttentionConfig: mlp_widening is -1"),
    (SELF, {"dropout_rate": 1.0}, r"dropout_rate is 1.0; expected \[0, 1\)"),
    (CROSS, {"dropout_rate": -0.1}, r"dropout_rate is -0.1; expected \[0, 1\)"),
  ],
)
def test_impossible_blocks_are_refused(config, changes, message):
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(config, **changes)


@pytest.mark.parametrize(
  ("config", "changes", "channels", "message"),
  [
    (SELF, {"num_heads": 3}, (E, E), "qk_channels is 8, which 3 heads do not"),
    (CROSS, {"num_heads": 4}, (E, C), "qk_channels is 6, which 4 heads do not"),
    (CROSS, {}, (0, C), "output_channels is 0; expected at least 1"),
  ],
)
def test_impossible_channels_are_refused(config, changes, channels, message):
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(config, **changes).attention(*channels)
