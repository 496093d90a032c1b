"""Inputs in chunks, in any division, give the latents of all at once."""

import functools

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import perceiver
from perceiver import network
from perceiver import position_encoding
from perceiver import streaming
from perceiver.adapters import series
from perceiver.attention import block_sizes
from perceiver.models import classifier
from tests.helpers import tiny_networks

LENGTH = 40


def config(**changes):
  inputs = series.SeriesInputConfig(
    channels=2,
    duration=10.0,
    positions=position_encoding.Fourier(num_bands=2, max_resolution=(8,)),
  )
  sizes = tiny_networks.perceiver_config(
    input_channels=inputs.input_channels, **changes
  )
  return classifier.ClassifierConfig(inputs=inputs, perceiver=sizes)


@functools.cache
def tiny(num_heads):
  """Returns a model, whose inputs are folded into few heads, and variables."""
  model = perceiver.create(config(num_heads=num_heads, qk_channels=8))
  return model, model.init(jax.random.key(0))


@functools.cache
def examples():
  generator = np.random.default_rng(0)
  values = 30 * generator.normal(size=(2, LENGTH, 2))
  times = generator.uniform(0, 10, (2, LENGTH))
  return {"values": np.float32(values), "times": np.float32(times)}


def chunk(start, stop):
  return jax.tree.map(lambda x: x[:, start:stop], examples())


def read(model, variables, ends, mask=None):
  state = model.start(variables, 2)
  for start, stop in zip([0, *ends], [*ends, LENGTH]):
    options = {} if mask is None else {"mask": mask[:, start:stop]}
    state = model.read(variables, state, chunk(start, stop), **options)
  return state


@pytest.mark.parametrize(
  ("num_heads", "ends"),
  [(1, []), (1, [1, 4, 5, 30]), (1, range(10, LENGTH, 10)), (8, [7, 26])],
)
def test_chunks_equal_the_whole(num_heads, ends, monkeypatch):
  sizes = block_sizes.BlockSizes(4, 16)
  monkeypatch.setattr(block_sizes, "choose", lambda *_: sizes)
  model, variables = tiny(num_heads)
  found = model.latents(variables, read(model, variables, ends))
  expected = model.encode(variables, examples())
  np.testing.assert_allclose(found, expected, atol=1e-5)
  assert jnp.abs(expected[0] - expected[1]).max() > 1e-3


def test_masked_inputs_are_not_read_and_gradients_pass_through_chunks():
  model, variables = tiny(1)
  mask = np.arange(LENGTH)[None].repeat(2, 0) % 3 != 1

  def chunked(params):
    whole = perceiver.Variables(params, {})
    return model.latents(whole, read(model, whole, [8, 24], mask))

  at_once = lambda params: model.encode(
    perceiver.Variables(params, {}), examples(), mask=mask
  )
  total = lambda f: jax.value_and_grad(lambda x: jnp.sum(jnp.sin(f(x))))
  found, expected = (total(f)(variables.params) for f in (chunked, at_once))
  for x, y in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
    np.testing.assert_allclose(x, y, atol=1e-4 * max(1, np.abs(y).max()))


def test_chunks_and_their_gradients_in_float64(monkeypatch):
  sizes = block_sizes.BlockSizes(4, 16)
  monkeypatch.setattr(block_sizes, "choose", lambda *_: sizes)
  tiny_config = tiny_networks.perceiver_config(input_channels=6)

  def chunked(inputs):
    module = network.Perceiver(tiny_config, name="perceiver")
    sums = None
    for start, stop in ((0, 3), (3, 11), (11, 16)):
      sums = streaming.read(module, sums, (inputs[:, start:stop],))
    return streaming.latents(module, sums, inputs.dtype)

  def whole(inputs):
    return network.Perceiver(tiny_config, name="perceiver").encode((inputs,))

  with jax.enable_x64(True):
    inputs = jnp.asarray(np.random.default_rng(1).normal(size=(2, 16, 6)))
    first, second = (
      hk.without_apply_rng(hk.transform(f)) for f in (chunked, whole)
    )
    params = second.init(jax.random.key(0), inputs)
    params = jax.tree.map(lambda x: np.float64(3 * x), params)

    def total(module, *operands):
      return jnp.sum(jnp.sin(module.apply(*operands)))

    found, expected = (
      jax.jit(jax.value_and_grad(functools.partial(total, x), (0, 1)))(
        params, inputs
      )
      for x in (first, second)
    )
    for x, y in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
      assert x.dtype == "float64"
      np.testing.assert_allclose(x, y, atol=1e-11 * max(1, np.abs(y).max()))


def test_the_state_does_not_grow_and_latents_are_ready_at_any_time():
  model, variables = tiny(1)
  state = model.start(variables, 2)
  shapes = jax.tree.map(jnp.shape, state)
  nothing = model.latents(variables, state)
  state = model.read(variables, state, chunk(0, 8))
  assert jax.tree.map(jnp.shape, state) == shapes
  half = model.latents(variables, state)
  np.testing.assert_allclose(
    half, model.encode(variables, chunk(0, 8)), atol=1e-5
  )
  assert np.isfinite(nothing).all()
  np.testing.assert_allclose(nothing[0], nothing[1])


@pytest.mark.parametrize(
  "changes",
  [{"num_cross_attends": 2, "num_blocks": 2}, {"share_weights": False}],
)
def test_a_model_that_needs_its_inputs_again_is_refused(changes):
  model = perceiver.create(config(**changes))
  with pytest.raises(ValueError, match="expected one cross-attend and share"):
    model.start(jax.eval_shape(model.init, jax.random.key(0)))


def test_the_reference_implementation_is_refused():
  model = perceiver.Model(config(), reference=True)
  with pytest.raises(ValueError, match="attends to all inputs at once"):
    model.start(model.shapes())
