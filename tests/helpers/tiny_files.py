"""Files of a small classifier, to be read, damaged and refused."""

import chex
import jax
import numpy as np
import pytest

import perceiver
from tests.helpers import fill
from tests.helpers import tiny_networks


def random_variables(model):
  """Returns variables that are all different, state included."""
  params, state = jax.tree.map(lambda x: x.shape, model.shapes())
  state = {
    module: {
      name: np.array(7, np.int32)
      if name == "counter"
      else fill.state("store", module, name, shape)
      for name, shape in entries.items()
    }
    for module, entries in state.items()
  }
  return perceiver.Variables(fill.parameters("store", params), state)


MODEL = perceiver.create(tiny_networks.classifier_config())
VARIABLES = random_variables(MODEL)


def assert_equal(found, expected):
  found, expected = tuple(found), tuple(expected)
  chex.assert_trees_all_equal_shapes_and_dtypes(found, expected)
  chex.assert_trees_all_equal(found, expected)


def refusal(path, error=perceiver.CheckpointError, read=perceiver.load):
  """Returns the message, one paragraph, with which a file is refused."""
  with pytest.raises(error) as caught:
    read(path)
  message = str(caught.value)
  assert message.startswith(f"Checkpoint: {path}") or (
    error is FileNotFoundError and str(path) in message
  )
  assert "\n" not in message
  assert "expected" in message
  assert len(message) < 1000
  return message
