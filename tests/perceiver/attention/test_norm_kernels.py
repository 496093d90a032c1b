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


def outcome(x, scale, offset):
  """Returns a norm and the gradients of a loss of it and its argument."""

  def loss(*weights):
    x, normed = layers.NormWeights(*weights[1:]).beside(weights[0])
    wide = normed.astype(jnp.float32)
    return jnp.sum(jnp.sin(wide) + jnp.cos(x).astype(jnp.float32)), normed

  gradients, normed = jax.grad(loss, (0, 1, 2), has_aux=True)(x, scale, offset)
  return [normed, *gradients]


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
  expected = outcome(*inputs)
  request.getfixturevalue("interpreted")
  found = outcome(*inputs)
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
