"""The TPU's kernels, interpreted, give what the formula gives."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver import layers
from perceiver.attention import by_device
from perceiver.attention import flash
from perceiver.attention import flash_kernels
from perceiver.attention import projections
from perceiver.attention import self_attention
from tests.helpers import kernel_costs

# Name: examples, queries, keys, heads, channels of all queries, of all values.
SIZES = {
  "wide heads": (2, 256, 256, 2, 256, 256),
  "heads side by side": (2, 128, 128, 8, 256, 1280),
  "ragged lengths": (2, 130, 70, 4, 128, 128),
  "one odd head": (1, 140, 60, 1, 37, 21),
  "several blocks": (1, 512, 1024, 1, 128, 128),
}


def operands(size, dtype=jnp.float32):
  batch, num_queries, num_keys, num_heads, qk_channels, v_channels = size
  generator = np.random.default_rng(0)

  def array(*shape, dtype=dtype):
    return jnp.asarray(generator.standard_normal(shape), dtype)

  heads = flash_kernels.choose_heads(num_heads, qk_channels, v_channels)
  widths = qk_channels, qk_channels, v_channels
  lengths = num_queries, num_keys, num_keys
  arrays = [array(batch, n, width) for n, width in zip(lengths, widths)]
  biases = [array(width, dtype=jnp.float32) for width in widths]
  return heads, flash.Operands(*arrays, *biases)


def formula(heads, operands, mask=None):
  """Attends with all scores in memory, in float32."""

  def split(x, bias):
    x = x.astype(jnp.float32) + bias
    return x.reshape(*x.shape[:2], heads.number, -1)

  queries, keys, values = map(split, operands[:3], operands[3:])
  scores = jnp.einsum("bthk,bshk->bhts", queries * heads.scale, keys)
  mask = None if mask is None else mask[:, None, None]
  weights = layers.softmax(scores, mask)
  return jax.lax.collapse(jnp.einsum("bhts,bshv->bthv", weights, values), 2)


def outcome(attend, heads, operands, mask=None):
  """Returns the attended values and the gradients of a loss of them."""

  def loss(operands):
    out = attend(heads, operands, mask).astype(jnp.float32)
    return jnp.sum(jnp.sin(out)), out

  gradients, out = jax.grad(loss, has_aux=True)(operands)
  return [out, *gradients]


def interpreted(heads, operands, mask=None):
  return flash.attend(heads, operands, mask, True)


def assert_close(found, expected, tolerance):
  largest = max(float(jnp.abs(x).max()) for x in expected[1:])
  for i, (x, y) in enumerate(zip(found, expected, strict=True)):
    x, y = np.float64(x), np.float64(y)
    limit = tolerance if i == 0 else 10 * tolerance * largest
    np.testing.assert_allclose(x, y, atol=limit, rtol=0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_outputs_and_gradients(size, dtype):
  inputs = operands(SIZES[size], dtype)
  found = outcome(interpreted, *inputs)
  assert [x.dtype for x in found[1:]] == [x.dtype for x in inputs[1]]
  tolerance = 1e-5 if dtype == jnp.float32 else 2e-2
  assert_close(found, outcome(formula, *inputs), tolerance)


def test_small_cores_have_the_formula_instead(monkeypatch):
  heads, inputs = operands(SIZES["ragged lengths"])
  mask = jnp.arange(70) < jnp.array([[70], [30]])
  expected = outcome(formula, heads, inputs, mask)
  monkeypatch.setattr(by_device, "SMALL", (jax.devices()[0].device_kind,))
  assert all("tpu_custom_call" in text for text in programs(256))
  monkeypatch.setattr(flash, "_BLOCK_SCORES", 2**24)  # more than they hold
  jax.clear_caches()
  assert not any("tpu_custom_call" in text for text in programs(256))
  assert_close(outcome(interpreted, heads, inputs, mask), expected, 1e-5)


@pytest.mark.parametrize("size", ["heads side by side", "ragged lengths"])
def test_masked_keys_are_not_attended_to(size):
  heads, inputs = operands(SIZES[size])
  mask = np.random.default_rng(1).random(inputs.keys.shape[:2]) < 0.5
  mask[0] = False
  mask = jnp.asarray(mask)
  found = outcome(interpreted, heads, inputs, mask)
  assert not any(x[0].any() for x in found[:4])
  assert_close(found, outcome(formula, heads, inputs, mask), 1e-5)


def test_scores_may_be_added_to():
  generator = np.random.default_rng(2)
  shapes = (2, 130, 37), (2, 70, 37), (2, 70, 21), (2, 70)
  arrays = [jnp.asarray(generator.normal(size=x), jnp.float32) for x in shapes]
  heads = flash_kernels.choose_heads(1, 37, 21, scale=0.5)

  def by_formula(queries, keys, values, added):
    scores = jnp.einsum("btk,bsk->bts", queries, keys) * heads.scale
    weights = jax.nn.softmax(scores + added[:, None])
    return jnp.einsum("bts,bsv->btv", weights, values)

  def by_kernel(*arrays):
    return flash.attend_to_keys(heads, *arrays, interpret=True)

  def outcome(attend):
    loss = lambda *x: jnp.sum(jnp.sin(attend(*x)))
    return [attend(*arrays), *jax.grad(loss, (0, 1, 2, 3))(*arrays)]

  assert_close(outcome(by_kernel), outcome(by_formula), 1e-5)


def test_scores_of_minus_infinity_give_zeros():
  heads, inputs = operands(SIZES["wide heads"])
  inputs = inputs._replace(
    queries=jnp.full_like(inputs.queries, 1e30),
    keys=jnp.full_like(inputs.keys, -1e30),
  )
  found = outcome(interpreted, heads, inputs)
  assert not any(x.any() for x in found)


def test_not_a_number_stays_visible():
  heads, inputs = operands(SIZES["one odd head"])
  queries = inputs.queries.at[0, 3].set(jnp.nan)
  found = interpreted(heads, inputs._replace(queries=queries))
  assert np.isnan(found[0, 3]).all()
  assert np.isfinite(found[0, :3]).all()


@pytest.mark.parametrize(
  ("channels", "group"), [((8, 1024, 1024), 1), ((16, 512, 512), 4)]
)
def test_heads_are_taken_in_groups_that_fill_the_lanes(channels, group):
  assert flash_kernels.choose_heads(*channels).group == group


def test_heads_that_fill_no_lanes_are_taken_together():
  assert flash_kernels.choose_heads(3, 3 * 20, 3 * 20).group == 3


def test_examples_are_computed_where_they_are():
  auto = (jax.sharding.AxisType.Auto,) * 2
  mesh = jax.make_mesh((2, 2), ("data", "fsdp"), axis_types=auto)
  spec = jax.sharding.PartitionSpec(("data", "fsdp"))
  shard = jax.sharding.NamedSharding(mesh, spec)
  heads, inputs = operands((8, 128, 128, 1, 128, 128))
  compute = jax.jit(lambda x: outcome(interpreted, heads, x))
  sharded = flash.Operands(*jax.device_put(inputs[:3], shard), *inputs[3:])
  assert "all-gather" not in compute.lower(sharded).compile().as_text()
  found = compute(sharded)
  assert all(x.sharding.is_equivalent_to(shard, x.ndim) for x in found[:4])
  for x, y in zip(found, compute(inputs), strict=True):
    np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5)


def test_examples_that_do_not_divide_are_computed_by_every_device():
  mesh = jax.make_mesh(
    (4,), ("data",), axis_types=(jax.sharding.AxisType.Auto,)
  )
  whole = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
  heads, *inputs = operands((3, 128, 128, 1, 128, 128))
  compute = jax.jit(lambda *x: interpreted(heads, *x))
  found = compute(*jax.device_put(inputs, whole))
  np.testing.assert_array_equal(found, compute(*inputs))


def test_models_may_be_mapped():
  heads, inputs = operands(SIZES["ragged lengths"])
  one = inputs._replace(keys=inputs.keys[:1])

  def attend(queries, values):
    mapped = one._replace(queries=queries[None], values=values[None])
    return interpreted(heads, mapped)[0]

  found = jax.vmap(attend)(inputs.queries, inputs.values)
  expected = interpreted(
    heads, inputs._replace(keys=inputs.keys[jnp.array([0, 0])])
  )
  np.testing.assert_array_equal(found, expected)


def programs(num_channels, dtype=jnp.float32, platform="tpu"):
  """Returns the text of latent self-attention, and of its gradient."""
  config = projections.AttentionConfig(
    num_heads=8,
    qk_channels=num_channels,
    v_channels=num_channels,
    output_channels=num_channels,
  )
  linear = layers.LinearWeights(
    jax.ShapeDtypeStruct((num_channels, num_channels), jnp.float32),
    jax.ShapeDtypeStruct((num_channels,), jnp.float32),
  )
  weights = projections.AttentionWeights(*[linear] * 4)
  x = jax.ShapeDtypeStruct((4, 256, num_channels), dtype)
  attend = lambda *x: self_attention.attend(config, *x)
  loss = lambda *x: jnp.sum(jnp.sin(attend(*x).astype(jnp.float32)))
  return [
    jax.jit(f).trace(weights, x).lower(lowering_platforms=(platform,)).as_text()
    for f in (attend, jax.grad(loss, (0, 1)))
  ]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_a_tpu_gets_the_kernels(dtype):
  for text, number in zip(programs(256, dtype), (1, 2), strict=True):
    assert text.count("tpu_custom_call") == number
    assert not re.search("dot_general.*-> tensor<4x8x256x256x", text)  # scores
  assert not any("tpu_custom_call" in x for x in programs(256, dtype, "cuda"))
  assert not any("tpu_custom_call" in x for x in programs(256, dtype, "cpu"))


@pytest.mark.parametrize("precision", ["bfloat16", "tensorfloat32", "float32"])
def test_kernels_take_every_precision(precision):
  with jax.default_matmul_precision(precision):
    assert all("tpu_custom_call" in text for text in programs(256))


@pytest.mark.parametrize(
  ("num_heads", "num_queries", "channels", "number"),
  [(1, 4096, 64, 1), (8, 256, 512, 1), (8, 16, 512, 0), (8, 256, 64, 0)],
)
def test_a_decoder_gets_the_kernel(num_heads, num_queries, channels, number):
  """Folded maps of several heads need the sum over them."""
  config = projections.AttentionConfig(
    num_heads=num_heads,
    qk_channels=512,
    v_channels=512,
    output_channels=channels,
  )
  linear = lambda *x: layers.LinearWeights(jnp.zeros(x), jnp.zeros(x[-1:]))
  inner = linear(512, 512)
  weights = projections.AttentionWeights(
    linear(channels, 512), inner, inner, linear(512, channels)
  )

  def decode(queries, inputs):
    keys_values = projections.project_keys_values(
      config, weights, inputs, num_queries=num_queries
    )
    return projections.attend(config, weights, keys_values, queries)

  shapes = (2, num_queries, channels), (2, 128, 512)
  traced = jax.jit(decode).trace(*map(jnp.zeros, shapes))
  for platform in ("tpu", "cpu"):
    text = traced.lower(lowering_platforms=(platform,)).as_text()
    calls = text.count("tpu_custom_call")
    assert calls == (number if platform == "tpu" else 0)


@pytest.mark.parametrize(
  ("num_channels", "lanes"), [(1024, 128), (256, 128), (8 * 160, 256)]
)
def test_the_declared_cost_is_that_of_whole_lanes(num_channels, lanes):
  product = 2 * 4 * 8 * 256 * 256 * lanes  # examples, heads, queries, keys
  forward, gradient = map(kernel_costs.declared, programs(num_channels))
  assert [cost["flops"] for cost in forward] == [2 * product]
  # The gradient's program computes the attended values, too.
  assert [cost["flops"] for cost in gradient] == [2 * product, 5 * product]
  assert {cost["transcendentals"] for cost in gradient} == {4 * 8 * 256 * 256}
  arrays = 4 * 4 * 256 * num_channels  # bytes of one
  for cost, number in zip(gradient, (4, 7), strict=True):
    assert 0 <= cost["bytes_accessed"] - number * arrays < 0.02 * arrays
