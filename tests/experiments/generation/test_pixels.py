"""Images as sequences, and the baselines of their pixels."""

import dataclasses

import numpy as np
import pytest

from experiments.data import fashion_mnist
from experiments.data import files
from experiments.generation import baselines
from experiments.generation import sequences
from experiments.generation.pixels import configs
from experiments.generation.pixels import data as pixels_data
from perceiver.models import perceiver_ar

SYNTHETIC = fashion_mnist.Source(fashion_mnist.Kind.SYNTHETIC)
CONFIG = pixels_data.DataConfig(source=SYNTHETIC, eval_windows=None)


def test_every_pixel_counts_once():
  _, test = pixels_data.splits(CONFIG, (28, 28, 1), 784, 196)
  windows = [w for w in test.source if w.number == 0]
  assert [w.end for w in windows] == [197, 393, 589, 785]
  assert {w.counted for w in windows} == {196}
  example = test.transform(windows[-1], None)
  image = fashion_mnist.read(SYNTHETIC, fashion_mnist.Part.TEST).pixels[0]
  assert example["inputs"][0] == sequences.START
  np.testing.assert_array_equal(example["targets"] - 3, image.reshape(-1))


def test_other_positions_than_of_pixels_are_refused():
  with pytest.raises(ValueError, match="expected those of a grid of pixels"):
    dataclasses.replace(configs.MINI, model=perceiver_ar.MIRRORED_32)


def test_synthetic_images_have_any_size():
  train, _ = pixels_data.splits(CONFIG, (64, 64, 3), 12_416, 1024)
  elements = train.transform.sequences[0]
  assert elements.shape == (1 + 64 * 64 * 3,)
  pixels = elements[1:].reshape(64, 64, 3)
  np.testing.assert_array_equal(pixels[..., 0], pixels[..., 2])
  own = fashion_mnist.read(SYNTHETIC, fashion_mnist.Part.TRAIN).pixels[0]
  assert pixels[63, 63, 0] == own[27, 27] + 3


def test_other_sizes_of_real_images_are_refused(monkeypatch):
  real = fashion_mnist.Source(fashion_mnist.Kind.FASHION_MNIST)
  images = fashion_mnist.read(SYNTHETIC, fashion_mnist.Part.TEST)
  monkeypatch.setattr(fashion_mnist, "read", lambda *args: images)
  config = pixels_data.DataConfig(source=real)
  with pytest.raises(files.InputError, match="the only images that are read"):
    pixels_data.splits(config, (64, 64, 3), 12_416, 1024)


def test_neighbours_of_a_pixel():
  image = bytes(range(9))  # of 3 × 3 pixels
  assert list(baselines.above_and_left(image, 4, 4)) == [2, 0, 1, 3]
  assert list(baselines.above_and_left(image, 4, 2)) == [1, 3]
  assert list(baselines.above_and_left(image, 0, 4)) == [0, 0, 0, 0]
