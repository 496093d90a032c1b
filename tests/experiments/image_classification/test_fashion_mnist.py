"""Fashion-MNIST from files to a trained and evaluated model."""

import numpy as np
from PIL import Image
import pytest

from experiments import evaluate
from experiments import predict
from experiments import train
from experiments.data import fashion_mnist
from experiments.image_classification.fashion_mnist import data
from tests.helpers import commands
from tests.helpers import tiny_archives
from tests.helpers import tiny_models


@pytest.fixture(name="folder")
def _folder(tmp_path):
  return tiny_archives.write(tmp_path / "set", tiny_archives.fashion_mnist())


def config(folder, **options):
  kind = fashion_mnist.Kind.FASHION_MNIST
  return data.DataConfig(source=fashion_mnist.Source(kind, folder), **options)


def test_splits(folder):
  generator = np.random.default_rng(0)
  for hold_out, counts in ((False, (24, 12)), (True, (22, 2))):
    splits = data.splits(config(folder, hold_out=hold_out))
    assert tuple(len(split.source) for split in splits) == counts
    assert all(split.name.endswith("not the official one") for split in splits)
    evaluated = splits[1].transform(splits[1].source[1], generator)
    pixels, label = splits[1].source[1]
    np.testing.assert_allclose(
      evaluated["images"][..., 0], (pixels / 255 - 0.286) / 0.353, atol=1e-6
    )
    assert evaluated["labels"] == label
    assert evaluated["images"].dtype == np.float32


def test_augmentation_moves_and_flips():
  image = np.arange(1, 28 * 28 + 1, dtype=np.uint16).reshape(28, 28)
  options = data.AugmentationConfig(max_shift=2, erase=0.0)
  generator = np.random.default_rng(0)
  seen = set()
  for _ in range(400):
    found = data.augment(image, generator, options)
    assert found.shape == (28, 28)
    flipped = found[10, 11] < found[10, 10]
    plain = found[:, ::-1] if flipped else found
    down, right = divmod(int(plain[10, 10]) - 1, 28)
    seen.add((bool(flipped), down - 10, right - 10))
    kept = (28 - abs(down - 10)) * (28 - abs(right - 10))
    assert (plain > 0).sum() == kept
  assert len(seen) == 2 * 5 * 5


def test_augmentation_erases_the_configured_share():
  image = np.zeros((28, 28), np.uint8)
  options = data.AugmentationConfig(
    max_shift=0, horizontal_flip=False, erase=0.5
  )
  generator = np.random.default_rng(0)
  areas = np.array(
    [(data.augment(image, generator, options) > 0).mean() for _ in range(400)]
  )
  assert 0.4 < (areas > 0).mean() < 0.6
  assert 0.1 < areas[areas > 0].mean() < 0.25
  assert areas.max() < 0.45
  assert not image.any()


def test_from_training_to_evaluation(folder, tmp_path, capsys):
  run = tmp_path / "run"
  words = ["fashion-mnist", "--recipe", "convnet", "--data.source", folder]
  words += ["--workdir", run, "--train.steps", 3, "--train.batch-size", 4]
  words += ["--train.schedule.warmup-steps", 1, "--train.epochs", "None"]
  out = commands.command(capsys, train.main, *words)
  assert "12 of 12 examples" in out
  (row,) = [row for row in commands.rows(run) if row["kind"] == "eval"]
  assert row["split"] == "fashion_mnist test, not the official one"
  out = commands.command(
    capsys, evaluate.main, run, "--data.source", folder, "--data.hold-out"
  )
  assert "2 of 2 examples" in out


def test_images_in_files_are_named(folder, tmp_path, capsys):
  split = data.splits(config(folder))[1]
  pixels, _ = split.source[3]
  path = tmp_path / "coat.png"
  Image.fromarray(pixels).save(path)
  expected = split.transform(split.source[3], np.random.default_rng(0))
  np.testing.assert_array_equal(data.read_image(path), expected["images"])
  model = tiny_models.classifier(fashion_mnist.SIZE, channels=1)
  model = model.with_num_classes(10)
  _, _, checkpoint = tiny_models.save(tmp_path, model)
  words = ["classify", str(path), "--checkpoint", str(checkpoint)]
  assert predict.main([*words, "--top", "10"]) == 0
  out = capsys.readouterr().out
  assert all(name in out for name in fashion_mnist.CLASS_NAMES)
