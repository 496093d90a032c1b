"""Checkpoints of all kinds through one function."""

import dataclasses
import pickle

import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

import perceiver
from perceiver.checkpoints.deepmind import files
from perceiver.checkpoints.huggingface import folder
from tests.helpers import huggingface_folders
from tests.helpers import noise
from tests.helpers import released_models
from tests.helpers import trees

FOLDER = huggingface_folders.FOLDER / "image_classification_fourier"
MODEL, VARIABLES = folder.read(FOLDER)
SAVE = {
  "ours": perceiver.save,
  "deepmind": files.save,
  "huggingface": folder.save,
}


@pytest.mark.parametrize("kind", SAVE)
@pytest.mark.parametrize("suffix", ["", ".pickle", ".safetensors"])
def test_content_decides_the_kind(kind, suffix, tmp_path):
  path = tmp_path / f"model{suffix}"
  SAVE[kind](path, MODEL, VARIABLES)
  for given in (path, str(path)):
    model, variables = perceiver.load(given, MODEL.config)
    assert model == MODEL
    trees.assert_identical(variables, VARIABLES)


@pytest.mark.parametrize("kind", SAVE)
def test_another_model_is_refused(kind, tmp_path):
  SAVE[kind](tmp_path / "model", MODEL, VARIABLES)
  with pytest.raises(perceiver.CheckpointError) as caught:
    perceiver.load(tmp_path / "model", "imagenet_fourier")
  assert str(tmp_path / "model") in str(caught.value)
  assert "Differences in all:" in str(caught.value)


def test_differences_of_folders_name_the_field():
  message = "another model: its perceiver.encoder.num_latents is 6; expected 5"
  with pytest.raises(perceiver.CheckpointError, match=message):
    perceiver.load(FOLDER, "imagenet_fourier")
  kinds = "its config is ImageClassifierConfig; expected OpticalFlowConfig"
  with pytest.raises(perceiver.CheckpointError, match=kinds):
    perceiver.load(FOLDER, "optical_flow")


def test_the_given_model_decides_where_transformers_deviates():
  """DeepMind's weights were published there with another GELU."""
  network = MODEL.config.perceiver
  assert network.processor.self_attention.exact_gelu
  parts = {
    "encoder": "cross_attention",
    "processor": "self_attention",
    "decoder": "cross_attention",
  }
  changes = {}
  for name, block in parts.items():
    part = getattr(network, name)
    settings = dataclasses.replace(getattr(part, block), exact_gelu=False)
    changes[name] = dataclasses.replace(part, **{block: settings})
  released = dataclasses.replace(network, **changes)
  config = dataclasses.replace(MODEL.config, perceiver=released)
  config = released_models.with_query_residual(config, False)
  model, variables = perceiver.load(FOLDER, config)
  assert model.config == config
  trees.assert_identical(variables, VARIABLES)


def test_a_query_that_was_not_added_is_not_added_later(tmp_path):
  config = released_models.with_query_residual(MODEL.config, False)
  folder.save(tmp_path / "model", perceiver.create(config), VARIABLES)
  perceiver.load(tmp_path / "model", config)
  with pytest.raises(perceiver.CheckpointError, match="residual is False"):
    perceiver.load(tmp_path / "model", MODEL.config)


def test_precision_and_memory_are_the_models_own():
  config = dataclasses.replace(
    MODEL.config, precision=perceiver.Precision.BFLOAT16
  )
  model, _ = perceiver.load(FOLDER, config)
  assert model.config.precision is perceiver.Precision.BFLOAT16


def test_the_old_order_and_restore_are_deprecated(tmp_path):
  path = tmp_path / "model"
  perceiver.save(path, MODEL, VARIABLES)
  for given in (path, str(path)):
    with pytest.warns(DeprecationWarning, match="path, name_or_config"):
      model, variables = perceiver.load(MODEL.config, given)
    assert model == MODEL
    trees.assert_identical(variables, VARIABLES)
  with (
    pytest.warns(DeprecationWarning, match="path, name_or_config"),
    pytest.raises(perceiver.CheckpointError, match="holds another model"),
  ):
    perceiver.load("imagenet_fourier", path)
  with pytest.warns(DeprecationWarning, match=r"expected perceiver\.load"):
    model, variables = perceiver.restore(path)
  assert model == MODEL
  trees.assert_identical(variables, VARIABLES)


def test_a_misspelt_name_in_the_old_order_is_named(tmp_path):
  path = tmp_path / "model"
  perceiver.save(path, MODEL, VARIABLES)
  with (
    pytest.warns(DeprecationWarning, match="path, name_or_config"),
    pytest.raises(ValueError, match="there is no 'imagenet_furier'"),
  ):
    perceiver.load("imagenet_furier", path)


def test_a_file_may_be_called_like_a_model(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  perceiver.save("imagenet_fourier", MODEL, VARIABLES)
  assert perceiver.load("imagenet_fourier")[0] == MODEL
  assert perceiver.load("imagenet_fourier", MODEL.config)[0] == MODEL


def test_the_folder_of_a_run_is_read(tmp_path):
  perceiver.save(tmp_path / "model.safetensors", MODEL, VARIABLES)
  (tmp_path / "config.json").write_text("{}")
  assert perceiver.load(tmp_path)[0] == MODEL
  assert perceiver.load(tmp_path, MODEL.config)[0] == MODEL


def test_a_missing_checkpoint_is_named(tmp_path):
  for path in (tmp_path / "none", tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
      perceiver.load(path, MODEL.config)


@pytest.mark.parametrize(
  "content", [b"", b"\x80", b"text", b"\x80\x04.", b"PK\x03\x04" + bytes(99)]
)
def test_other_files_are_refused(content, tmp_path):
  path = tmp_path / "model"
  path.write_bytes(content)
  with pytest.raises(ValueError, match="cannot be read"):
    perceiver.load(path, MODEL.config)


def test_arrays_without_their_configuration_are_refused(tmp_path):
  """The second file of a folder of transformers is not enough."""
  path = FOLDER / "model.safetensors"
  with pytest.raises(ValueError, match="file of format 'pt'"):
    perceiver.load(path, MODEL.config)
  safetensors_numpy.save_file({"x": np.zeros(3)}, tmp_path / "x")
  with pytest.raises(ValueError, match="file of format None"):
    perceiver.load(tmp_path / "x", MODEL.config)


def test_any_model_is_read_without_its_name(tmp_path):
  perceiver.save(tmp_path / "ours", MODEL, VARIABLES)
  assert perceiver.load(tmp_path / "ours")[0] == MODEL
  assert perceiver.load(FOLDER)[0] == MODEL
  model = perceiver.create("imagenet_learned")
  files.save(tmp_path / "theirs", model, noise.variables(model))
  assert perceiver.load(tmp_path / "theirs")[0] == model


def test_pickles_are_not_run(tmp_path):
  class Call:
    def __reduce__(self):
      return (open, (str(tmp_path / "marker"), "w"))

  path = tmp_path / "model"
  path.write_bytes(pickle.dumps({"params": Call()}))
  for read in (
    lambda: perceiver.load(path, MODEL.config),
    lambda: perceiver.load(path),
  ):
    with pytest.raises(perceiver.CheckpointError, match=r"names '_?io\.open'"):
      read()
  assert list(tmp_path.iterdir()) == [path]
