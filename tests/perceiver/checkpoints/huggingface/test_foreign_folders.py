"""Folders of `transformers` that other people trained, in all their forms."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import perceiver
from perceiver.checkpoints.huggingface import folder as huggingface_folder
from perceiver.models import glue
from tests.helpers import huggingface_folders
from tests.helpers import noise
from tests.helpers import tiny_models
from tests.helpers import trees

FOLDER = huggingface_folders.FOLDER
FOURIER = "image_classification_fourier"


@pytest.fixture
def folder(tmp_path):
  """A copy of a small classifier's folder, to be changed."""
  shutil.copytree(FOLDER / FOURIER, tmp_path / "folder")
  return tmp_path / "folder"


# ------------------------------------------------------------- files of arrays


@pytest.mark.parametrize(
  "form",
  ["safetensors", "safetensors shards", "pytorch", "pytorch shards"],
)
def test_every_form_has_the_same_arrays(folder, form):
  _, whole = perceiver.load(folder)
  huggingface_folders.rewrite(folder, form)
  assert (folder / "model.safetensors").is_file() == (form == "safetensors")
  assert huggingface_folder.is_folder(folder)
  _, found = perceiver.load(folder)
  round_off = lambda x: np.asarray(x.astype(jnp.bfloat16), x.dtype)
  trees.assert_identical(found, jax.tree.map(round_off, whole))


def test_folders_of_runs_are_ours(folder, tmp_path):
  assert huggingface_folder.is_folder(folder)
  model = perceiver.create(tiny_models.classifier())
  path = tmp_path / "run" / "model.safetensors"
  perceiver.save(path, model, noise.variables(model))
  path.with_name("config.json").write_text("{}")
  assert not huggingface_folder.is_folder(path.parent)
  assert not huggingface_folder.is_folder(path)


# ------------------------------------------------------------ what config lacks


@pytest.mark.parametrize("name", huggingface_folders.WHOLE)
def test_the_class_is_found_by_the_arrays(name, tmp_path):
  shutil.copytree(FOLDER / name, tmp_path / "folder")
  expected, _ = perceiver.load(FOLDER / name)
  huggingface_folders.change(tmp_path / "folder", architectures=None)
  assert perceiver.load(tmp_path / "folder")[0] == expected


def test_names_of_classes_are_kept(folder, tmp_path):
  names = ("ant", "bee", "cat", "dog", "ä|b")
  assert perceiver.load(folder)[0].class_names is None  # LABEL_0 and so on
  huggingface_folders.change(
    folder, id2label={str(i): name for i, name in enumerate(names)}
  )
  model, variables = perceiver.load(folder)
  assert model.class_names == names
  insisted, _ = perceiver.load(folder, model.config)
  assert insisted.class_names == names
  huggingface_folder.save(tmp_path / "again", model, variables)
  perceiver.save(tmp_path / "ours", model, variables)
  for path in ("again", "ours"):
    assert perceiver.load(tmp_path / path)[0] == model
  huggingface_folders.change(
    folder, id2label={"0": "ant", "1": "bee"}
  )  # not one for each
  assert perceiver.load(folder)[0].class_names is None


@pytest.mark.parametrize(
  ("image_size", "processor", "size"),
  [
    (56, None, (224, 224)),  # the default, which stands in every file
    (..., None, (224, 224)),  # left out
    (32, None, (32, 32)),
    (56, {"size": {"height": 40, "width": 48}}, (40, 48)),
    (32, {"size": 64}, (64, 64)),
    (32, {"crop_size": 256}, (32, 32)),
  ],
)
def test_sizes_of_images(folder, image_size, processor, size):
  huggingface_folders.change(folder, image_size=image_size)
  if processor is not None:
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
  model, _ = perceiver.load(folder)
  assert model.config.inputs.size == size


@pytest.mark.parametrize("size", [[32], "32", -1, {"height": 3}, None, 1e3])
def test_impossible_sizes_are_refused(folder, size):
  (folder / "preprocessor_config.json").write_text(json.dumps({"size": size}))
  with pytest.raises(perceiver.CheckpointError, match="no model of ours"):
    perceiver.load(folder)


# --------------------------------------------------------- classifiers of text


def test_classifiers_of_text_come_back(tmp_path):
  model = perceiver.create(tiny_models.text_classifier(3))
  model = dataclasses.replace(model, class_names=("bad", "good", "so so"))
  variables = noise.variables(model)
  huggingface_folder.save(tmp_path / "folder", model, variables)
  entries = json.loads((tmp_path / "folder" / "config.json").read_text())
  assert entries["architectures"] == ["PerceiverForSequenceClassification"]
  found, again = perceiver.load(tmp_path / "folder", model.config)
  assert found == model
  trees.assert_identical(again, variables)
  huggingface_folders.change(tmp_path / "folder", architectures=None)
  read, _ = perceiver.load(tmp_path / "folder")
  assert type(read.config) is type(model.config)


def test_masked_text_changes_nothing():
  model = perceiver.create(tiny_models.text_classifier(3))
  variables = noise.variables(model)
  ids = np.random.default_rng(0).integers(6, 262, (2, 24), np.int32)
  mask = np.arange(24) < np.array([[24], [9]])
  found = model.apply(variables, ids, mask=mask)
  assert found.shape == (2, 3)
  other = np.where(mask, ids, 6)
  np.testing.assert_allclose(
    model.apply(variables, other, mask=mask), found, rtol=1e-5, atol=1e-6
  )
  assert not np.allclose(model.apply(variables, other), found, atol=1e-3)


def test_tasks_begin_with_a_classifier_of_text(tmp_path):
  model = perceiver.create(tiny_models.text_classifier(3))
  variables = noise.variables(model)
  perceiver.save(tmp_path / "model", model, variables)
  task = glue.single_task("rte", model.config.trunk)
  _, found, report = perceiver.load_for_finetuning(task, tmp_path / "model")
  assert not report.interpolated
  assert all("decoder" in name or "queries" in name for name in report.left_out)
  for module, arrays in variables.params.items():
    if "decoder" not in module and "queries" not in module:
      trees.assert_identical(found.params[module], arrays)
