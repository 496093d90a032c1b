"""Attention by times, against plain sums, and the laws of continuous time."""

import dataclasses
import functools

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver import blocks
from perceiver import continuous_time
from perceiver import layers
from perceiver import position_encoding
from perceiver.attention import block_sizes
from perceiver.attention import projections
from perceiver.attention import reference
from perceiver.attention import rotary_attention

ROTARY = position_encoding.RotaryTime(min_period=0.5, max_period=40.0)
CROSS = blocks.CrossAttentionConfig(num_heads=2, qk_channels=8)
CONFIG = continuous_time.ContinuousTimeConfig(
  input_channels=6,
  num_times=3,
  latents_per_time=2,
  channels=8,
  num_self_attends=1,
  output_channels=5,
  rotary=ROTARY,
  cross_attention=CROSS,
  self_attention=blocks.SelfAttentionConfig(num_heads=2),
  decoder_attention=blocks.CrossAttentionConfig(num_heads=2),
)
LENGTH = 11


def test_periods():
  turned = 2 * np.pi / ROTARY.frequencies(5)
  np.testing.assert_allclose(turned[[0, -1]], [0.5, 40.0])
  np.testing.assert_allclose(turned[1:] / turned[:-1], 80 ** (1 / 4))


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"min_period": 0.0}, "min_period is 0.0; expected"),
    ({"max_period": 0.1}, r"max_period is 0.1; expected at least 0.5"),
    ({"fraction": 0.0}, "fraction is 0.0; expected"),
  ],
)
def test_impossible_periods(changes, message):
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(ROTARY, **changes)


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"rotary": dataclasses.replace(ROTARY, fraction=0.4)}, "two channels"),
    ({"num_times": 0}, "num_times is 0"),
    (
      {
        "self_attention": blocks.SelfAttentionConfig(attention_dropout_rate=0.1)
      },
      "attention_dropout_rate is 0.1; expected 0",
    ),
    (
      {"self_attention": blocks.SelfAttentionConfig(nested_sizes=(3, 6))},
      r"nested_sizes are \(3, 6\); expected \(\)",
    ),
  ],
)
def test_impossible_configurations(changes, message):
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(CONFIG, **changes)


def turn(x, angles):
  """Returns pairs of channels, turned as complex numbers."""
  turned = (x[::2] + 1j * x[1::2]) * np.exp(1j * angles)
  return np.stack([turned.real, turned.imag], axis=-1).reshape(-1)


def test_attention_is_the_sum_over_pairs_of_times():
  """One head, query by query and key by key, in float64."""
  sizes = projections.AttentionConfig(
    num_heads=1, qk_channels=4, v_channels=6, output_channels=3
  )
  attention = rotary_attention.RotaryAttention(sizes, ROTARY, True)
  generator = np.random.default_rng(0)
  normal = lambda *shape: generator.normal(size=shape)
  weights = projections.AttentionWeights(
    *(
      layers.LinearWeights(normal(fan_in, fan_out), normal(fan_out))
      for fan_in, fan_out in ((5, 4), (7, 4), (7, 6), (6, 3))
    )
  )
  norm = layers.NormWeights(normal(7), normal(7))
  queries, inputs = normal(2, 5), normal(4, 7)
  query_times, times = generator.uniform(0, 30, 2), generator.uniform(0, 30, 4)
  with jax.enable_x64(True):
    arrays = (x[None] for x in (queries, query_times, inputs, times))
    operands = jax.tree.map(jnp.asarray, (weights, norm, *arrays))
    found = jax.jit(attention)(*operands)
    normed = np.asarray(
      layers.NormWeights(*map(jnp.asarray, norm))(jnp.asarray(inputs))
    )
  project = lambda x, linear: x @ linear.w + linear.b
  for query, at, result in zip(queries, query_times, found[0]):
    scores, values = [], []
    for each, time in zip(normed, times):
      key = turn(
        project(each, weights.key), (time - at) * ROTARY.frequencies(2)
      )
      scores.append(project(query, weights.query) @ key / 2)
      value = project(each, weights.value)
      values.append(turn(value, (time - at) * ROTARY.frequencies(3)))
    shares = np.exp(scores) / np.exp(scores).sum()
    expected = project(shares @ np.stack(values), weights.output)
    np.testing.assert_allclose(result, expected, atol=1e-11)


