"""Damaged checkpoints and configurations are refused, or read."""

import functools
import json
import pickle
import struct

from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st
import jax
import numpy as np
import pytest

from experiments.cluster import processes
from experiments.cluster import startup
import perceiver
from perceiver import config_json
from perceiver import model as perceiver_model
from perceiver.checkpoints import load
from perceiver.checkpoints import store
from perceiver.checkpoints.huggingface import config as huggingface_config
from perceiver.checkpoints.huggingface import folder as huggingface_folder
from perceiver.checkpoints.pickle import reader
from perceiver.models import registry
from tests.helpers import huggingface_folders
from tests.helpers import mutations
from tests.helpers import tiny_networks
from tests.helpers.recipes import sums

CheckpointError = perceiver.CheckpointError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module", autouse=True)
def _remembered_shapes():
  """Traces every model once; most damage leaves the model what it was."""
  with pytest.MonkeyPatch.context() as patched:
    shapes = functools.lru_cache(lambda config: _shapes(config))
    plain = perceiver_model.Model.shapes

    def _shapes(config):
      return plain(perceiver_model.Model(config))

    patched.setattr(perceiver_model.Model, "shapes", lambda m: shapes(m.config))
    yield


_TREE = {"perceiver/linear": {"w": np.ones([2, 3], np.float32)}}
_PICKLES = tuple(pickle.dumps(_TREE, protocol) for protocol in (2, 3, 4))


@given(mutations.damaged(*_PICKLES))
def test_pickles(folder, data):
  path = folder / "file.pystate"
  path.write_bytes(data)
  mutations.assert_read_or_refused(CheckpointError, reader.read, path)


@pytest.fixture(scope="module")
def ours(folder):
  model = perceiver.create(
    tiny_networks.classifier_config(num_self_attends_per_block=1)
  )
  variables = model.init(jax.random.key(0))
  perceiver.save(folder / "ours", model, variables)
  return (folder / "ours").read_bytes()


def _header(data):
  """Returns the header of a safetensors file."""
  return data[: 8 + struct.unpack("<Q", data[:8])[0]]


@given(data=st.data())
def test_our_files(folder, ours, data):
  head = _header(ours)
  found = data.draw(mutations.damaged(head, head[:200]))
  path = folder / "damaged.safetensors"
  path.write_bytes(found + ours[len(head) :])
  mutations.assert_read_or_refused(CheckpointError, load.load, path)


@pytest.mark.parametrize(
  ("before", "after"),
  [
    (rb"[8, 8]", rb"[9" + 9 * b"0" + rb", 9" + 9 * b"0" + b"]"),
    (rb"[8, 8]", rb"[30000, 30000]"),
    (rb"num_latents\": 5", rb"num_latents\": 5" + 30 * b"0"),
    (rb"num_latents\": 5", rb"num_latents\": -5"),
  ],
)
def test_sizes_beyond_reason(folder, ours, before, after):
  head = _header(ours)
  assert before in head
  changed = head[8:].replace(before, after)
  path = folder / "large.safetensors"
  length = struct.pack("<Q", len(changed))
  path.write_bytes(length + changed + ours[len(head) :])
  with pytest.raises(CheckpointError):
    load.load(path)


@given(data=st.data())
def test_notes(folder, ours, data):
  head = _header(ours)
  found = data.draw(mutations.damaged(head[:60]))
  path = folder / "notes.safetensors"
  path.write_bytes(found + ours[60:])
  mutations.assert_read_or_refused(CheckpointError, store.notes, path)


_MASKED = huggingface_folders.FOLDER / "masked_lm"


@given(mutations.damaged((_MASKED / "config.json").read_bytes()))
def test_configurations_of_transformers(folder, data):
  inside = folder / "configuration"
  if not inside.exists():
    inside.mkdir()
    weights = (_MASKED / "model.safetensors").read_bytes()
    (inside / "model.safetensors").write_bytes(weights)
  (inside / "config.json").write_bytes(data)
  mutations.assert_read_or_refused(
    CheckpointError, huggingface_folder.read, inside
  )


_WEIGHTS = (_MASKED / "model.safetensors").read_bytes()
_HEAD = _header(_WEIGHTS)


@given(mutations.damaged(_HEAD, _HEAD[:300]))
def test_weights_of_transformers(folder, data):
  inside = folder / "weights"
  inside.mkdir(exist_ok=True)
  (inside / "config.json").write_bytes((_MASKED / "config.json").read_bytes())
  (inside / "model.safetensors").write_bytes(data + _WEIGHTS[len(_HEAD) :])
  mutations.assert_read_or_refused(
    CheckpointError, huggingface_folder.read, inside
  )


_JSON = st.recursive(
  st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
  lambda inner: (
    st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=5), inner, max_size=3)
  ),
  max_leaves=5,
)
_ENTRIES = huggingface_folders.entries("masked_lm")


@given(st.sampled_from(sorted(_ENTRIES)), _JSON)
@example("attention_probs_dropout_prob", 1)
@example("attention_probs_dropout_prob", 10**400)
def test_entries_of_transformers(name, value):
  entries = {**_ENTRIES, name: value}
  shapes = {}
  mutations.assert_read_or_refused(
    CheckpointError,
    huggingface_config.read,
    "PerceiverForMaskedLM",
    entries,
    shapes,
  )


_CONFIGS = {
  "model": (
    config_json.to_json(tiny_networks.classifier_config()),
    registry.ModelConfig,
  ),
  "run": (config_json.to_json(sums.MINI), sums.Experiment),
}


@pytest.mark.parametrize("kind", sorted(_CONFIGS))
@given(data=st.data())
def test_configurations(kind, data):
  text, expected = _CONFIGS[kind]
  found = data.draw(mutations.damaged(text.encode())).decode(errors="replace")
  config = mutations.assert_read_or_refused(
    ValueError, config_json.from_json, found, expected
  )
  if config is not None:
    again = config_json.from_json(config_json.to_json(config), expected)
    assert config_json.to_json(again) == config_json.to_json(config)


def _paths(value, path=()):
  """Returns the paths of all values in a tree of JSON."""
  inside = value.items() if isinstance(value, dict) else ()
  return [path] + [p for k, v in inside for p in _paths(v, (*path, k))]


@pytest.mark.parametrize("kind", sorted(_CONFIGS))
@given(data=st.data())
def test_values_of_configurations(kind, data):
  text, expected = _CONFIGS[kind]
  tree = json.loads(text)
  *way, last = data.draw(st.sampled_from(_paths(tree)[1:]))
  inside = functools.reduce(lambda found, key: found[key], way, tree)
  inside[last] = data.draw(_JSON)
  mutations.assert_read_or_refused(
    ValueError, config_json.from_json, json.dumps(tree), expected
  )


@given(
  st.text(max_size=12) | st.from_regex(r"[a-z:\[\]]*:[0-9]*", fullmatch=True)
)
@example("host:²")
@example("host:99999")
def test_addresses(text):
  mutations.assert_read_or_refused(
    ValueError,
    lambda: processes.DistributedConfig(
      coordinator=text, num_processes=2, process_id=1
    ),
  )


@given(st.binary(max_size=20) | st.from_regex(rb"[0-9]* [0-9]*"))
@example("²  1".encode())
def test_registrations_of_processes(line):
  found = startup.parse_registration(line)
  assert found is None or found == tuple(map(int, line.split(b" ")))
