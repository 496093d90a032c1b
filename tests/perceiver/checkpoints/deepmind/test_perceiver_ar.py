"""Parameters of the released Perceiver AR, and its form of a checkpoint."""

import pickle
import zipfile

import chex
import numpy as np
import optax
import pytest

import perceiver
from perceiver.checkpoints import errors
from perceiver.checkpoints.deepmind import files
from perceiver.checkpoints.pickle import reader
from tests.helpers import perceiver_ar_goldens as goldens


def write(path, content, name="checkpoint.pkl"):
  with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr(name, pickle.dumps(content, protocol=4))


@pytest.fixture(scope="module")
def released(tmp_path_factory):
  """A model, its variables, and a file in the released form."""
  model, variables = goldens.model_and_variables("absolute_sinusoidal")
  params = files.to_theirs(model, variables).params
  path = tmp_path_factory.mktemp("released") / "copy.zip"
  state = optax.chain(
    optax.clip_by_global_norm(1.0), optax.scale_by_adam()
  ).init({"module": {"w": np.zeros(3)}})
  content = {
    "global_step": 25_000,
    "params": params,
    "state": {},
    "opt_state": state,
  }
  write(path, content)
  return model, variables, path


def test_released_form_is_read_without_its_optimizer(released):
  model, variables, path = released
  assert reader.is_pickle(path)
  found, loaded = perceiver.load(path, model.config)
  assert found.config == model.config
  chex.assert_trees_all_equal(loaded.params, variables.params)


def test_there_and_back(released, tmp_path):
  model, variables, _ = released
  path = tmp_path / "theirs.pkl"
  files.save(path, model, variables)
  theirs = files.read(path).params
  table = theirs["perceiver_ar/~/embed_1"]["embeddings"]
  chex.assert_shape(table, (30, 24))
  assert table[0, 12:].tolist() == [1.0] * 12
  chex.assert_trees_all_equal(
    perceiver.load(path, model.config)[1].params, variables.params
  )


def test_small_files_do_not_become_large_ones(tmp_path):
  path = tmp_path / "zeros.zip"
  write(path, np.zeros(2**20))
  assert path.stat().st_size < 2**14
  assert not reader.is_pickle(path)
  with pytest.raises(errors.CheckpointError, match=r"a zip of 83\d+ bytes"):
    files.read(path)


def test_other_zips_and_other_classes_are_refused(tmp_path):
  path = tmp_path / "file.zip"
  arrays = {"params": {"m": {"w": np.ones(2)}}}
  write(path, {"opt_state": slice(1), **arrays})
  with pytest.raises(errors.CheckpointError, match="slice"):
    files.read(path)
  write(path, arrays | {"params": {"m": {"w": optax.EmptyState()}}})
  with pytest.raises(errors.CheckpointError, match="optimizerstate"):
    files.read(path)
  with zipfile.ZipFile(path, "a") as archive:
    archive.writestr("another", b"")
  assert not reader.is_pickle(path)
  with pytest.raises(errors.CheckpointError, match="a zip of 2 files"):
    files.read(path)
  path.write_bytes(path.read_bytes()[:50])
  with pytest.raises(errors.CheckpointError, match="damaged zip"):
    files.read(path)
