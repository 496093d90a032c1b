"""Forward mode and second derivatives, through functions with backward passes.

Ordinary operations are the reference.
"""

import functools

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver import layers
from perceiver import network
from perceiver.attention import block_sizes
from perceiver.attention import blockwise
from perceiver.attention import causality
from perceiver.attention import derivatives
from perceiver.attention import flash
from perceiver.attention import flash_kernels
from perceiver.attention import reference
from perceiver.attention import rotary_attention
from perceiver.attention import wide_heads
from tests.helpers import tiny_networks


def cubes(pulls: list[int]) -> derivatives.Function:
  """Returns x³·y for floats x and integers y; `pulls` counts its gradients."""

  def backward(operands, results, cotangents):
    pulls.append(1)
    (x, y), (given, other) = operands, cotangents
    assert other is None
    return 3 * x**2 * y * given, None

  plain = lambda x, y: (x**3 * y, x + 1)
  return derivatives.Function(plain, backward, plain)


def test_every_kind_of_derivative_and_their_gradients_alone_are_the_given():
  pulls: list[int] = []
  y = jnp.array([1, 2])
  function = lambda x: jnp.sum(cubes(pulls)(x, y)[0])
  x = jnp.array([1.0, 3.0])
  assert jax.jvp(function, (x,), (jnp.ones(2),))[1] == 3 + 54
  np.testing.assert_allclose(jax.jacfwd(function)(x), [3, 54])
  assert not pulls
  np.testing.assert_allclose(jax.grad(function)(x), [3, 54])
  assert len(pulls) == 1
  for outer, inner in ((jax.jacfwd, jax.grad), (jax.jacrev, jax.jacfwd)):
    np.testing.assert_allclose(outer(inner(function))(x), np.diag([6, 36]))
  each = jax.vmap(jax.grad(function))(jnp.stack([x, 2 * x]))
  np.testing.assert_allclose(each, [[3, 54], [12, 216]])


def test_the_gradient_of_what_is_not_mapped_is_summed():
  function = cubes([])
  mapped = jax.vmap(lambda x, y: function(x, y)[0], (None, 0))
  found = jax.grad(lambda x: jnp.sum(mapped(x, jnp.array([1, 2]))))(
    jnp.array(2.0)
  )
  assert found == 36


# ------------------------------------------------------- blocks and the network


def directions(operands):
  return jax.tree.map(lambda x: jnp.cos(3 * jnp.cumsum(x, -1)), operands)


def test_forward_and_second_derivatives_of_a_network(monkeypatch):
  """In every operand, along one direction, of encoder and decoder."""
  sizes = lambda length, *_: block_sizes.BlockSizes(min(length, 3), 16)
  monkeypatch.setattr(block_sizes, "choose", sizes)
  config = tiny_networks.perceiver_config(num_self_attends_per_block=1)

  def run(inputs, queries):
    return network.Perceiver(config, name="perceiver")((inputs,), (queries,))

  transformed = hk.without_apply_rng(hk.transform(run))
  total = lambda operands: jnp.sum(jnp.sin(3 * transformed.apply(*operands)))

  def derivatives_of(is_reference, operands, tangents):
    with reference.implementation(is_reference):
      gradient = jax.value_and_grad(total)
      return jax.jvp(gradient, (operands,), (tangents,))[1]

  with jax.enable_x64(True):
    generator = np.random.default_rng(0)
    arrays = tuple(
      jnp.asarray(generator.normal(size=shape))
      for shape in ((2, 11, 6), (2, 7, 4))
    )
    params = transformed.init(jax.random.key(0), *arrays)
    params = jax.tree.map(lambda x: x.astype(float) + 0.1, params)
    operands = (params, *arrays)
    (slope, found), (wanted_slope, wanted) = (
      jax.jit(functools.partial(derivatives_of, x))(
        operands, directions(operands)
      )
      for x in (False, True)
    )
    assert abs(wanted_slope) > 0.1
    np.testing.assert_allclose(slope, wanted_slope, rtol=1e-11)
    scale = max(np.abs(x).max() for x in jax.tree.leaves(wanted))
    for x, y in zip(*map(jax.tree.leaves, (found, wanted)), strict=True):
      np.testing.assert_allclose(x, y, atol=1e-11 * scale)


@pytest.mark.parametrize("causal", [False, True])
def test_forward_mode_of_blocks(causal):
  generator = np.random.default_rng(2)
  queries, inputs, *weights = (
    jnp.asarray(generator.normal(size=shape), jnp.float32)
    for shape in ((2, 2, 4, 5), (2, 21, 6), (2, 6, 5), (2, 6, 3))
  )
  offset = jnp.array([17, 3]) if causal else None
  mask = jnp.arange(21)[None].repeat(2, 0) != 7
  options = blockwise.Options(
    lambda w, x: tuple(jnp.einsum("bsc,gck->bgsk", x, y) for y in w), 8
  )

  def blocks(queries, inputs, weights):
    return blockwise.attend(
      options, queries, (inputs,), weights, mask, None, offset
    )[0]

  def at_once(queries, inputs, weights):
    keys, values = options.project(weights, inputs)
    visible = mask[:, None, None]
    if causal:
      visible &= jnp.arange(21) <= causality.ends(offset, 4)
    return rotary_attention.attend_at_once(queries, keys, values, visible)

  operands = (queries, inputs, tuple(weights))
  found, expected = (
    jax.jvp(f, operands, directions(operands))[1] for f in (blocks, at_once)
  )
  scale = np.abs(expected).max()
  np.testing.assert_allclose(found, expected, atol=1e-4 * scale)
  assert scale > 0.1


# --------------------------------------------------------------------- kernels


def normal(*shape):
  return jnp.asarray(np.random.default_rng(1).normal(size=shape), jnp.float32)


def norm(x):
  weights = layers.NormWeights(jnp.arange(128.0), jnp.ones(128))
  return weights.beside(x)[1]


def inputs(x):
  normalised = lambda _, x: (layers.normalise(x)[:, None],) * 2
  options = blockwise.Options(normalised, 8, 0, 16, True)
  mask = jnp.arange(48)[None].repeat(2, 0) != 5
  queries = normal(2, 1, 4, 128)
  return blockwise.attend(options, queries, (x,), None, mask, None)[0]


def keys(x):
  heads = flash_kernels.choose_heads(2, 128, 128)
  biases = [jnp.ones(128)] * 3
  return flash.attend(heads, flash.Operands(x, x[:, :9], x[:, 1:10], *biases))


def wide_keys(x):
  return wide_heads.attend_differentiably(x, x[:, :9], x[:, 1:10], None)


@pytest.mark.parametrize("function", [norm, inputs, keys, wide_keys])
def test_programs_with_kernels_have_derivatives_of_every_kind(function):
  """They are traced, for all platforms, and those of kernels have none."""
  x = normal(2, 48, 128)
  total = lambda x: jnp.sum(jnp.sin(function(x)))
  along = lambda f: lambda x: jax.jvp(f, (x,), (x,))[1]
  assert jax.eval_shape(along(total), x).shape == ()
  assert jax.eval_shape(along(jax.grad(total)), x).shape == x.shape
  for twice in (jax.grad(along(total)), jax.grad(along(along(total)))):
    assert jax.eval_shape(twice, x).shape == x.shape
