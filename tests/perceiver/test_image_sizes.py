"""Models for images of another size."""

import dataclasses

import chex
import numpy as np
import pytest

import perceiver
from perceiver import position_encoding
from tests.helpers import noise
from tests.helpers import tiny_models
from tests.helpers import trees


def learned_model():
  config = tiny_models.classifier()
  positions = position_encoding.Learned(channels=10)  # as many as Fourier's
  inputs = dataclasses.replace(config.inputs, positions=positions)
  return perceiver.create(dataclasses.replace(config, inputs=inputs))


def codes(model, size):
  """Returns the codes of a grid's positions, [H, W, channels]."""
  positions = model.resized(size).config.inputs.positions
  grid = position_encoding.materialise(
    position_encoding.grid_features(positions, size)
  )
  return np.asarray(grid).reshape(*size, -1)


def test_fourier_codes_of_a_place_do_not_change():
  model = perceiver.create(tiny_models.classifier())
  small, large = codes(model, (16, 16)), codes(model, (31, 46))
  # Every second row is one of before, and every third column.
  np.testing.assert_allclose(large[::2, ::3], small, atol=1e-5)
  larger = model.resized((31, 46))
  assert larger.config.example()[0].shape == (1, 31, 46, 3)
  chex.assert_trees_all_equal_shapes(larger.shapes(), model.shapes())


def test_learned_positions_are_interpolated():
  model = learned_model()
  variables = noise.variables(model)
  trees.assert_identical(
    model.resized_variables(variables, (16, 16)), variables
  )
  larger = model.resized((31, 31))
  found = model.resized_variables(variables, (31, 31))
  chex.assert_trees_all_equal_shapes(found, larger.shapes())
  module = "classifier/image_input/learned_positions"
  before = variables.params[module]["embeddings"].reshape(16, 16, -1)
  after = np.asarray(found.params[module]["embeddings"]).reshape(31, 31, -1)
  np.testing.assert_allclose(after[::2, ::2], before, atol=1e-6)
  middle = (before[:-1, 0] + before[1:, 0]) / 2
  np.testing.assert_allclose(after[1::2, 0], middle, atol=1e-6)
  back = larger.resized_variables(found, (16, 16))
  chex.assert_trees_all_close(back, variables, atol=1e-5)


def test_names_and_latents_stay():
  model = dataclasses.replace(
    learned_model(), class_names=tuple("abcdefg"), num_latents=2
  )
  larger = model.resized((20, 24))
  assert dataclasses.replace(larger, config=model.config) == model


def test_flow_has_a_size_and_text_has_none():
  flow = perceiver.create(tiny_models.flow_model())
  assert flow.resized((40, 48)).config.frames.size == (40, 48)
  chex.assert_trees_all_equal_shapes(
    flow.resized((40, 48)).shapes(), flow.shapes()
  )
  with pytest.raises(ValueError, match="LanguageModelConfig has no size"):
    perceiver.create(tiny_models.language_model()).resized((8, 8))
  with pytest.raises(ValueError, match=r"size is \(0, 8\)"):
    flow.resized((0, 8))
