"""Causal attention by blocks against attention with an explicit mask."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver import layers
from perceiver import position_encoding
from perceiver.attention import blockwise
from perceiver.attention import projections
from perceiver.attention import reference
from perceiver.attention import rotary_attention

B, T, M, C, E = 3, 4, 21, 6, 8
OFFSETS = jnp.array([17, 5, -2], jnp.int32)
MASK = jnp.arange(M) != 7


def project(parameters, block):
  return tuple(jnp.einsum("bsc,hck->bhsk", block, w) for w in parameters)


@pytest.fixture(scope="module")
def arrays():
  keys = iter(jax.random.split(jax.random.key(0), 6))
  normal = lambda *shape: jax.random.normal(next(keys), shape)
  return (
    normal(B, 2, T, 5),
    (normal(B, M, C),),
    (normal(2, C, 5), normal(2, C, 5)),
  )


def visible():
  ends = OFFSETS[:, None] + jnp.arange(T)
  return (jnp.arange(M) <= ends[..., None])[:, None] & MASK  # [B, 1, T, M]


def with_mask(queries, parts, parameters):
  keys, values = project(parameters, parts[0])
  return rotary_attention.attend_at_once(queries, keys, values, visible())


def by_blocks(size, queries, parts, parameters):
  mask = jnp.broadcast_to(MASK, (B, M))
  options = blockwise.Options(project, size)
  return blockwise.attend(
    options, queries, parts, parameters, mask, None, OFFSETS
  )[0]


@pytest.mark.parametrize("size", [1, 7, 8, 21])
def test_equals_attention_with_an_explicit_mask(arrays, size):
  found = by_blocks(size, *arrays)
  np.testing.assert_allclose(found, with_mask(*arrays), atol=1e-5)
  cotangent = jax.random.normal(jax.random.key(1), found.shape)
  objective = lambda f: lambda *args: jnp.sum(f(*args) * cotangent)
  gradients = (
    jax.grad(objective(f), (0, 1, 2))(*arrays)
    for f in (functools.partial(by_blocks, size), with_mask)
  )
  for mine, expected in zip(*map(jax.tree.leaves, gradients)):
    np.testing.assert_allclose(mine, expected, atol=1e-4)


def test_future_blocks_are_skipped(arrays):
  """They hold NaN, which any use would spread."""
  queries, (inputs,), parameters = arrays
  offsets = OFFSETS - 9  # the last input that a query attends to is the 12th
  spoilt = inputs.at[:, 12:].set(jnp.nan)

  def total(queries, inputs):
    options = blockwise.Options(project, 3)
    found, _ = blockwise.attend(
      options, queries, (inputs,), parameters, None, None, offsets
    )
    return jnp.sum(jnp.square(found))

  for array in jax.grad(total, (0, 1))(queries, spoilt):
    assert np.isfinite(array).all()
    assert np.abs(array).max() > 0


@functools.cache
def attention():
  sizes = projections.AttentionConfig(
    num_heads=2, qk_channels=E, v_channels=E, output_channels=E
  )
  rotary = position_encoding.Rotary(max_wavelength=50.0, fraction=1.0)
  return rotary_attention.RotaryAttention(sizes, rotary)


def random_weights():
  keys = iter(jax.random.split(jax.random.key(2), 20))
  linear = lambda width: layers.LinearWeights(
    jax.random.normal(next(keys), (width, E)) / 3,
    jax.random.normal(next(keys), (E,)),
  )
  weights = projections.AttentionWeights(
    linear(E), linear(C), linear(C), linear(E)
  )
  return weights, layers.NormWeights(jnp.ones(C), jnp.zeros(C))


def test_reference_implementation_with_rotation_and_real_positions():
  weights, norm = random_weights()
  queries = jax.random.normal(jax.random.key(3), (B, T, E))
  inputs = jax.random.normal(jax.random.key(4), (B, M, C))
  times = jnp.sort(jax.random.uniform(jax.random.key(5), (B, M)) * 50)

  def run(is_reference, queries, inputs, times):
    with reference.implementation(is_reference):
      return attention()(
        *(weights, norm, queries, times[:, -T:], inputs, times),
        offset=jnp.maximum(OFFSETS, 0),
        input_mask=jnp.broadcast_to(MASK, (B, M)),
      )

  found, expected = (run(x, queries, inputs, times) for x in (False, True))
  np.testing.assert_allclose(found, expected, atol=1e-5)
  gradients = (
    jax.grad(lambda *args, x=x: jnp.sum(jnp.sin(run(x, *args))), (0, 1, 2))(
      queries, inputs, times
    )
    for x in (False, True)
  )
  for mine, theirs in zip(*gradients):
    np.testing.assert_allclose(mine, theirs, atol=1e-4)


def test_no_array_of_all_scores():
  """Neither the pass nor its gradient holds 32 × 30,000 scores."""
  length, count = 30_000, 32
  weights, norm = random_weights()
  shape = jax.ShapeDtypeStruct

  def total(queries, inputs):
    positions = jnp.broadcast_to(jnp.arange(length), (1, length))
    found = attention()(
      *(weights, norm, queries, positions[:, -count:], inputs, positions),
      offset=jnp.array([length - count]),
      input_mask=jnp.ones((1, length), bool),
    )
    return jnp.sum(found)

  program = jax.jit(jax.grad(total, (0, 1))).lower(
    shape((1, count, E), jnp.float32), shape((1, length, C), jnp.float32)
  )
  text = program.compile().as_text()
  sizes = [
    np.prod([int(n) for n in dims.split(",")])
    for dims in re.findall(r"\[([\d,]+)\]", text)
  ]
  assert max(sizes) < count * length
