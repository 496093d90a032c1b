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
from perceiver.attention import derivatives
from perceiver.attention import flash
from perceiver.attention import flash_kernels
from perceiver.attention import reference
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


# ----------------------------------------------------------------- the network


@functools.cache
def model(dtype):
  """Returns encode-and-decode of parameters and inputs, in one dtype."""
  config = tiny_networks.perceiver_config(num_cross_attends=2, num_blocks=2)

  def run(inputs, queries):
    return network.Perceiver(config, name="perceiver")((inputs,), (queries,))

  transformed = hk.without_apply_rng(hk.transform(run))
  arrays = (
    np.random.default_rng(0).normal(size=shape)
    for shape in ((2, 40, 6), (2, 7, 4))
  )
  operands = tuple(jnp.asarray(x, dtype) for x in arrays)
  params = jax.jit(transformed.init)(jax.random.key(0), *operands)
  params = jax.tree.map(lambda x: (3 * x).astype(dtype), params)
  return transformed.apply, (params, *operands)


@pytest.fixture
def small_blocks(monkeypatch):
  """Makes 40 inputs several blocks, and 7 queries too."""
  sizes = lambda length, _: block_sizes.BlockSizes(min(length, 3), 16)
  monkeypatch.setattr(block_sizes, "choose", sizes)


def directions(operands):
  return jax.tree.map(lambda x: jnp.cos(3 * jnp.cumsum(x, -1)), operands)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_forward_mode_of_a_network(dtype, small_blocks):
  tolerance = 1e-4 if dtype == "float32" else 1e-11
  with jax.enable_x64(dtype == "float64"):
    apply, operands = model(dtype)

    def derivative(is_reference, operands, tangents):
      with reference.implementation(is_reference):
        return jax.jvp(lambda x: apply(*x), (operands,), (tangents,))

    found, expected = (
      jax.jit(functools.partial(derivative, x))(operands, directions(operands))
      for x in (False, True)
    )
    scale = jnp.abs(expected[1]).max()
    assert found[0].dtype == dtype
    assert scale > 1e-2
    for x, y in zip(found, expected):
      np.testing.assert_allclose(x, y, atol=tolerance * max(1, scale))


def test_second_derivatives_of_a_network(small_blocks):
  """Along one direction, forward over reverse, in every operand."""
  with jax.enable_x64(True):
    apply, operands = model("float64")

    def second(is_reference, operands, tangents):
      with reference.implementation(is_reference):
        gradient = jax.grad(lambda x: jnp.sum(jnp.sin(apply(*x))))
        return jax.jvp(gradient, (operands,), (tangents,))[1]

    found, expected = (
      jax.jit(functools.partial(second, x))(operands, directions(operands))
      for x in (False, True)
    )
    for x, y in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
      np.testing.assert_allclose(x, y, atol=1e-11 * max(1, np.abs(y).max()))


# --------------------------------------------------------------------- kernels


def normal(*shape):
  return jnp.asarray(np.random.default_rng(1).normal(size=shape), jnp.float32)


def norm(x):
  weights = layers.NormWeights(jnp.arange(128.0), jnp.ones(128))
  return weights.beside(x)[1]


def inputs(x):
  options = blockwise.Options(lambda _, x: (x[:, None],) * 2, 8, 0, 16, True)
  normalised = lambda _, x: (layers.normalise(x)[:, None],) * 2
  options = options._replace(project=normalised)
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
  for derivative in (along(total), along(jax.grad(total))):
    assert np.prod(jax.eval_shape(derivative, x).shape) in (1, x.size)
  for twice in (jax.grad(along(total)), jax.grad(along(along(total)))):
    assert jax.eval_shape(twice, x).shape == x.shape
