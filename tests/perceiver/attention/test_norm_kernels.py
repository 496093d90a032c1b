"""A TPU's layer norms, interpreted, agree with the formula."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver import layers
from perceiver.attention import norm_kernels

SHAPE = 2, 48, 128


def operands(dtype, mean=0.0):
  generator = np.random.default_rng(0)
  x = jnp.asarray(generator.normal(mean, 1.0, SHAPE), dtype)
  scale, offset = (jnp.asarray(generator.normal(size=128)) for _ in range(2))
  return x, scale, offset


def outcome(beside, *operands):
  """Returns a norm and the gradients of a loss of it and its argument."""

  def loss(x, *weights):
    x, normed = beside(x, *weights)
    wide = normed.astype(jnp.promote_types(x.dtype, jnp.float32))
    return jnp.sum(jnp.sin(wide)) + jnp.sum(
      jnp.cos(x.astype(wide.dtype))
    ), normed

  gradients, normed = jax.grad(loss, (0, 1, 2), has_aux=True)(*operands)
  return [normed, *gradients]


def formula(x, scale, offset):
  centred = x - jnp.mean(x, axis=-1, keepdims=True)
  variance = jnp.mean(jnp.square(centred), axis=-1, keepdims=True)
  normed = centred / jnp.sqrt(variance + layers.LAYER_NORM_EPSILON)
  return x, normed * scale + offset


@pytest.fixture
def interpreted(monkeypatch):
  """Makes the kernels run on a CPU."""
  monkeypatch.setattr(norm_kernels, "_BLOCK_SIZE", 16 * 128)
  for name in ("normalise", "differentiate"):
    function = functools.partial(getattr(norm_kernels, name), interpret=True)
    monkeypatch.setattr(norm_kernels, name, function)
  monkeypatch.setattr(
    jax.lax, "platform_dependent", lambda *x, tpu, default: tpu(*x)
  )


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("mean", [0.0, 1000.0])
def test_norms_and_gradients(dtype, mean, request):
  inputs = operands(dtype, mean)
  with jax.enable_x64(True):
    expected = outcome(formula, *(np.float64(x) for x in inputs))
  request.getfixturevalue("interpreted")
  beside = lambda x, *weights: layers.NormWeights(*weights).beside(x)
  found = outcome(beside, *inputs)
  assert [x.dtype for x in found] == [dtype, dtype, jnp.float32, jnp.float32]
  tolerance = 1e-5 if dtype == jnp.float32 else 2e-2
  for x, y in zip(found, expected, strict=True):
    x, y = np.float64(x), np.float64(y)
    np.testing.assert_allclose(x, y, atol=tolerance * np.abs(y).max(), rtol=0)


@pytest.mark.parametrize(
  ("shape", "fits"),
  [(SHAPE, True), ((2, 48, 100), False), ((2, 5, 128), False)],
)
def test_whole_blocks_of_whole_lanes_are_taken(shape, fits):
  assert norm_kernels.supports(jnp.zeros(shape)) == fits
