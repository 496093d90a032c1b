"""Our own checkpoint files, whole and damaged."""

import dataclasses
import json
import struct

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import safetensors
from safetensors import numpy as safetensors_numpy

import perceiver
from perceiver import config_json
from perceiver.checkpoints import store
from tests.helpers import fill
from tests.helpers import tiny_files
from tests.helpers import tiny_networks

MODEL = tiny_files.MODEL
VARIABLES = tiny_files.VARIABLES
refusal = tiny_files.refusal
assert_equal = tiny_files.assert_equal


@pytest.fixture
def path(tmp_path):
  """A checkpoint of the small classifier."""
  perceiver.save(tmp_path / "model.safetensors", MODEL, VARIABLES)
  return tmp_path / "model.safetensors"


# ----------------------------------------------------------------- whole files


def test_a_saved_model_is_loaded(path):
  model, variables = perceiver.load(path)
  assert model == MODEL
  assert_equal(variables, VARIABLES)
  images = fill.array((2, 8, 8, 1), "store")
  np.testing.assert_array_equal(
    model.apply(variables, images),
    MODEL.apply(VARIABLES, images),
  )


def test_state_is_kept_down_to_counters_of_no_axes(tmp_path):
  model = tiny_networks.conv_classifier()
  variables = tiny_files.random_variables(model)
  shapes = [x.shape for x in jax.tree.leaves(variables.state)]
  assert shapes.count(()) == 2
  perceiver.save(tmp_path / "conv", model, variables)
  restored, found = perceiver.load(tmp_path / "conv")
  assert restored == model
  assert_equal(found, variables)


def test_arrays_of_jax_and_of_any_memory_order_are_saved(tmp_path):
  params = {
    module: {n: np.asfortranarray(x) for n, x in entries.items()}
    for module, entries in VARIABLES.params.items()
  }
  perceiver.save(tmp_path / "a", MODEL, perceiver.Variables(params, {}))
  assert_equal(perceiver.load(tmp_path / "a")[1], VARIABLES)
  perceiver.save(
    tmp_path / "b",
    MODEL,
    jax.tree.map(jnp.asarray, VARIABLES),
  )
  assert_equal(perceiver.load(tmp_path / "b")[1], VARIABLES)


def test_halves_take_half_the_size_and_are_float32_again(path, tmp_path):
  half = tmp_path / "half"
  perceiver.save(half, MODEL, VARIABLES, half=True)
  size = sum(x.nbytes for x in jax.tree.leaves(VARIABLES))
  assert path.stat().st_size - half.stat().st_size == pytest.approx(
    size / 2, abs=100
  )
  rounded = lambda x: np.asarray(x, np.float16).astype(np.float32)
  assert_equal(perceiver.load(half)[1], jax.tree.map(rounded, VARIABLES))


def test_halves_are_refused_where_a_number_would_be_infinite(tmp_path):
  large = jax.tree.map(lambda x: np.full_like(x, 65505), VARIABLES)
  with pytest.raises(perceiver.CheckpointError, match="65504, the greatest"):
    perceiver.save(tmp_path / "half", MODEL, large, half=True)
  assert not (tmp_path / "half").exists()


def test_notes_are_kept_with_the_model(path):
  assert store.notes(path) == {}
  notes = {"step": "1200", "why": 'a "reason" with ü'}
  perceiver.save(path, MODEL, VARIABLES, notes)
  assert store.notes(path) == notes


def test_folders_are_made_and_paths_may_be_strings(tmp_path):
  path = tmp_path / "a" / "b" / "model.safetensors"
  perceiver.save(str(path), MODEL, VARIABLES)
  assert_equal(perceiver.load(str(path))[1], VARIABLES)


def test_our_files_are_recognised(path, tmp_path):
  assert store.is_ours(path)
  other = tmp_path / "other"
  safetensors_numpy.save_file({"w": np.zeros(3)}, other)
  assert not store.is_ours(other)
  other.write_bytes(b"import os")
  assert not store.is_ours(other)
  assert not store.is_ours(tmp_path / "none")
  assert not store.is_ours(tmp_path)


# --------------------------------------------------------------- damaged files


