"""The command `perceiver convert`, and the script of the same work."""

import hashlib
import pathlib
import pickle
import subprocess
import sys

import jax
import numpy as np
import pytest

import perceiver
from perceiver import __main__ as command
from perceiver.checkpoints.deepmind import files
from perceiver.checkpoints.huggingface import folder as huggingface_folder
from tests.helpers import folders
from tests.helpers import huggingface_folders
from tests.helpers import trees

FOLDER = huggingface_folders.FOLDER / "masked_lm"


def convert(*arguments):
  return command.main(["convert", *map(str, arguments)])


def test_files_and_checksums_are_printed(tmp_path, capsys):
  assert convert(FOLDER, tmp_path / "ours") == 0
  printed = capsys.readouterr().out
  for path in (*FOLDER.iterdir(), tmp_path / "ours"):
    if path.name == "io.npz":
      continue
    content = path.read_bytes()
    assert f"{path}\n" in printed
    assert f"{len(content):,} bytes" in printed
    assert hashlib.sha256(content).hexdigest() in printed
  assert "model       LanguageModelConfig" in printed
  model, _ = huggingface_folder.read(FOLDER)
  assert f"parameters  {model.num_parameters():,}\n" in printed
  assert "note   " not in printed


def test_all_forms_follow_one_another(tmp_path):
  model, variables = huggingface_folder.read(FOLDER)
  assert convert(FOLDER, tmp_path / "a") == 0
  assert convert(tmp_path / "a", tmp_path / "b", "--to", "deepmind") == 0
  assert convert(tmp_path / "a", tmp_path / "c", "--to", "huggingface") == 0
  assert convert(tmp_path / "c", tmp_path / "d", "--to", "perceiver") == 0
  trees.assert_identical(perceiver.load(tmp_path / "a")[1], variables)
  trees.assert_identical(files.load(model, tmp_path / "b"), variables)
  trees.assert_identical(perceiver.load(tmp_path / "d")[1], variables)
  assert perceiver.load(tmp_path / "d")[0] == model


def test_a_released_model_is_recognised(tmp_path, capsys):
  model = perceiver.create("video_autoencoding")
  zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), model.shapes())
  files.save(tmp_path / "a", model, zeros)
  assert convert(tmp_path / "a", tmp_path / "b") == 0
  printed = capsys.readouterr().out
  assert "model       video_autoencoding\n" in printed
  assert "parameters  19,858,855\n" in printed
  assert (
    convert(tmp_path / "a", tmp_path / "c", "--model", "video_autoencoding")
    == 0
  )


def test_deviations_are_noted(tmp_path, capsys):
  folder = huggingface_folders.FOLDER / "image_classification_conv"
  assert convert(folder, tmp_path / "a", "--to", "huggingface") == 0
  assert "note   " not in capsys.readouterr().out
  model = perceiver.create("imagenet_conv")
  zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), model.shapes())
  perceiver.save(tmp_path / "b", model, zeros)
  assert convert(tmp_path / "b", tmp_path / "c", "--to", "huggingface") == 0
  assert (
    "note        In transformers its convolution" in capsys.readouterr().out
  )


class Call:
  def __reduce__(self):
    return (pathlib.Path.touch, (pathlib.Path("marker"),))


@pytest.mark.parametrize("form", ["perceiver", "deepmind", "huggingface"])
@pytest.mark.parametrize(
  ("write", "message"),
  [
    (lambda path: None, "there is no file"),
    (lambda path: path.write_bytes(b"text"), "cannot be read"),
    (lambda path: path.write_bytes(pickle.dumps({"a": 1})), "is int"),
    (lambda path: path.write_bytes(pickle.dumps({"a": Call()})), "names"),
    (
      lambda path: path.write_bytes(pickle.dumps({"a": {"w": np.ones(3)}})),
      "are not those of",
    ),
  ],
  ids=range(5),
)
def test_unreadable_sources_leave_nothing(
  tmp_path, capsys, monkeypatch, write, message, form
):
  monkeypatch.chdir(tmp_path)
  write(tmp_path / "a")
  before = list(tmp_path.iterdir())
  assert convert(tmp_path / "a", tmp_path / "b", "--to", form) == 1
  assert list(tmp_path.iterdir()) == before
  printed = capsys.readouterr()
  assert printed.err.startswith("error: ")
  assert message in printed.err
  assert not printed.out


def test_nothing_is_overwritten(tmp_path, capsys):
  (tmp_path / "there").write_text("mine")
  assert convert(FOLDER, tmp_path / "there") == 1
  assert "is there already" in capsys.readouterr().err
  assert (tmp_path / "there").read_text() == "mine"


def test_another_model_is_refused(tmp_path, capsys):
  assert convert(FOLDER, tmp_path / "a", "--model", "language_bytes") == 1
  assert "holds another model" in capsys.readouterr().err
  assert not list(tmp_path.iterdir())


def test_models_without_a_form_are_refused(tmp_path, capsys):
  model = perceiver.create("perceiver_modelnet40")
  zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), model.shapes())
  perceiver.save(tmp_path / "a", model, zeros)
  for form in ("deepmind", "huggingface"):
    assert convert(tmp_path / "a", tmp_path / "b", "--to", form) == 1
    assert "PointClassifierConfig" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_the_folder_of_a_run_is_read(tmp_path):
  model, variables = huggingface_folder.read(FOLDER)
  perceiver.save(tmp_path / "run" / "model.safetensors", model, variables)
  (tmp_path / "run" / "config.json").write_text("{}")
  assert convert(tmp_path / "run", tmp_path / "a") == 0
  trees.assert_identical(perceiver.load(tmp_path / "a")[1], variables)


def test_an_unknown_model_is_refused(tmp_path, capsys):
  assert convert(FOLDER, tmp_path / "a", "--model", "imagenet_furier") == 1
  assert "Did you mean imagenet_fourier" in capsys.readouterr().err
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
  "start", [["perceiver", "convert"], ["scripts.convert_checkpoint"]]
)
def test_both_ways_to_start_it_describe_the_options(start):
  found = subprocess.run(
    [sys.executable, "-m", *start, "--help"],
    cwd=folders.ROOT,
    check=True,
    capture_output=True,
    text=True,
  ).stdout
  for word in ("SOURCE", "DESTINATION", "--model", "NAME"):
    assert word in found


@pytest.mark.parametrize("options", [["--to", "torch"], ["--more"]])
def test_unknown_options_are_refused(tmp_path, options):
  with pytest.raises(SystemExit):
    convert(FOLDER, tmp_path / "a", *options)
  assert not list(tmp_path.iterdir())
