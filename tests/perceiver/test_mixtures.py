"""Mixtures of distributions in place of a regression's vector."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.optical_flow import task as flow_task
import perceiver
from perceiver import mixtures
from tests.helpers import noise
from tests.helpers import tiny_models


def config_of(kind, count=3):
  return mixtures.MixtureConfig(num_components=count, kind=kind)


def random_mixture(config, axes=1, seed=0):
  generator = np.random.default_rng(seed)
  outputs = generator.normal(size=(2, config.channels(axes)))
  return mixtures.split(config, jnp.asarray(outputs, jnp.float32))


def test_one_component_is_its_distribution():
  values = jnp.array([[0.5, -2.0], [3.0, 1.0]])
  means = jnp.array([[[0.0, -1.0]], [[1.0, 1.0]]])
  logs = jnp.array([[[0.2, -0.3]], [[0.0, 0.4]]])
  mixture = mixtures.Mixture(jnp.zeros((2, 1)), means, logs)
  off, scale = np.abs(values - means[:, 0]), np.exp(logs[:, 0])
  laplace = (off / scale + np.log(2 * scale)).sum(-1)
  normal = (off**2 / (2 * scale**2) + np.log(scale * np.sqrt(2 * np.pi))).sum(
    -1
  )
  for kind, wanted in (("laplace", laplace), ("gaussian", normal)):
    found = mixtures.negative_log_likelihood(
      config_of(mixtures.Kind(kind), 1), mixture, values
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


@pytest.mark.parametrize("kind", mixtures.Kind)
def test_densities_sum_to_one_and_have_the_expected_value(kind):
  config = config_of(kind)
  mixture = random_mixture(config)
  x = jnp.linspace(-60, 60, 24_001)
  repeat = lambda part: jnp.repeat(part[:, None], len(x), axis=1)
  values = jnp.broadcast_to(x[None, :, None], (2, len(x), 1))
  density = jnp.exp(
    -mixtures.negative_log_likelihood(
      config, mixtures.Mixture(*map(repeat, mixture)), values
    )
  )  # [2, X]
  step = 120 / 24_000
  np.testing.assert_allclose(density.sum(1) * step, 1, rtol=1e-3)
  np.testing.assert_allclose(
    (density * x).sum(1) * step, mixtures.expected(mixture)[:, 0], atol=2e-3
  )


@pytest.mark.parametrize("kind", mixtures.Kind)
def test_the_order_of_components_and_the_unit_mean_nothing(kind):
  config = config_of(kind)
  mixture = random_mixture(config, axes=2)
  values = jnp.array([[0.3, 0.7], [-1.0, 2.0]])
  nats = lambda m: mixtures.negative_log_likelihood(config, m, values)
  shuffled = mixtures.Mixture(*(part[:, ::-1] for part in mixture))
  np.testing.assert_allclose(nats(shuffled), nats(mixture), rtol=1e-5)
  gradient = jax.grad(lambda m: nats(m).sum())(mixture)
  assert all(np.isfinite(part).all() for part in gradient)
  outputs = np.random.default_rng(0).normal(size=(2, config.channels(2)))
  scaled = mixtures.split(config, jnp.asarray(outputs), 0.2)
  np.testing.assert_allclose(scaled.means, 0.2 * mixture.means, rtol=1e-5)
  np.testing.assert_array_equal(scaled.log_scales, mixture.log_scales)


def test_far_off_values_and_scales_stay_finite():
  config = config_of(mixtures.Kind.GAUSSIAN)
  outputs = jnp.full((1, config.channels(2)), 1e4)
  mixture = mixtures.split(config, outputs * jnp.array([[1, -1] * 7 + [1]]))
  loss = lambda m: mixtures.negative_log_likelihood(config, m, -outputs[:, :2])
  assert np.isfinite(loss(mixture)).all()


def flow_config(count):
  config = tiny_models.flow_model()
  mixture = config_of(mixtures.Kind.LAPLACE, count)
  decoder = dataclasses.replace(
    config.perceiver.decoder, output_channels=mixture.channels(2)
  )
  network = dataclasses.replace(config.perceiver, decoder=decoder)
  return dataclasses.replace(config, perceiver=network, mixture=mixture)


def test_a_model_gives_the_expected_flow():
  config = flow_config(3)
  model = perceiver.create(config)
  variables = noise.variables(model)
  generator = np.random.default_rng(0)
  frames = generator.integers(0, 256, (2, 2, *tiny_models.TILE, 3))
  batch = {
    "frames": jnp.asarray(frames, jnp.uint8),
    "flow": jnp.asarray(generator.normal(size=(2, *tiny_models.TILE, 2))),
    "valid": jnp.asarray(generator.integers(0, 2, (2, *tiny_models.TILE)) > 0),
  }
  inputs = flow_task.to_model(batch["frames"])
  flow = model.apply(variables, inputs)
  assert flow.shape == (2, *tiny_models.TILE, 2)
  found, _ = model.apply_and_update(variables, inputs, method="distribution")
  assert found.log_weights.shape == (2, *tiny_models.TILE, 3)
  np.testing.assert_allclose(mixtures.expected(found), flow, atol=1e-5)
  task = object.__new__(flow_task.OpticalFlow)
  object.__setattr__(task, "model", model)
  object.__setattr__(task, "loss", flow_task.LossConfig())
  losses = task.losses(variables, batch, rng=None, is_training=False)
  nats = mixtures.negative_log_likelihood(config.mixture, found, batch["flow"])
  wanted = jnp.where(batch["valid"], nats, 0).sum((1, 2))
  wanted /= batch["valid"].sum((1, 2))
  np.testing.assert_allclose(losses.loss, wanted, rtol=1e-4)
  error = jnp.linalg.norm(flow - batch["flow"], axis=-1)
  epe = (error * batch["valid"]).sum((1, 2)) / batch["valid"].sum((1, 2))
  np.testing.assert_allclose(losses.metrics["epe"], epe, rtol=1e-4)


def test_channels_must_fit_the_mixture():
  with pytest.raises(ValueError, match="output_channels is 2; expected 15"):
    dataclasses.replace(
      tiny_models.flow_model(), mixture=config_of(mixtures.Kind.LAPLACE)
    )
  with pytest.raises(ValueError, match="num_components is -1"):
    mixtures.MixtureConfig(num_components=-1)


def test_components_that_begin_alike_become_different():
  config = config_of(mixtures.Kind.LAPLACE)
  values = jnp.array([[-1.0, 2.0], [0.2, 0.1]])

  def loss(outputs):
    mixture = mixtures.split(config, outputs)
    return mixtures.negative_log_likelihood(config, mixture, values).sum()

  gradient = jax.grad(loss)(jnp.zeros((2, config.channels(2))))
  means = np.asarray(gradient[:, 3:]).reshape(2, 3, 4)[..., :2]
  assert len(np.unique(means[0, :, 0])) == 3
