"""A TPU's kernels for many inputs, interpreted, agree with the blocks."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver import layers
from perceiver.attention import blockwise
from perceiver.attention import cross_attention
from perceiver.attention import flash_inputs
from perceiver.attention import projections
from tests.helpers import kernel_costs

B, T, M, C = 2, 20, 600, 37


def array(seed, *shape, dtype=jnp.float32):
  x = np.random.default_rng(seed).standard_normal(shape)
  return jnp.asarray(x, dtype)


def parts(dtype=jnp.float32):
  """Returns inputs in two parts, one of them the same for all examples."""
  return 3 + array(1, B, M, 7, dtype=dtype), array(2, 1, M, C - 7, dtype=dtype)


@pytest.fixture
def interpreted(monkeypatch):
  """Makes the kernels run on a CPU, in place of the blocks."""
  for name in ("attend", "differentiate"):
    function = functools.partial(getattr(flash_inputs, name), interpret=True)
    monkeypatch.setattr(flash_inputs, name, function)

  def by_platform(options, function, kernels, *operands):
    return kernels["tpu"](*operands)

  monkeypatch.setattr(blockwise, "_by_platform", by_platform)


def outcome(dtype, mask=None):
  """Returns attended values and gradients of queries and inputs."""
  options = blockwise.Options(
    cross_attention._normalised, block_size=256, shared_keys=True
  )

  def loss(queries, inputs):
    out, any_input = blockwise.attend(
      options, queries, inputs, None, mask, None
    )
    return jnp.sum(jnp.sin(out.astype(jnp.float32))), (out, any_input)

  queries = array(0, B, 1, T, C, dtype=dtype) / np.sqrt(C).astype(dtype)
  return jax.tree.leaves(
    jax.grad(loss, (0, 1), has_aux=True)(queries, parts(dtype))
  )


def masks():
  mask = np.random.default_rng(4).random((B, M)) < 0.5
  mask[0] = False
  return jnp.asarray(mask)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("masked", [False, True])
def test_outputs_and_gradients(dtype, masked, request):
  mask = masks() if masked else None
  expected = outcome(jnp.float32, mask)
  request.getfixturevalue("interpreted")
  found = outcome(dtype, mask)
  tolerance = 1e-5 if dtype == jnp.float32 else 2e-2
  assert [x.dtype for x in found[:3]] == [dtype] * 3
  for x, y in zip(found, expected, strict=True):
    x, y = np.float64(x), np.float64(y)
    limit = tolerance * max(np.abs(y).max(), 1)
    np.testing.assert_allclose(x, y, atol=limit, rtol=0)


def test_scores_of_minus_infinity_give_zeros():
  inputs = jnp.tile(jnp.array([1.0, -1.0]), (1, M, 20))
  queries = jnp.tile(jnp.array([-3e38, 3e38]), (1, T, 20))
  out, normaliser = flash_inputs.attend(queries, inputs, None, interpret=True)
  assert not out.any()
  assert np.isposinf(normaliser).all()


def test_not_a_number_stays_visible():
  queries, inputs = array(0, 1, T, C), array(1, 1, M, C)
  out, _ = flash_inputs.attend(
    queries.at[0, 2].set(jnp.nan), inputs, None, interpret=True
  )
  assert np.isnan(out[0, 2]).all()
  assert np.isfinite(out[0, 3:]).all()


def attention(num_latents=256, dtype=jnp.float32):
  """Returns a cross-attention with folded inputs, and shapes for it."""
  config = projections.AttentionConfig(
    num_heads=1, qk_channels=261, v_channels=261, output_channels=512
  )
  shape = lambda *x: jax.ShapeDtypeStruct(x, jnp.float32)
  linear = lambda a, b: layers.LinearWeights(shape(a, b), shape(b))
  weights = projections.AttentionWeights(
    *(linear(a, b) for a, b in ((512, 261), (261, 261), (261, 261), (261, 512)))
  )
  norm = layers.NormWeights(shape(261), shape(261))
  queries = jax.ShapeDtypeStruct((B, num_latents, 512), dtype)
  inputs = jax.ShapeDtypeStruct((B, 50176, 261), dtype)
  attend = functools.partial(cross_attention.attend, config)
  return attend, (weights, norm, queries, (inputs,))


def lowered(platform, dtype=jnp.float32, *, inputs=False):
  attend, shapes = attention(dtype=dtype)
  loss = lambda *x: jnp.sum(jnp.sin(attend(*x).astype(jnp.float32)))
  arguments = (0, 2, 3) if inputs else (0, 2)
  gradient = jax.jit(jax.grad(loss, arguments))
  return gradient.trace(*shapes).lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_a_tpu_gets_the_kernels(dtype):
  text = lowered("tpu", dtype, inputs=True)
  for name in ("inputs_attend", "inputs_d_queries", "inputs_d_inputs"):
    assert name in text
  for platform in ("cpu", "cuda"):
    assert "tpu_custom_call" not in lowered(platform, dtype)


def test_the_declared_cost_is_that_of_whole_lanes():
  product = 2 * B * 256 * 50176 * 384
  declared = kernel_costs.declared(lowered("tpu", inputs=True))
  flops = [cost["flops"] for cost in declared]
  assert sorted(flops) == [2 * product, 3 * product, 4 * product]
