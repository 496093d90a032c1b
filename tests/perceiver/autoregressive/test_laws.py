"""Laws of Perceiver AR: causality, padding, invalid settings."""

import dataclasses

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver import autoregressive
from perceiver.autoregressive import network
from tests.helpers import perceiver_ar_goldens as goldens


@pytest.mark.parametrize("name", ["padded_rotary", "padded_absolute"])
def test_gradients_of_later_inputs_are_zero(name, monkeypatch):
  """And those of every visible input are not, at lengths of all kinds."""
  arrays = goldens.arrays(name)
  model, variables = goldens.model_and_variables(name)
  inputs = jnp.asarray(arrays["inputs"])
  shape = (*inputs.shape, model.config.embedding_channels)
  count = model.config.num_latents
  added = {}
  embed = network.parts.Weights.embed

  def with_noise(self, *args):
    return embed(self, *args) + added["noise"]

  monkeypatch.setattr(network.parts.Weights, "embed", with_noise)

  def run(noise):
    added["noise"] = noise
    return model.config.network()(inputs)

  pure = hk.without_apply_rng(hk.transform(run))
  params = jax.tree.map(jnp.asarray, variables.params)

  def one(weights):
    total = lambda noise: jnp.sum(
      pure.apply(params, noise) * weights[..., None]
    )
    return jax.grad(total)(jnp.zeros(shape))

  steps = arrays["latent_last_steps"]
  # One latent of every row at a time.
  masks = jnp.eye(count)[:, None].repeat(len(inputs), 1)  # [N, B, N]
  gradients = jax.jit(lambda m: jax.lax.map(one, m))(masks)
  size = np.abs(gradients).max(axis=-1)  # [N, B, M]
  positions = np.arange(inputs.shape[1])
  for latent in range(count):
    for row, step in enumerate(steps[:, latent]):
      if step >= 0:
        assert (size[latent, row, positions > step] == 0).all()
        assert (size[latent, row, positions <= step] > 0).all()


def test_invalid_settings_are_refused():
  config = goldens.config("rotary")
  for changes, message in (
    ({"positions": dataclasses.replace(config.positions, fraction=0.1)}, "two"),
    ({"num_layers": 0}, "num_layers"),
    (
      {
        "self_attention": dataclasses.replace(
          config.self_attention, nested_sizes=(2,)
        )
      },
      "nested_sizes are",
    ),
    ({"input_dropout_rate": 1.0}, "input_dropout_rate"),
    (
      {
        "cross_attention": dataclasses.replace(
          config.cross_attention, attention_dropout_rate=0.1
        )
      },
      "input_dropout_rate",
    ),
    (
      {"positions": autoregressive.Sinusoidal(size=5), "offset_queries": True},
      "rotary",
    ),
  ):
    with pytest.raises(ValueError, match=message):
      dataclasses.replace(config, **changes)
  with pytest.raises(ValueError, match="one table for each"):
    autoregressive.Learned(sizes=(3, 3))
  model, variables = goldens.model_and_variables("rotary")
  with pytest.raises(ValueError, match="positions have shape"):
    model.apply(
      variables, jnp.ones((2, 20), jnp.int32), positions=jnp.ones((2, 20, 3))
    )


def test_training_drops_what_evaluation_keeps():
  model, variables = goldens.model_and_variables("dropped_inputs")
  inputs = goldens.arrays("dropped_inputs")["inputs"]
  runs = [
    model.apply(variables, inputs, rng=jax.random.key(seed), is_training=True)
    for seed in (0, 0, 1)
  ]
  np.testing.assert_array_equal(runs[0], runs[1])
  assert np.abs(runs[0] - runs[2]).max() > 1e-2
