"""Folders of `transformers` that are damaged or hold what we do not have."""

import json
import shutil

import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

import perceiver
from perceiver.checkpoints.huggingface import folder as huggingface_folder
from tests.helpers import huggingface_folders
from tests.helpers import trees

FOLDER = huggingface_folders.FOLDER


@pytest.fixture
def folder(tmp_path):
  """A copy of a small folder, to be changed."""
  shutil.copytree(FOLDER / "masked_lm", tmp_path / "folder")
  return tmp_path / "folder"


def refusal(folder, error=perceiver.CheckpointError):
  with pytest.raises(error) as caught:
    huggingface_folder.read(folder)
  assert str(folder) in str(caught.value)
  return str(caught.value)


@pytest.mark.parametrize(
  ("entries", "message"),
  [
    ({"architectures": ..., "model_type": "bert"}, "does not name one class"),
    ({"architectures": []}, "architectures does not name one class"),
    ({"architectures": ["A", "B"]}, "architectures does not name one class"),
    (
      {"architectures": ["PerceiverModel"]},
      "architectures is 'PerceiverModel'",
    ),
    (
      {"architectures": ["PerceiverForSequenceClassification"]},
      "has no perceiver.decoder.decoder.",
    ),
    ({"hidden_act": "relu"}, "hidden_act is 'relu'; expected 'gelu' or"),
    ({"d_latents": "32"}, "d_latents is '32'; expected int"),
    ({"d_latents": 32.0}, "d_latents is 32.0; expected int"),
    ({"d_latents": True}, "d_latents is True; expected int"),
    ({"d_latents": -1}, "d_latents is -1; expected from 1"),
    ({"d_latents": 10**12}, "d_latents is 1000000000000; expected from 1"),
    ({"d_latents": 31, "qk_channels": None}, "which 8 heads do not divide"),
    ({"d_latents": 40}, "Differences in all: 55"),
    ({"num_self_attends_per_block": 10**6}, "num_self_attends_per_block is 1"),
    ({"num_self_attends_per_block": 4}, "self_attends.3."),
    ({"num_self_attends_per_block": 2}, "self_attends.2."),
    ({"num_cross_attention_heads": 3}, "which 3 heads do not divide"),
    ({"cross_attention_shape_for_attention": "v"}, "for_attention is 'v'"),
    ({"qk_channels": None}, "as float32["),
    ({"qk_channels": [16]}, "qk_channels is list of 1; expected int or None"),
    ({"use_query_residual": 1}, "use_query_residual is 1; expected bool"),
    ({"max_position_embeddings": 21}, "expected float32[21, 24]"),
    ({"d_model": ...}, "expected float32[768]"),
  ],
  ids=range(23),
)
def test_what_cannot_be_represented_is_refused(folder, entries, message):
  huggingface_folders.change(folder, **entries)
  assert message in refusal(folder)


@pytest.mark.parametrize(
  ("name", "entries", "message"),
  [
    ("optical_flow", {"train_size": [16]}, "train_size is '[16]'; expected 2"),
    ("optical_flow", {"train_size": [16, 0]}, "train_size"),
    ("optical_flow", {"train_size": [10**4, 10**4]}, "a product of at most"),
    ("optical_flow", {"train_size": "16"}, "train_size is '16'; expected list"),
    ("image_classification_learned", {"image_size": 17}, "[289, 256]"),
  ],
)
def test_impossible_sizes_are_refused(name, entries, message, tmp_path):
  shutil.copytree(FOLDER / name, tmp_path / "folder")
  huggingface_folders.change(tmp_path / "folder", **entries)
  assert message in refusal(tmp_path / "folder")


def test_heads_and_repeats_come_from_the_configuration(folder):
  huggingface_folders.change(folder, num_self_attention_heads=4, num_blocks=3)
  model, _ = huggingface_folder.read(folder)
  assert model.config.perceiver.processor.self_attention.num_heads == 4
  assert model.config.perceiver.processor.num_blocks == 3


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 10**5, "\udcff"])
def test_damaged_configurations_are_refused(folder, content):
  path = folder / "config.json"
  path.write_bytes(content.encode("utf-8", "surrogateescape"))
  assert "config.json cannot be read" in refusal(folder)


