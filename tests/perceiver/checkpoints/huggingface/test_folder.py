"""Folders of `transformers`, read and written."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

import perceiver
from perceiver import position_encoding
from perceiver.adapters import image
from perceiver.checkpoints import arrays_file
from perceiver.checkpoints.deepmind import files
from perceiver.checkpoints.huggingface import config as huggingface_config
from perceiver.checkpoints.huggingface import folder as huggingface_folder
from perceiver.models import imagenet
from tests.helpers import fill
from tests.helpers import huggingface_folders
from tests.helpers import noise
from tests.helpers import released
from tests.helpers import released_models
from tests.helpers import trees

FOLDER = huggingface_folders.FOLDER


def autoencoder():
  """Returns the autoencoder that the golden arrays are of, and variables."""
  name = "multimodal_autoencoding"
  entries = huggingface_folders.entries(name)
  shapes = dict.fromkeys(huggingface_config.CLASSES, (700,))
  config = huggingface_config.read(entries["architectures"][0], entries, shapes)
  model = perceiver.create(config)
  names = {
    module: {name: x.shape for name, x in arrays.items()}
    for module, arrays in files.shapes(model).params.items()
  }
  params = fill.parameters(huggingface_folders.SALT, names)
  return model, files.from_theirs(
    model, perceiver.Variables(params, {}), source=name
  )


@pytest.mark.parametrize("name", huggingface_folders.NAMES)
def test_outputs_are_theirs(name):
  if name in huggingface_folders.WHOLE:
    model, variables = huggingface_folder.read(FOLDER / name)
  else:
    model, variables = autoencoder()
  arrays = huggingface_folders.golden(name)
  model = perceiver.create(huggingface_folders.sized(model.config, arrays))
  found = huggingface_folders.outputs(model, variables, arrays)
  assert set(found) == {x for x in arrays if x.startswith("out_")}
  for key, array in found.items():
    assert released.relative_error(array, arrays[key]) < 1e-5, key


@pytest.mark.parametrize("name", huggingface_folders.NAMES)
def test_there_and_back_nothing_changes(name, tmp_path):
  if name in huggingface_folders.WHOLE:
    model, variables = huggingface_folder.read(FOLDER / name)
  else:
    model, variables = autoencoder()
  folder = tmp_path / "folder"
  huggingface_folder.save(folder, model, variables)
  assert sorted(x.name for x in folder.iterdir()) == [
    "config.json",
    "model.safetensors",
  ]
  found, again = huggingface_folder.read(folder)
  assert found == model
  trees.assert_identical(again, variables)
  expected = huggingface_folders.entries(name)
  written = json.loads((folder / "config.json").read_text())
  for key in set(written) - {"image_size"}:  # which classifiers may not use
    assert written[key] == expected[key], key
  if name in huggingface_folders.WHOLE:
    ours, theirs = (
      safetensors_numpy.load_file(x / "model.safetensors")
      for x in (folder, FOLDER / name)
    )
    assert {k: (x.dtype, x.shape) for k, x in ours.items()} == {
      k: (x.dtype, x.shape) for k, x in theirs.items()
    }


# ------------------------------------------------------------- released models


def released_config(name):
  """Returns a released model but for its depth and latents."""
  config = perceiver.create(name).config
  network = dataclasses.replace(
    config.perceiver,
    encoder=dataclasses.replace(config.perceiver.encoder, num_latents=3),
    processor=dataclasses.replace(
      config.perceiver.processor, num_self_attends_per_block=1
    ),
  )
  return dataclasses.replace(config, perceiver=network)


@pytest.mark.parametrize("name", files.RELEASED)
def test_released_models_come_back_bit_for_bit(name, tmp_path):
  model = perceiver.create(released_config(name))
  released_file = tmp_path / "released"
  files.save(released_file, model, noise.variables(model))
  first = files.load(model, released_file)
  perceiver.save(tmp_path / "ours", model, first)
  _, second = perceiver.load(tmp_path / "ours", model.config)
  huggingface_folder.save(tmp_path / "theirs", model, second)
  _, third = perceiver.load(tmp_path / "theirs", model.config)
  trees.assert_identical(third, first)
  files.save(tmp_path / "again", model, third)
  trees.assert_identical(
    files.read(tmp_path / "again"), files.read(released_file)
  )


def test_a_query_that_is_not_added_is_taken_off_the_bias(tmp_path):
  model, variables = huggingface_folder.read(
    FOLDER / "image_classification_learned"
  )
  config = released_models.with_query_residual(model.config, False)
  model = perceiver.create(config)
  huggingface_folder.save(tmp_path / "folder", model, variables)
  found, again = huggingface_folder.read(tmp_path / "folder")
  assert found == model
  trees.assert_identical(again, variables)
  # What transformers makes of it, which knows no metadata.
  path = tmp_path / "folder" / "model.safetensors"
  safetensors_numpy.save_file(safetensors_numpy.load_file(path), path)
  added, folded = huggingface_folder.read(tmp_path / "folder")
  assert added.config.perceiver.decoder.cross_attention.query_residual
  images = fill.array((1, 16, 16, 3), "images")
  error = released.relative_error(
    added.apply(folded, images), model.apply(variables, images)
  )
  assert error < 1e-5
  assert not huggingface_folder.deviations(model)


def test_statistics_that_are_not_there_are_as_after_many_updates():
  _, variables = huggingface_folder.read(FOLDER / "image_classification_conv")
  for statistic in variables.state.values():
    np.testing.assert_array_equal(statistic["hidden"], statistic["average"])
    assert statistic["counter"] == 10_000


def test_what_transformers_does_otherwise_is_said():
  (found,) = huggingface_folder.deviations(perceiver.create("imagenet_conv"))
  assert "padded otherwise" in found
  for name in set(files.RELEASED) - {"imagenet_conv"}:
    assert not huggingface_folder.deviations(perceiver.create(name))


# ------------------------------------------------------- what is not written


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: released_models.classifier(), "inputs.positions"),
    (lambda: released_models.CONFIGS["imagenet_learned"], "inputs."),
    (lambda: released_models.CONFIGS["language_bytes"], "perceiver.decoder."),
    (lambda: released_models.CONFIGS["optical_flow"], "frames.features"),
    (lambda: released_models.CONFIGS["video_autoencoding"], "inputs.modal"),
    (lambda: imagenet.PERCEIVER, "perceiver."),
    (
      lambda: released_models.classifier(image.Patches(size=4)),
      "has no class for a ImageClassifierConfig of this kind",
    ),
    (
      lambda: dataclasses.replace(
        imagenet.FOURIER,
        inputs=dataclasses.replace(imagenet.FOURIER.inputs, permutation_seed=1),
      ),
      "inputs.permutation_seed is 1; expected None",
    ),
    (
      lambda: perceiver.create("perceiver_modelnet40").config,
      "has no class for a PointClassifierConfig",
    ),
  ],
  ids=range(9),
)
def test_models_without_a_class_are_not_written(make, message, tmp_path):
  model = perceiver.create(make())
  with pytest.raises(perceiver.CheckpointError) as caught:
    huggingface_folder.save(tmp_path / "folder", model, noise.variables(model))
  assert message in str(caught.value)
  assert not list(tmp_path.iterdir())


@pytest.fixture
def folder(tmp_path):
  """A copy of a small folder, to be changed."""
  shutil.copytree(FOLDER / "masked_lm", tmp_path / "folder")
  return tmp_path / "folder"


def test_nothing_is_overwritten(folder):
  model, variables = huggingface_folder.read(folder)
  before = {x: x.read_bytes() for x in folder.iterdir()}
  with pytest.raises(FileExistsError, match="there is something at"):
    huggingface_folder.save(folder, model, variables)
  assert {x: x.read_bytes() for x in folder.iterdir()} == before


def test_a_failed_write_leaves_nothing(folder, tmp_path, monkeypatch):
  model, variables = huggingface_folder.read(folder)

  def fail(*args):
    raise OSError("disk full")

  monkeypatch.setattr(arrays_file, "write", fail)
  with pytest.raises(OSError, match="disk full"):
    huggingface_folder.save(tmp_path / "new", model, variables)
  assert list(tmp_path.iterdir()) == [folder]


def test_positions_of_another_resolution_are_another_model(tmp_path):
  name = "image_classification_fourier"
  model, _ = huggingface_folder.read(FOLDER / name)
  coarse = position_encoding.Fourier(num_bands=64, max_resolution=(32, 32))
  config = dataclasses.replace(
    model.config,
    inputs=dataclasses.replace(model.config.inputs, positions=coarse),
  )
  with pytest.raises(
    perceiver.CheckpointError, match=r"inputs\.positions\.max"
  ):
    perceiver.load(FOLDER / name, config)


def test_no_dropout_may_be_written_as_an_integer():
  entries = huggingface_folders.entries("masked_lm")
  key = "attention_probs_dropout_prob"
  found = huggingface_config.read(
    "PerceiverForMaskedLM", {**entries, key: 0}, {}
  )
  assert found.perceiver.encoder.cross_attention.attention_dropout_rate == 0
