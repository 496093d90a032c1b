"""Files of version 0.1 are read, whatever their names became."""

import dataclasses
import json

import jax
import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

import perceiver
from perceiver import config_json
from perceiver import encoder
from perceiver.checkpoints import migrate
from tests.helpers import tiny_networks

# The perceiver of a classifier as version 0.1 wrote it.
_PERCEIVER = {
  "type": "PerceiverConfig",
  "encoder": {
    "type": "EncoderConfig",
    "input_channels": 11,
    "num_latents": 5,
    "latent_channels": 8,
    "latent_init_scale": 0.02,
    "num_reads": 3,
    "arrangement": "at_start",
    "num_heads": 1,
    "qk_channels": None,
    "v_channels": None,
    "query_residual": False,
    "mlp_widening": 2,
    "exact_gelu": False,
    "dropout_rate": 0.0,
    "attention_dropout_rate": 0.25,
    "direct": False,
  },
  "processor": {
    "type": "ProcessorConfig",
    "channels": 8,
    "num_layers": 2,
    "num_repeats": 3,
    "num_heads": 2,
    "qk_channels": None,
    "v_channels": None,
    "mlp_widening": 1,
    "exact_gelu": False,
    "dropout_rate": 0.0,
    "attention_dropout_rate": 0.0,
    "remat": "all",
  },
  "decoder": {
    "type": "MeanDecoderConfig",
    "output_channels": 3,
    "output_init_scale": 1.0,
  },
  "share_weights": True,
}
_QUERY_DECODER = {
  "type": "DecoderConfig",
  "query_channels": 4,
  "output_channels": 3,
  "num_heads": 1,
  "qk_channels": None,
  "v_channels": None,
  "query_residual": True,
  "mlp_widening": 1,
  "exact_gelu": False,
  "dropout_rate": 0.0,
  "attention_dropout_rate": 0.0,
  "output_init_scale": 1.0,
  "direct": False,
}
CONFIG = tiny_networks.classifier_config(
  num_cross_attends=3,
  num_blocks=3,
  mean=True,
  arrangement=encoder.Arrangement.AT_START,
  query_residual=False,
  attention_dropout_rate=0.25,
  mlp_widening=2,
)
OF_BEFORE = {
  "later_cross_attention": "reread/read",
  "perceiver/cross_attention": "perceiver/read",
}


def old_name(module):
  for new, old in OF_BEFORE.items():
    module = module.replace(new, old)
  return module


def write(path, config, variables):
  """Writes a file as version 0.1 did."""
  today = json.loads(config_json.to_json(config))
  arrays = {
    f"params:{old_name(module)}:{name}": np.asarray(array)
    for module, entries in variables.params.items()
    for name, array in entries.items()
  }
  metadata = {
    "format": "perceiver",
    "version": "1",
    "config": json.dumps(
      today | {"image": today.pop("inputs"), "perceiver": _PERCEIVER}
    ),
    "notes": "{}",
  }
  safetensors_numpy.save_file(arrays, path, metadata)
  return arrays


def test_a_file_of_before_is_read(tmp_path):
  path = tmp_path / "old.safetensors"
  variables = perceiver.create(CONFIG).init(jax.random.key(0))
  arrays = write(path, CONFIG, variables)
  assert any("/reread/read/" in name for name in arrays)
  model, restored = perceiver.load(path)
  assert model.config == CONFIG
  jax.tree.map(np.testing.assert_array_equal, restored, variables)


def test_every_part_is_upgraded():
  config = _PERCEIVER | {"decoder": _QUERY_DECODER}
  expected = tiny_networks.perceiver_config(
    input_channels=11,
    num_cross_attends=3,
    num_blocks=3,
    arrangement=encoder.Arrangement.AT_START,
    query_residual=False,
    attention_dropout_rate=0.25,
    mlp_widening=2,
  )
  # The scale of before, which the file states, is not today's default.
  decoder = dataclasses.replace(expected.decoder, output_init_scale=1.0)
  expected = dataclasses.replace(expected, decoder=decoder)
  text = migrate.upgrade_json(json.dumps(config))
  assert config_json.from_json(text, type(expected)) == expected


def test_the_queries_of_glue_are_renamed():
  config = {"type": "GlueConfig", "tasks": [], "reading": "task_tokens"}
  expected = {"type": "GlueConfig", "tasks": [], "query_kind": "task_tokens"}
  assert migrate.upgrade(config) == expected
  assert migrate.upgrade(expected) == expected


def test_a_configuration_of_today_stays_as_it_is():
  text = config_json.to_json(CONFIG)
  assert migrate.upgrade_json(text) is text


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000])
def test_what_is_no_configuration_stays_as_it_is(text):
  assert migrate.upgrade_json(text) is text


@pytest.mark.parametrize(
  ("old", "new"),
  [
    ("net/read/mlp/hidden", "net/cross_attention/mlp/hidden"),
    ("net/reread/read/attention", "net/later_cross_attention/attention"),
    ("net/stack/read_1/mlp_norm", "net/stack/cross_attention_1/mlp_norm"),
    ("net/readout/read_all", "net/readout/read_all"),
  ],
)
def test_modules_of_before(old, new):
  assert migrate.upgrade_module(old) == new


@pytest.mark.parametrize("kind", ["[Infinity]", "[[]]", "{}", "null", "1e999"])
def test_types_that_are_no_names_are_left_alone(kind):
  text = f'{{"type": {kind}, "a": {{"type": {kind}}}}}'
  assert migrate.upgrade_json(text) == text
