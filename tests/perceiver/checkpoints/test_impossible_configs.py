"""No number in the configuration of a file may be negative, or no number."""

import json

import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

import perceiver
from perceiver import config_json
from perceiver import model as perceiver_model
from perceiver.checkpoints import store
from perceiver.models import registry
from tests.helpers import tiny_networks

KINDS = {type(config).__name__: config for config in registry.CONFIGS.values()}


def changes(tree, value, inside=None):
  """Yields {field: configuration} with one value after the other replaced."""
  inside = tree if inside is None else inside
  keys = inside if isinstance(inside, dict) else range(len(inside))
  for key in keys:
    old = inside[key]
    if isinstance(old, (dict, list)) and old:
      for name, text in changes(tree, value, old):
        yield key if name is None else name, text
    if key != "type":
      inside[key] = value
      yield None if isinstance(key, int) else key, json.dumps(tree)
      inside[key] = old


@pytest.mark.parametrize("value", [-1, float("nan"), float("-inf")])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_field_refuses_what_it_cannot_be(kind, value):
  tree = json.loads(config_json.to_json(KINDS[kind]))
  for name, text in changes(tree, value):
    with pytest.raises(ValueError, match=name):
      config_json.from_json(text, registry.ModelConfig)


def write(path, config):
  """Writes a file of ours without any array of its model."""
  metadata = {"format": "perceiver", "version": "1", "config": config}
  safetensors_numpy.save_file({"params:a:w": np.zeros(3)}, path, metadata)


@pytest.mark.parametrize(
  ("keys", "value"),
  [
    (("perceiver", "decoder", "output_init_scale"), -1),
    (("perceiver", "encoder", "latent_init_scale"), 0),
    (("inputs", "permutation_seed"), -1),
    (("perceiver", "encoder", "cross_attention", "qk_channels"), 0),
  ],
  ids=lambda x: x[-1] if isinstance(x, tuple) else str(x),
)
def test_an_impossible_value_is_a_checkpoint_error(tmp_path, keys, value):
  tree = json.loads(config_json.to_json(tiny_networks.classifier_config()))
  inside = tree
  for key in keys[:-1]:
    inside = inside[key]
  inside[keys[-1]] = value
  path = tmp_path / "model.safetensors"
  write(path, json.dumps(tree))
  with pytest.raises(perceiver.CheckpointError) as caught:
    perceiver.load(path)
  assert str(path) in str(caught.value)
  assert f"{keys[-1]} is {value}" in str(caught.value)


def test_a_model_that_cannot_be_built_is_a_checkpoint_error(
  tmp_path, monkeypatch
):
  def fail(model):
    raise TypeError("no such thing")

  monkeypatch.setattr(perceiver_model.Model, "shapes", fail)
  path = tmp_path / "model.safetensors"
  write(path, config_json.to_json(tiny_networks.classifier_config()))
  with pytest.raises(perceiver.CheckpointError, match="built: no such thing"):
    store.load(path)