def run(inputs, times, queries, mask=None):
  module = continuous_time.ContinuousTime(CONFIG, name="perceiver")
  latent_times = CONFIG.latent_times(times, mask)
  latents = module.encode(inputs, times, latent_times, mask=mask)
  return module.decode(latents, latent_times, queries)


MODULE = hk.without_apply_rng(hk.transform(run))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
  sizes = lambda length, *_: block_sizes.BlockSizes(min(length, 3), 16)
  monkeypatch.setattr(block_sizes, "choose", sizes)


@pytest.fixture(scope="module")
def example():
  generator = np.random.default_rng(1)
  times = lambda size: generator.uniform(0, 30, (2, size))
  return generator.normal(size=(2, LENGTH, 6)), times(LENGTH), times(7)


@pytest.fixture(scope="module")
def params(example):
  with jax.enable_x64(True):
    init = jax.jit(MODULE.init)
    found = init(jax.random.key(0), *map(jnp.asarray, example))
    return jax.tree.map(lambda x: np.asarray(2 * x, np.float64) + 0.1, found)


@pytest.fixture
def apply(params):
  """Returns outputs in float64."""

  def apply(*arrays):
    with jax.enable_x64(True):
      operands = jax.tree.map(jnp.asarray, (params, *arrays))
      return np.asarray(jax.jit(MODULE.apply)(*operands))

  return apply


def test_only_differences_of_times_count(example, apply):
  inputs, times, queries = example
  found = apply(*example)
  later = apply(inputs, times + 500, queries + 500)
  np.testing.assert_allclose(later, found, atol=1e-10)
  assert np.abs(apply(inputs, 1.5 * times, queries) - found).max() > 1e-2


def test_the_order_of_inputs_changes_nothing(example, apply):
  inputs, times, queries = example
  turned = apply(inputs[:, ::-1], times[:, ::-1], queries)
  np.testing.assert_allclose(turned, apply(*example), atol=1e-11)


def test_every_query_is_decoded_on_its_own(example, apply):
  inputs, times, queries = example
  part = apply(inputs, times, queries[:, 2:4])
  np.testing.assert_allclose(part, apply(*example)[:, 2:4], atol=1e-11)


def test_missing_inputs_may_be_anything(example, apply):
  inputs, times, queries = example
  mask = np.arange(LENGTH) < np.array([[8], [LENGTH]])
  spoilt = np.where(mask[..., None], inputs, np.nan)
  spoilt_times = np.where(mask, times, np.nan)
  found = apply(spoilt, spoilt_times, queries, mask)
  with reference.implementation(True):
    expected = apply(spoilt, spoilt_times, queries, mask)
  np.testing.assert_allclose(found, expected, atol=1e-11)
  alone = apply(inputs[:1, :8], times[:1, :8], queries[:1])
  np.testing.assert_allclose(found[:1], alone, atol=1e-11)
  assert np.isfinite(apply(spoilt, times, queries, mask & False)).all()


def test_the_reference_and_its_gradients(example, params):
  """Blocks of inputs and of queries change neither result nor gradient."""

  def total(is_reference, *operands):
    with reference.implementation(is_reference):
      return jnp.sum(jnp.sin(MODULE.apply(*operands)))

  with jax.enable_x64(True):
    operands = jax.tree.map(jnp.asarray, (params, *example))
    found, wanted = (
      jax.jit(jax.value_and_grad(functools.partial(total, x), (0, 1, 2, 3)))(
        *operands
      )
      for x in (False, True)
    )
    for x, y in zip(*map(jax.tree.leaves, (found, wanted)), strict=True):
      scale = max(np.abs(y).max(), 1)
      np.testing.assert_allclose(x, y, atol=1e-11 * scale)


def test_times_of_latents():
  times = jnp.array([[5.0, 2.0, 9.0, jnp.nan], [1.0, 1.0, 1.0, 1.0]])
  mask = jnp.array([[True, True, True, False], [False] * 4])
  found = CONFIG.latent_times(times, mask)
  expected = 2 + 7 * np.array([1, 1, 3, 3, 5, 5]) / 6
  np.testing.assert_allclose(found, [expected, np.zeros(6)], rtol=1e-6)
