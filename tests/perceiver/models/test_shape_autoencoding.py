"""Autoencoders of surfaces: laws, and impossible configurations."""

import dataclasses

import jax
import numpy as np
import pytest

import perceiver
from tests.helpers import fill
from tests.helpers.recipes import surfaces

POINTS = np.tanh(fill.array((2, 32, 3), "points"))
QUERIES = np.tanh(fill.array((2, 9, 3), "queries"))


@pytest.fixture(scope="module")
def model():
  model = perceiver.create(surfaces.MODEL)
  return model, model.init(jax.random.key(0))


def test_latents_are_decoded_for_any_queries(model):
  model, variables = model
  found = model.apply(variables, POINTS, QUERIES)
  assert found.shape == (2, 9)
  latents = model.encode(variables, POINTS)
  assert latents.shape == (2, 4, 16)
  part = model.decode(variables, latents, QUERIES[:, 3:5])
  np.testing.assert_allclose(part, found[:, 3:5], atol=1e-6)


def test_the_order_of_points_and_missing_ones_change_nothing(model):
  model, variables = model
  found = model.apply(variables, POINTS, QUERIES)
  turned = model.apply(variables, POINTS[:, ::-1], QUERIES)
  np.testing.assert_allclose(turned, found, atol=1e-5)
  more = np.concatenate([POINTS, np.full((2, 4, 3), np.nan)], axis=1)
  mask = np.arange(36) < 32
  masked = model.apply(
    variables, more.astype(np.float32), QUERIES, np.stack([mask, mask])
  )
  np.testing.assert_allclose(masked, found, atol=1e-5)


def test_a_file_holds_the_model(model, tmp_path):
  perceiver.save(tmp_path / "model.safetensors", *model)
  again, variables = perceiver.load(tmp_path / "model.safetensors")
  assert again == model[0]
  found = again.apply(variables, POINTS, QUERIES)
  expected = model[0].apply(model[1], POINTS, QUERIES)
  np.testing.assert_array_equal(found, expected)


def test_one_output_is_needed():
  network = surfaces.MODEL.perceiver
  decoder = dataclasses.replace(network.decoder, output_channels=2)
  with pytest.raises(ValueError, match="output_channels is 2; expected 1"):
    dataclasses.replace(
      surfaces.MODEL, perceiver=dataclasses.replace(network, decoder=decoder)
    )
