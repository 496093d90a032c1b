"""Sizes and laws of the point cloud classifiers (2103.03206 §4.3)."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import perceiver
from perceiver import position_encoding
from perceiver.adapters import points as adapters_points
from perceiver.models import modelnet40
from tests.helpers import tiny_networks

# Name: (parameters, GFLOPs of 2,000 points).
TABLE = {
  "perceiver_modelnet40": (44_772_202, 101.68),
  "perceiver_modelnet40_unshared": (82_582_378, 101.68),
}


@pytest.fixture(scope="module")
def model():
  seen = adapters_points.PointInputConfig(
    positions=position_encoding.Fourier(num_bands=2, max_resolution=(8, 8, 8))
  )
  return perceiver.create(
    modelnet40.PointClassifierConfig(
      inputs=seen,
      perceiver=tiny_networks.perceiver_config(
        input_channels=seen.input_channels,
        mean=True,
        num_cross_attends=2,
        num_blocks=2,
      ),
      num_points=12,
    )
  )


@pytest.fixture(scope="module")
def variables(model):
  return model.init(jax.random.key(0))


@pytest.fixture(scope="module")
def points():
  return jax.random.uniform(jax.random.key(1), (2, 12, 3), minval=-1)


def test_table_is_complete():
  assert set(TABLE) == set(modelnet40.CONFIGS)
  assert set(TABLE) <= set(perceiver.list_models())


@pytest.mark.parametrize("name", TABLE)
def test_parameters_and_operations(name):
  parameters, gflops = TABLE[name]
  model = perceiver.create(name)
  assert model.num_parameters() == parameters
  assert model.num_flops(reference=True) / 1e9 == pytest.approx(
    gflops, rel=1e-3
  )
  assert model.num_flops() < model.num_flops(reference=True)


def test_highest_frequency_is_that_of_the_paper():
  found = adapters_points.encode(
    modelnet40.POINTS, jnp.array([[[0.5 / 1120, 0.0, 0.0]]])
  )[0][0, 0]
  assert found.shape == (387,)
  # Coordinates, sines axis by axis, then cosines: band 64 of the first axis is
  # sin(π · 1120 · x).
  np.testing.assert_allclose(found[3 + 63], 1.0, atol=1e-5)
  np.testing.assert_allclose(found[3 + 127], 0.0, atol=1e-5)


def test_order_of_points_does_not_matter(model, variables, points):
  logits = model.apply(variables, points)
  assert logits.shape == (2, 3)
  shuffled = points[:, jax.random.permutation(jax.random.key(2), 12)]
  np.testing.assert_allclose(
    model.apply(variables, shuffled), logits, atol=1e-5
  )
  moved = model.apply(variables, points + 0.1)
  assert np.abs(moved - logits).max() > 1e-3


def test_any_number_of_points_and_a_mask(model, variables, points):
  few = model.apply(variables, points[:, :7])
  mask = jnp.broadcast_to(jnp.arange(12) < 7, (2, 12))
  holes = jnp.where(mask[..., None], points, jnp.nan)
  np.testing.assert_allclose(
    model.apply(variables, holes, mask=mask), few, atol=1e-5
  )
  whole = model.apply(variables, points)
  assert np.abs(few - whole).max() > 1e-4


def test_encode_then_decode(model, variables, points):
  latents = model.encode(variables, points)
  np.testing.assert_allclose(
    model.decode(variables, latents),
    model.apply(variables, points),
    atol=1e-6,
  )
  found = model.attention_map(variables, points)
  np.testing.assert_allclose(found.sum(axis=-1), np.ones((2, 1, 5)), atol=1e-5)


def test_bad_inputs_are_refused(model, variables, points):
  with pytest.raises(ValueError, match=r"\[batch, points, 3\]"):
    model.apply(variables, points[..., :2])
  with pytest.raises(ValueError, match=r"mask has shape \(2, 3\)"):
    model.apply(variables, points, mask=jnp.ones((2, 3), bool))
  with pytest.raises(ValueError, match="num_points is 0"):
    dataclasses.replace(model.config, num_points=0)
