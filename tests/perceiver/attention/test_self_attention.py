"""Heads taken one after another give what all of them give at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver import layers
from perceiver.attention import block_sizes
from perceiver.attention import projections
from perceiver.attention import reference
from perceiver.attention import self_attention

B, N, D = 2, 40, 12
CONFIG = projections.AttentionConfig(
  num_heads=4, qk_channels=8, v_channels=20, output_channels=D
)


def make_weights():
  keys = iter(jax.random.split(jax.random.key(0), 8))
  normal = lambda *shape: jax.random.normal(next(keys), shape)
  sizes = ((D, 8), (D, 8), (D, 20), (20, D))
  return projections.AttentionWeights(
    *(layers.LinearWeights(normal(*s) / 3, normal(s[1])) for s in sizes)
  )


def latents():
  return jax.random.normal(jax.random.key(1), (B, N, D))


@pytest.fixture
def by_heads(monkeypatch):
  """Makes small arrays count as large, and blocks small: 40 is 16 + 16 + 8."""
  monkeypatch.setattr(self_attention, "_MIN_SCORES", 0)
  monkeypatch.setattr(self_attention, "_MIN_CPU_SCORES", 0)
  monkeypatch.setattr(block_sizes, "_BLOCK_RANGE", (1, 16))
  monkeypatch.setattr(block_sizes, "choose_block", lambda length, target: 16)


def outcome(weights, x, config=CONFIG):
  def loss(weights, x):
    y = self_attention.attend(config, weights, x)
    return jnp.sum(jnp.sin(y)), y

  gradients, y = jax.grad(loss, argnums=(0, 1), has_aux=True)(weights, x)
  return [y, *jax.tree.leaves(gradients)]


def lowered(platform="cpu"):
  """Returns the program for some hardware, traced anew every time."""
  traced = jax.jit(lambda weights, x: outcome(weights, x)).trace(
    make_weights(), latents()
  )
  return traced.lower(lowering_platforms=(platform,))


def program(platform="cpu"):
  """Returns the text of the program before compilation."""
  return lowered(platform).as_text()


def assert_close(found, expected):
  for x, y in zip(found, expected, strict=True):
    np.testing.assert_allclose(x, y, atol=2e-5, rtol=2e-5)


def test_outputs_and_gradients_agree(by_heads, monkeypatch):
  weights, x = make_weights(), latents()
  assert "while" in program()
  found = outcome(weights, x)
  monkeypatch.setattr(self_attention, "_MIN_SCORES", 2**60)
  assert "while" not in program()
  assert_close(found, outcome(weights, x))


def test_few_scores_are_computed_at_once_on_a_cpu(by_heads, monkeypatch):
  num_scores = B * CONFIG.num_heads * N**2
  monkeypatch.setattr(self_attention, "_MIN_CPU_SCORES", num_scores)
  assert "while" in program()
  monkeypatch.setattr(self_attention, "_MIN_CPU_SCORES", num_scores + 1)
  assert "while" not in program()


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_accelerators_get_one_product(by_heads, platform):
  assert "while" in program()
  assert "while" not in program(platform)


def test_no_array_of_all_scores(by_heads):
  assert f"{N},{N}]" not in lowered().compile().as_text()
  with reference.implementation():
    assert f"{N},{N}]" in lowered().compile().as_text()


def test_dropout_is_drawn_for_every_head(by_heads):
  config = projections.AttentionConfig(
    num_heads=4,
    qk_channels=8,
    v_channels=20,
    output_channels=20,
    dropout_rate=0.5,
  )
  zeros = jax.tree.map(jnp.zeros_like, make_weights())
  weights = zeros._replace(
    # Values are all one, whoever is attended to.
    value=layers.LinearWeights(jnp.zeros((D, 20)), jnp.ones(20)),
    output=layers.LinearWeights(jnp.eye(20), jnp.zeros(20)),
  )
  found = self_attention.attend(config, weights, latents(), jax.random.key(3))
  heads = found.reshape(B, N, 4, 5)
  np.testing.assert_allclose(heads.mean(), 1, atol=0.05)
  # Channels of a head share their weights; heads and rows do not.
  np.testing.assert_allclose(
    heads, jnp.repeat(heads[..., :1], 5, -1), rtol=1e-6
  )
  assert float(jnp.std(heads[..., 0], axis=2).mean()) > 0.05
  without = self_attention.attend(config, weights, latents())
  np.testing.assert_allclose(without, 1, rtol=1e-6)
