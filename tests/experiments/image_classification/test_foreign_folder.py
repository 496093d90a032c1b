"""A classifier that others fine-tuned: predicted, evaluated, trained further.

Its folder is as `transformers` writes it: three classes with names, 32 pixels,
bfloat16, in several files.
"""

import json

import chex
import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest

from experiments import evaluate
from experiments import predict
from experiments import train
from experiments.image_classification.imagenet import configs
from experiments.image_classification.imagenet import prepare_folder
from experiments.training import pretrained
import perceiver
from perceiver import decoder
from perceiver.checkpoints.huggingface import folder as huggingface_folder
from perceiver.models import imagenet
from tests.helpers import commands
from tests.helpers import huggingface_folders
from tests.helpers import noise

NAMES = ("cat", "dog", "owl")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
  """The folder, and the variables in it."""
  folder = tmp_path_factory.mktemp("theirs") / "folder"
  config = imagenet.image_classifier(
    imagenet.FOURIER.inputs,
    decoder.DecoderConfig(query_channels=8, output_channels=3),
    num_latents=4,
    latent_channels=8,
    num_blocks=1,
    num_self_attends_per_block=1,
  )
  model = perceiver.create(config)
  variables = jax.tree.map(
    lambda x: np.asarray(x.astype(jnp.bfloat16), x.dtype),
    noise.variables(model),
  )
  huggingface_folder.save(folder, model, variables)
  huggingface_folders.rewrite(folder, "safetensors shards")
  entries = json.loads((folder / "config.json").read_text())
  entries |= {
    "dtype": "bfloat16",
    "id2label": {str(i): name for i, name in enumerate(NAMES)},
    "image_size": 32,
  }
  (folder / "config.json").write_text(json.dumps(entries))
  return folder, variables


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
  """Images of the three classes, also prepared."""
  root = tmp_path_factory.mktemp("data")
  for split in ("train", "validation"):
    for label, name in enumerate(NAMES):
      (root / "images" / split / name).mkdir(parents=True)
      for i in range(4):
        image = Image.new("RGB", (40 + i, 36), (60 + 60 * label,) * 3)
        image.save(root / "images" / split / name / f"{i}.png")
  prepare_folder.prepare(
    prepare_folder.PrepareConfig(
      folder=root / "images", name="three", data_dir=root
    )
  )
  return root / "images", root / "three"


def test_its_own_names_are_shown(foreign, prepared, capsys):
  path = prepared[0] / "validation" / "dog" / "0.png"
  given = ("classify", path, "--checkpoint", foreign[0])
  lines = commands.command(capsys, predict.main, *given).splitlines()
  assert {line.split()[-1] for line in lines[1:]} == set(NAMES)
  error = commands.command(
    capsys, predict.main, *given, "--model", "imagenet_fourier", code=1
  )
  assert "holds another model" in error


def test_it_is_trained_further(foreign, prepared, tmp_path, capsys):
  folder, variables = foreign
  data = ("imagenet", "--data.source", prepared[1], "--workdir", tmp_path)
  steps = ("--train.steps", 1, "--train.epochs", "None")
  options = (*steps, "--train.batch-size", 4, "--train.base-rate", "1e-9")
  given = (*data, *options, "--checkpoint", folder)
  commands.command(capsys, train.main, *given)
  model, trained = perceiver.load(tmp_path)
  assert model.config.inputs.size == (32, 32)
  assert model.class_names == NAMES
  chex.assert_trees_all_close(trained.params, variables.params, atol=1e-6)
  assert json.loads((tmp_path / "start.json").read_text())["transformers"]
  # The run goes on with that model, and needs the folder no more.
  started = pretrained.with_trunk(configs.MINI, None, tmp_path)
  assert started.model == model.config


def test_it_is_evaluated(foreign, prepared, capsys):
  given = ("imagenet", "--data.source", prepared[1], "--checkpoint", foreign[0])
  share = ("--calibrate", "0.25")
  out = commands.command(capsys, evaluate.main, *given, *share)
  assert "12 of 12" in out
  assert "fitted on 3 examples; on the other 9:" in out
  fewer = (*given, "--examples", "8", *share)
  out = commands.command(capsys, evaluate.main, *fewer)
  assert "fitted on 2 examples; on the other 6:" in out
  error = commands.command(
    capsys, evaluate.main, "optical-flow", *given[3:], code=1
  )
  assert "holds ImageClassifierConfig; expected OpticalFlow" in error