def test_files_cut_short_anywhere_are_refused(path):
  content = path.read_bytes()
  (header,) = struct.unpack("<Q", content[:8])
  lengths = {0, 1, 7, 8, 9, header // 2, 8 + header - 1, 8 + header}
  lengths |= {8 + header + 1, len(content) - 4, len(content) - 1}
  lengths |= set(range(0, len(content), len(content) // 30))
  for length in sorted(lengths):
    path.write_bytes(content[:length])
    assert "cannot be read" in refusal(path)
  path.write_bytes(content + b"\0")
  assert "cannot be read" in refusal(path)


def test_changed_headers_are_refused_or_harmless(path):
  """No byte of the header can cause anything but a clear refusal."""
  content = path.read_bytes()
  (header,) = struct.unpack("<Q", content[:8])
  refused = 0
  for position in np.random.default_rng(0).choice(8 + header, 40, False):
    damaged = bytearray(content)
    damaged[position] ^= 1
    path.write_bytes(damaged)
    try:
      perceiver.load(path)
    except ValueError:
      refused += bool(refusal(path))
  assert refused > 30


@pytest.mark.parametrize(
  "content", [b"\x80\x04N.", b"PK\x03\x04" + bytes(100), b"{}", bytes(1000)]
)
def test_files_of_other_formats_are_refused(path, content):
  path.write_bytes(content)
  assert "cannot be read" in refusal(path)
  assert "cannot be read" in refusal(path, read=store.notes)


def test_safetensors_of_others_are_refused(path):
  safetensors_numpy.save_file({"w": np.zeros(3)}, path)
  assert "format None, version None; expected 'perceiver'" in refusal(path)
  safetensors_numpy.save_file({"w": np.zeros(3)}, path, {"format": "pt"})
  assert "format 'pt', version None; expected 'perceiver'" in refusal(path)


def read(path):
  with safetensors.safe_open(path, "numpy") as file:
    arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    return arrays, file.metadata()


def rewrite(path, arrays=None, **metadata):
  """Replaces entries of the metadata, and arrays; None takes one away."""
  old_arrays, old = read(path)
  merged = old_arrays | (arrays or {}), old | metadata
  safetensors_numpy.save_file(
    {k: v for k, v in merged[0].items() if v is not None},
    path,
    {k: v for k, v in merged[1].items() if v is not None},
  )


def test_other_versions_are_refused(path):
  rewrite(path, version="2")
  assert "version '2'; expected 'perceiver', version '1'" in refusal(path)


TEXT = config_json.to_json(MODEL.config)
CONFIG = json.loads(TEXT)


@pytest.mark.parametrize(
  ("config", "message"),
  [
    (None, "not JSON"),
    ("", "not JSON"),
    (TEXT[:-5], "not JSON"),
    ("null", "config is None"),
    (json.dumps(CONFIG | {"type": "os.system"}), "'type': 'os.system'"),
    (json.dumps(CONFIG | {"size": 3}), "has no field ['size']"),
    (
      json.dumps(CONFIG | {"precision": "float8"}),
      "config.precision is 'float8'",
    ),
  ],
  ids=range(7),
)
def test_damaged_configurations_are_refused(path, config, message):
  rewrite(path, config=config)
  found = refusal(path)
  assert "does not say what model it holds" in found
  assert message in found


KEY = "params:classifier/perceiver/latents:embeddings"


@pytest.mark.parametrize(
  ("arrays", "messages"),
  [
    ({KEY: None}, [f"has no {KEY}; expected float32[5, 8]"]),
    (
      {KEY: None, KEY + "s": np.zeros((5, 8), np.float32)},
      [f"has no {KEY} (it has {KEY}s)", "Differences in all: 2."],
    ),
    (
      {KEY: np.zeros((5, 9), np.float32)},
      [f"has {KEY} as float32[5, 9]; expected float32[5, 8]"],
    ),
    (
      {KEY: np.zeros((5, 8), np.float64)},
      [f"has {KEY} as float64[5, 8]; expected float32[5, 8]"],
    ),
    (
      {KEY: np.zeros((5, 8), ml_dtypes.bfloat16)},
      [f"has {KEY} as bfloat16[5, 8]; expected float32[5, 8]"],
    ),
    ({KEY: np.zeros((5, 8), ml_dtypes.float8_e4m3fn)}, ["cannot be read"]),
    (
      {"params:classifier/more:w": np.zeros(3, np.float32)},
      ["has params:classifier/more:w; expected no such array"],
    ),
    (
      {"state:classifier/norm:average": np.zeros(3, np.float32)},
      ["has state:classifier/norm:average; expected no such array"],
    ),
    ({"w": np.zeros(3)}, ["has an array 'w'; expected names such as"]),
    ({"params:w": np.zeros(3)}, ["has an array 'params:w'; expected"]),
    ({"grads:a:w": np.zeros(3)}, ["has an array 'grads:a:w'; expected"]),
  ],
  ids=range(11),
)
def test_arrays_that_do_not_fit_are_refused(path, arrays, messages):
  rewrite(path, arrays)
  found = refusal(path)
  for message in messages:
    assert message in found


def test_missing_files_are_refused(path):
  (path.parent / "folder").mkdir()
  for name in ("folder", "none", "model.safetensors/inside"):
    other = path.parent / name
    assert "there is no file" in refusal(other, FileNotFoundError)


# ----------------------------------------------------------------- load by name


def test_loading_checks_the_model(path):
  model, variables = perceiver.load(path, MODEL.config)
  assert model == MODEL
  assert_equal(variables, VARIABLES)


def test_loading_another_model_names_the_first_difference(path):
  load = lambda path: perceiver.load(path, "imagenet_fourier")
  message = refusal(path, read=load)
  assert (
    "another model: its inputs.size is (8, 8); expected (224, 224)" in message
  )
  assert "; perceiver.load(path) accepts any model" in message
  wider = tiny_networks.perceiver_config(input_channels=11, mlp_widening=2)
  config = dataclasses.replace(MODEL.config, perceiver=wider)
  message = refusal(path, read=lambda path: perceiver.load(path, config))
  assert (
    "its perceiver.encoder.cross_attention.mlp_widening is 1; expected 2"
    in message
  )


def test_loading_a_model_of_another_kind_names_the_kinds(path):
  message = refusal(
    path, read=lambda path: perceiver.load(path, "optical_flow")
  )
  found, expected = "ImageClassifierConfig", "OpticalFlowConfig"
  assert f"its config is {found}; expected {expected}" in message


def test_loading_by_name_refuses_damaged_files(path):
  load = lambda path: perceiver.load(path, "imagenet_fourier")
  refusal(path.parent / "none", FileNotFoundError, load)
  path.write_bytes(path.read_bytes()[:-1])
  assert "cannot be read" in refusal(path, read=load)


def test_loading_an_unknown_name_is_refused_before_the_file_is_read(path):
  with pytest.raises(ValueError, match="there is no 'imagenet_furrier'"):
    perceiver.load(path, "imagenet_furrier")


@pytest.mark.parametrize(
  ("keys", "value", "expected"),
  [
    (("perceiver", "encoder", "num_cross_attends"), 2**20, "[1, 100]"),
    (("perceiver", "encoder", "num_latents"), 2**40, "at most 16777216, and"),
    (("perceiver", "processor", "num_blocks"), 2**20, "at most 10000"),
    (
      ("perceiver", "processor", "num_self_attends_per_block"),
      2**20,
      "at most 10000",
    ),
    (
      ("perceiver", "decoder", "query_channels"),
      2**40,
      "at most 16777216, and",
    ),
    (("inputs", "size"), [2**15, 2**15], "at most 16777216, and"),
    (("inputs", "size"), [2**24, 1], "at most 16777216."),
    (("inputs", "positions", "num_bands"), 2**24, "at most 16777216."),
  ],
  ids=range(8),
)
def test_large_models_are_refused_before_they_are_built(
  path, keys, value, expected
):
  """A small file does not cost time or memory."""
  config = json.loads(TEXT)
  entries = config
  for key in keys[:-1]:
    entries = entries[key]
  assert keys[-1] in entries
  entries[keys[-1]] = value
  rewrite(path, config=json.dumps(config))
  assert f"expected {expected}" in refusal(path)


def test_one_model_has_one_checksum(path, tmp_path):
  model, variables = perceiver.load(path)
  files = [tmp_path / f"{number}.safetensors" for number in range(4)]
  for file in files:
    store.save(file, model, variables, {"a": "é", "b": "1", "c": "2"})
  assert len({file.read_bytes() for file in files}) == 1
  assert store.notes(files[0]) == {"a": "é", "b": "1", "c": "2"}
