"""Classification of images from the command line."""

import dataclasses
import json
import pathlib

import numpy as np
from PIL import Image
import pytest

from experiments import predict
from experiments.image_classification.imagenet import crop
from experiments.image_classification.imagenet import pixels
import perceiver
from perceiver.models import registry as models
from tests.helpers import image_folders
from tests.helpers import tiny_models


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  return tiny_models.save(
    tmp_path_factory.mktemp("model"), tiny_models.classifier()
  )


@pytest.fixture
def images(tmp_path):
  generator = np.random.default_rng(0)
  folder = tmp_path / "images"
  folder.mkdir()
  for i, shape in enumerate(((40, 30, 3), (16, 16, 3), (9, 50, 3))):
    image = generator.integers(0, 256, shape, np.uint8)
    Image.fromarray(image).save(folder / f"{i + 9}.png")
  return folder


def test_images_are_prepared_and_classified(trained, images, tmp_path, capsys):
  model, variables, path = trained
  output = tmp_path / "found" / "out.jsonl"
  arguments = ["classify", str(images), "--checkpoint", path]
  arguments += ["--output", str(output), "--batch-size", "2"]
  assert predict.main(arguments) == 0
  rows = [json.loads(line) for line in output.read_text().splitlines()]
  files = [images / f"{i}.png" for i in (9, 10, 11)]
  assert [row["image"] for row in rows] == list(map(str, files))
  image = np.asarray(Image.open(files[0]))
  assert crop.centre_box(40, 30, crop.CentreCropConfig()) == (7, 2, 26, 26)
  patch = pixels.normalise(crop.resize_bicubic(image[7:33, 2:28], 16, 16))
  logits = np.asarray(model.apply(variables, patch[None]))[0]
  expected = np.exp(logits) / np.exp(logits).sum()
  found = rows[0]["predictions"]
  assert [x["class"] for x in found] == list(np.argsort(-logits)[:5])
  np.testing.assert_allclose(
    [x["probability"] for x in found], np.sort(expected)[::-1][:5], rtol=1e-5
  )
  assert [p.name for p in output.parent.iterdir()] == ["out.jsonl"]
  assert capsys.readouterr().out.count("class") == 15


def test_photographs_are_turned_upright(trained, images, tmp_path):
  upright = Image.open(images / "9.png")
  turned = upright.transpose(Image.Transpose.ROTATE_90)
  path = images / "camera.png"
  path.write_bytes(image_folders.encode(turned, "PNG", orientation=6))
  output = tmp_path / "out.jsonl"
  files = [str(images / "9.png"), str(path), "--output", str(output)]
  assert predict.main(["classify", *files, "--checkpoint", trained[2]]) == 0
  first, second = map(json.loads, output.read_text().splitlines())
  assert first["predictions"] == second["predictions"]


def test_folders_of_classes(trained, images, capsys):
  arguments = ["classify", str(images.parent), "--checkpoint", trained[2]]
  assert predict.main(arguments) == 0
  out = capsys.readouterr().out
  assert all(f"{images}/{i}.png\n" in out for i in (9, 10, 11))


def test_labels(trained, images, tmp_path, capsys):
  labels = tmp_path / "labels.txt"
  labels.write_text("".join(f"thing {i}\n" for i in range(7)))
  arguments = ["classify", str(images / "9.png"), "--checkpoint", trained[2]]
  arguments += ["--labels", str(labels), "--top", "7"]
  assert predict.main(arguments) == 0
  out = capsys.readouterr().out
  assert all(f"%  thing {i}\n" in out for i in range(7))
  labels.write_text("one\ntwo\n")
  assert predict.main(arguments) == 1
  assert "has 2 lines; expected 7" in capsys.readouterr().err


def test_names_that_the_model_was_trained_with(images, tmp_path, capsys):
  model, variables, path = tiny_models.save(tmp_path, tiny_models.classifier())
  names = tuple(f"thing {i}" for i in range(7))
  arguments = ["classify", str(images / "9.png"), "--checkpoint", str(tmp_path)]
  perceiver.save(path, dataclasses.replace(model, class_names=names), variables)
  assert predict.main([*arguments, "--top", "7"]) == 0
  out = capsys.readouterr().out
  assert all(f"%  thing {i}\n" in out for i in range(7))


def test_the_folder_of_a_run(trained, images, capsys):
  folder = str(pathlib.Path(trained[2]).parent)
  arguments = ["classify", str(images / "9.png"), "--checkpoint"]
  assert predict.main([*arguments, trained[2]]) == 0
  by_file = capsys.readouterr().out
  assert predict.main([*arguments, folder]) == 0
  assert capsys.readouterr().out == by_file


def test_random_weights_have_a_warning(images, monkeypatch, capsys):
  monkeypatch.setitem(models.CONFIGS, "tiny", tiny_models.classifier())
  arguments = ["classify", str(images / "9.png"), "--model", "tiny"]
  assert perceiver.create("tiny").num_parameters() > 0
  assert predict.main([*arguments, "--random-weights"]) == 0
  captured = capsys.readouterr()
  assert "never trained" in captured.err
  assert "%  class" in captured.out


@pytest.mark.parametrize(
  ("extra", "code", "message"),
  [
    (["--random-weights"], 2, "not both"),
    (["--top", "0"], 2, "must be at least 1"),
    (["--model", "imagenet_forier"], 2, "Did you mean imagenet_fourier"),
    (["--model", "imagenet_fourier"], 1, "holds another model"),
    (["--labels", "nothing.txt"], 1, "nothing.txt cannot be read"),
    (["nothing.png"], 1, "There is no nothing.png"),
    (["--output", "/proc/nothing/x"], 1, "/proc/nothing/x cannot be written"),
  ],
)
def test_impossible_arguments_are_refused(
  trained, images, capsys, extra, code, message
):
  arguments = ["classify", str(images / "9.png"), *extra]
  assert predict.main([*arguments, "--checkpoint", trained[2]]) == code
  err = capsys.readouterr().err.replace("'", "")
  assert message in err
  assert "Traceback" not in err


def test_without_images_or_weights(images, capsys):
  assert predict.main(["classify", "--random-weights"]) == 2
  assert "name at least one image" in capsys.readouterr().err
  assert predict.main(["classify", str(images)]) == 2
  assert "give --checkpoint PATH" in capsys.readouterr().err
  assert predict.main(["classify", str(images), "--checkpoint", "nowhere"]) == 1
  assert "There is no checkpoint nowhere" in capsys.readouterr().err


def test_files_that_are_no_images_or_checkpoints(
  trained, images, tmp_path, capsys
):
  broken = tmp_path / "broken.jpg"
  broken.write_bytes(b"no image")
  arguments = ["classify", str(broken), "--checkpoint"]
  assert predict.main([*arguments, trained[2]]) == 1
  assert f"image {broken}: not a readable image" in capsys.readouterr().err
  assert predict.main([*arguments, str(broken)]) == 1
  assert "Checkpoint:" in capsys.readouterr().err


@pytest.mark.parametrize(
  ("config", "message"),
  [
    (
      tiny_models.language_model(),
      "needs a model of kind ImageClassifierConfig",
    ),
    (tiny_models.classifier(channels=1), "1 channels"),
    (tiny_models.classifier(size=(16, 8)), "prepares square images"),
    (tiny_models.classifier((28, 28), channels=1), "for its ten classes"),
  ],
)
def test_other_models_are_refused(config, message, images, tmp_path, capsys):
  path = tiny_models.save(tmp_path, config)[2]
  assert predict.main(["classify", str(images), "--checkpoint", path]) == 2
  assert message in capsys.readouterr().err
