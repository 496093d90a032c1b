"""Saving our own files: whole, or not at all."""

import dataclasses
import os
import re

import jax.numpy as jnp
import numpy as np
import pytest

import perceiver
from perceiver.checkpoints import arrays_file
from perceiver.checkpoints import store
from tests.helpers import tiny_files

MODEL = tiny_files.MODEL
VARIABLES = tiny_files.VARIABLES


@pytest.fixture
def path(tmp_path):
  """A checkpoint of the small classifier."""
  perceiver.save(tmp_path / "model.safetensors", MODEL, VARIABLES)
  return tmp_path / "model.safetensors"


def half_written(path, arrays, metadata):
  """Stands for a disk that is full."""
  path.write_bytes(b"half")
  raise OSError(28, "No space left on device")


def fails(*args, **kwargs):
  raise KeyboardInterrupt


@pytest.mark.parametrize(
  ("place", "name", "replacement"),
  [
    (arrays_file, "write", half_written),
    (os, "fsync", fails),
    (os, "replace", fails),
  ],
)
@pytest.mark.parametrize("exists", [False, True])
def test_a_write_that_fails_leaves_everything_as_it_was(
  tmp_path, monkeypatch, place, name, replacement, exists
):
  path = tmp_path / "model.safetensors"
  if exists:
    perceiver.save(path, MODEL, VARIABLES)
  before = {p: p.read_bytes() for p in tmp_path.iterdir()}
  monkeypatch.setattr(place, name, replacement)
  with pytest.raises((OSError, KeyboardInterrupt)):
    perceiver.save(path, MODEL, VARIABLES, {"step": "2"})
  assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_disk_that_is_full_is_named(tmp_path, monkeypatch):
  monkeypatch.setattr(arrays_file, "write", half_written)
  path = tmp_path / "model.safetensors"
  with pytest.raises(perceiver.PerceiverError) as caught:
    perceiver.save(path, MODEL, VARIABLES)
  assert str(caught.value) == (
    f"{path} cannot be written: No space left on device"
  )


@pytest.mark.parametrize(
  ("name", "reason"),
  [
    ("file/model", "{folder}/file is a file"),
    ("file/a/model", "Not a directory"),
    ("x" * 300, "File name too long"),
  ],
)
def test_paths_that_cannot_be_are_named(tmp_path, name, reason):
  (tmp_path / "file").touch()
  with pytest.raises(perceiver.PerceiverError) as caught:
    perceiver.save(tmp_path / name, MODEL, VARIABLES)
  reason = reason.format(folder=tmp_path)
  assert str(caught.value) == f"{tmp_path / name} cannot be written: {reason}"


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_mode_of_a_file_is_that_of_the_umask(tmp_path, mask):
  before = os.umask(mask)
  try:
    perceiver.save(tmp_path / "model", MODEL, VARIABLES)
  finally:
    os.umask(before)
  assert (tmp_path / "model").stat().st_mode & 0o777 == 0o666 & ~mask


def test_files_are_a_function_of_their_contents(tmp_path):
  notes = {str(i): "note" for i in range(20)}
  perceiver.save(tmp_path / "model", MODEL, VARIABLES, notes)
  assert store.notes(tmp_path / "model") == notes
  arrays = {name: np.ones(1) for name in notes}
  for name, reverse in (("a", False), ("b", True)):
    order = sorted(notes, reverse=reverse)
    arrays_file.write(
      tmp_path / name,
      {name: arrays[name] for name in order},
      {name: notes[name] for name in order},
    )
  assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_arrays_of_all_types_are_read_by_the_package(tmp_path):
  names = ("bool", *(f"int{2**i}" for i in range(3, 7)), "uint8", "float16")
  dtypes = [np.dtype(name) for name in (*names, "float64", jnp.bfloat16, ">f4")]
  ramp = np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1)
  arrays = {f"ü/{dtype}": ramp.astype(dtype) for dtype in dtypes}
  arrays |= {"scalar": np.float32(7), "empty": np.zeros([0, 3], np.int8)}
  path = tmp_path / "all"
  arrays_file.write(path, arrays, {"note": "ü\n"})
  metadata, found = arrays_file.read(path, "one")
  assert metadata == {"note": "ü\n"}
  assert set(found) == set(arrays)
  for name, array in found.items():
    assert array.dtype.name == arrays[name].dtype.name
    np.testing.assert_array_equal(
      array.astype("f8"), arrays[name].astype("f8"), err_msg=name
    )
  with pytest.raises(perceiver.CheckpointError, match="w is of type complex64"):
    arrays_file.write(path, {"w": np.zeros(2, "c8")}, {})


def test_nothing_but_the_file_is_left(path):
  assert list(path.parent.iterdir()) == [path]
  perceiver.save(path, MODEL, VARIABLES)  # over the first
  assert list(path.parent.iterdir()) == [path]


def test_variables_of_another_model_are_not_saved(tmp_path):
  params = dict(VARIABLES.params)
  del params["classifier/queries"]
  with pytest.raises(
    ValueError, match=r"does not fit.*has no params:class.*/qu"
  ):
    perceiver.save(tmp_path / "m", MODEL, perceiver.Variables(params, {}))
  assert not list(tmp_path.iterdir())


def test_a_card_beside_the_file(tmp_path):
  path = tmp_path / "model.safetensors"
  model = dataclasses.replace(MODEL, class_names=tuple("abc|efg"))
  notes = {"step": "30"}
  perceiver.save(path, model, VARIABLES, notes, card="Trained on *owls*.\n")
  assert sorted(x.name for x in tmp_path.iterdir()) == ["model.md", path.name]
  card = path.with_suffix(".md").read_text()
  assert card.startswith("# model.safetensors\n")
  assert f"| parameters | {model.num_parameters():,} |" in card
  (images,) = MODEL.config.example()
  shape = ", ".join(map(str, images.shape[1:]))
  assert f"| arguments | float32[B, {shape}] |" in card
  assert f"| result | float32[B, {MODEL.config.num_classes}] |" in card
  assert "| classes | a, b, c, \\|, e, f, g |" in card
  assert "| step | 30 |" in card
  assert "\nTrained on *owls*.\n" in card
  perceiver.save(path, MODEL, VARIABLES, card=True)
  assert "classes" not in path.with_suffix(".md").read_text()
  (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
  names = {}
  exec(code.replace("model.safetensors", str(path)), names)
  assert names["model"] == MODEL


def test_class_names_that_are_none_are_refused(path):
  metadata, arrays = arrays_file.read(path, "one")
  for text in ("[1]", "{}", "[", '"a"', '["a", "b"]'):
    arrays_file.write(path, arrays, metadata | {"class_names": text})
    with pytest.raises(perceiver.CheckpointError, match="class names"):
      perceiver.load(path)