def test_damaged_arrays_are_refused(folder):
  path = folder / "model.safetensors"
  content = path.read_bytes()
  for length in (0, 7, 100, len(content) // 2, len(content) - 1):
    path.write_bytes(content[:length])
    assert "cannot be read" in refusal(folder)
  path.unlink()
  assert "there is no file" in refusal(folder, FileNotFoundError)
  (folder / "pytorch_model.bin").touch()
  assert "it is no zip of PyTorch" in refusal(folder)


def rewrite(folder, changes, metadata=None):
  path = folder / "model.safetensors"
  merged = safetensors_numpy.load_file(path) | changes
  arrays = {k: x for k, x in merged.items() if x is not None}
  safetensors_numpy.save_file(arrays, path, metadata)


KEY = "perceiver.embeddings.latents"


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({KEY: None}, f"has no {KEY}; expected float32[5, 32]"),
    ({KEY: np.zeros((5, 31), np.float32)}, f"has {KEY} as float32[5, 31]"),
    ({KEY: np.zeros((5, 32))}, f"has {KEY} as float64[5, 32]"),
    ({"x": np.zeros(3)}, "has x; expected no such array"),
    ({KEY: None, KEY + "s": np.zeros(3)}, f"has no {KEY} (it has {KEY}s)"),
  ],
  ids=range(5),
)
def test_other_arrays_are_refused(folder, changes, message):
  rewrite(folder, changes)
  assert message in refusal(folder)


def test_halves_are_widened(folder):
  arrays = safetensors_numpy.load_file(folder / "model.safetensors")
  halves = {k: x.astype(np.float16) for k, x in arrays.items()}
  rewrite(folder, halves)
  _, variables = huggingface_folder.read(folder)
  latents = variables.params["language_model/perceiver/latents"]["embeddings"]
  assert latents.dtype == np.float32
  np.testing.assert_array_equal(latents, halves[KEY])


@pytest.mark.parametrize(
  "kept",
  [
    "{",
    "[]",
    "1",
    '{"a": 1}',
    '{"a": {}}',
    *(
      json.dumps({"a": {"dtype": dtype, "shape": shape, "data": data}})
      for dtype, shape, data in (
        ("object", [0], ""),
        ("float32", [10**12], "AAAA"),
        ("float32", "x", "AAAAAA=="),
        ("float32", [1], "?"),
      )
    ),
  ],
  ids=range(9),
)
def test_damaged_metadata_is_refused(folder, kept):
  rewrite(folder, {}, {"format": "pt", "perceiver": kept})
  assert "the metadata of" in refusal(folder)


def shard(folder, name="model-2.safetensors"):
  """Spreads the arrays over two files with an index."""
  path = folder / "model.safetensors"
  arrays = safetensors_numpy.load_file(path)
  names = sorted(arrays)
  files = {"model-1.safetensors": names[:9], "model-2.safetensors": names[9:]}
  for file, keys in files.items():
    safetensors_numpy.save_file({k: arrays[k] for k in keys}, folder / file)
  path.unlink()
  listed = {
    key: name if file == "model-2.safetensors" else file
    for file, keys in files.items()
    for key in keys
  }
  index = folder / "model.safetensors.index.json"
  index.write_text(json.dumps({"weight_map": listed}))
  return index


def test_arrays_in_several_files_are_read(folder):
  _, expected = huggingface_folder.read(folder)
  shard(folder)
  _, found = huggingface_folder.read(folder)
  trees.assert_identical(found, expected)
  (folder / "model-1.safetensors").unlink()
  assert "there is no file" in refusal(folder, FileNotFoundError)


@pytest.mark.parametrize("name", ["../model", "/etc/passwd", "a/b", 3, None])
def test_files_elsewhere_are_not_read(folder, name):
  shard(folder, name)
  assert "names of files in the same folder" in refusal(folder)


def test_an_index_without_files_is_refused(folder):
  shard(folder).write_text("{}")
  assert "weight_map" in refusal(folder)


@pytest.mark.parametrize("name", [[], {}, ["a"], None, 1.5, float("inf")])
def test_a_class_that_is_no_name_is_refused(folder, name):
  path = folder / "config.json"
  entries = json.loads(path.read_text()) | {"architectures": [name]}
  path.write_text(json.dumps(entries))
  assert "architectures is " in refusal(folder)


@pytest.mark.parametrize(
  "text", ["[" * 10**6, '{"a":' * 10**5, "[1]", "9" * 5000, '{"a": [Infinity]}']
)
def test_metadata_of_any_text_is_refused(folder, text):
  rewrite(folder, {}, {"format": "pt", "perceiver": text})
  assert "the metadata of" in refusal(folder)
