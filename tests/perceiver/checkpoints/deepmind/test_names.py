"""Names of the released checkpoints, there and back."""

import collections

import numpy as np
import pytest

import perceiver
from perceiver.adapters import image
from perceiver.checkpoints.deepmind import names
from perceiver.checkpoints.deepmind import tables as deepmind_tables
from perceiver.models import imagenet
from tests.helpers import released
from tests.helpers import tiny_networks

RELEASED = sorted(released.released_shapes())


def flat(tree):
  return {(m, n): x for m, entries in tree.items() for n, x in entries.items()}


def numbered(shapes):
  """Returns arrays of the given shapes, each full of a number of its own."""
  numbers = iter(range(10**6))
  return {
    module: {
      name: np.broadcast_to(np.int16(next(numbers)), shape)
      for name, shape in entries.items()
    }
    for module, entries in shapes.items()
  }


def tables(name):
  """Yields table, released shapes and our shapes of parameters and state."""
  model = perceiver.create(name)
  theirs = released.released_shapes()[name]
  ours = model.shapes()
  yield (
    deepmind_tables.parameter_names(model.config),
    theirs["params"],
    ours.params,
  )
  yield (
    deepmind_tables.state_names(model.config),
    theirs["state"] or {},
    ours.state,
  )


@pytest.mark.parametrize("name", RELEASED)
def test_every_array_is_named_exactly_once(name):
  for table, theirs, ours in tables(name):
    counts = collections.Counter(entry.ours for entry in table)
    assert set(counts) == set(flat(ours))
    assert set(counts.values()) <= {1}
    counts = collections.Counter(x for entry in table for x in entry.theirs)
    assert set(counts) == set(flat(theirs))
    assert set(counts.values()) <= {1}


@pytest.mark.parametrize("name", RELEASED)
def test_there_and_back_nothing_changes(name):
  for table, theirs, ours in tables(name):
    arrays = numbered(theirs)
    converted = names.to_ours(table, arrays)
    shapes = {key: x.shape for key, x in flat(converted).items()}
    assert shapes == {key: x.shape for key, x in flat(ours).items()}
    back = flat(names.to_theirs(table, converted))
    assert set(back) == set(flat(theirs))
    for key, array in flat(arrays).items():
      np.testing.assert_array_equal(back[key], array)


def test_layers_are_stacked_in_order():
  table = names.self_attention_stack("us/stack", "them/self_attention", 3)
  (entry,) = (e for e in table if e.ours == ("us/stack/mlp/hidden", "w"))
  assert [module for module, _ in entry.theirs] == [
    "them/self_attention/mlp/linear",
    "them/self_attention_1/mlp/linear",
    "them/self_attention_2/mlp/linear",
  ]
  layers = {
    module: {name: np.full((2, 2), i, np.float32)}
    for i, (module, name) in enumerate(entry.theirs)
  }
  stacked = names.to_ours([entry], layers)["us/stack/mlp/hidden"]["w"]
  assert stacked.shape == (3, 2, 2)
  np.testing.assert_array_equal(stacked[:, 0, 0], [0, 1, 2])


def test_axes_of_size_one_come_and_go():
  table = names.linear("us", "them", unit_axes=2)
  theirs = {"them": {"w": np.arange(6.0).reshape(1, 1, 2, 3), "b": np.ones(3)}}
  ours = names.to_ours(table, theirs)
  np.testing.assert_array_equal(ours["us"]["w"], [[0, 1, 2], [3, 4, 5]])
  assert ours["us"]["b"].shape == (3,)
  back = names.to_theirs(table, ours)["them"]
  assert back["w"].shape == (1, 1, 2, 3)
  assert back["b"].shape == (3,)


def test_released_projections_are_numbered_query_key_value_output():
  table = {e.ours: e.theirs for e in names.cross_attention("us", "them")}
  for i, ours in enumerate(("query", "key", "value", "output")):
    suffix = f"_{i}" if i else ""
    expected = (f"them/attention/linear{suffix}", "w")
    assert table[f"us/attention/{ours}", "w"] == (expected,)
  for i, ours in enumerate(("query_norm", "input_norm", "mlp_norm")):
    suffix = f"_{i}" if i else ""
    expected = (f"them/layer_norm{suffix}", "scale")
    assert table[f"us/{ours}", "scale"] == (expected,)


def test_models_that_were_not_released_are_refused():
  with pytest.raises(ValueError, match="no PerceiverConfig was released"):
    deepmind_tables.parameter_names(tiny_networks.perceiver_config())
  assert deepmind_tables.state_names(tiny_networks.perceiver_config()) == []


def test_only_the_convolutional_classifier_has_state():
  for name in RELEASED:
    config = perceiver.create(name).config
    conv = isinstance(config, imagenet.ImageClassifierConfig) and isinstance(
      config.inputs.features, image.ConvPool
    )
    assert bool(deepmind_tables.state_names(config)) == conv
