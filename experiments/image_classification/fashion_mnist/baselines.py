"""Classifiers of scikit-learn on Fashion-MNIST, for comparison.

  python -m experiments.evaluate fashion-baselines DIR

The convolutional network is a recipe of its own, `fashion-mnist --recipe
convnet`.
"""

import dataclasses
import pathlib
import time
from typing import Any

import numpy as np
from sklearn import base
from sklearn import neural_network
from sklearn import svm
import tabulate
import tyro

from experiments.data import fashion_mnist
from experiments.image_classification.fashion_mnist import data

_CELL = 7  # pixels
_NUM_ORIENTATIONS = 9  # of gradients, over half a turn
_CLIPPED = 0.2  # the largest value of a normalised block
_EPS = 1e-6


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaselinesConfig:
  """Fits an SVM of gradients and a multilayer perceptron of pixels.

  Attributes:
    folder: of the four files.
    hold_out: evaluate the last 5,000 training images in place of the test.
    num_train: images to fit, None for all; an SVM of all takes ten minutes.
  """

  folder: tyro.conf.Positional[pathlib.Path]
  hold_out: bool = False
  num_train: int | None = None


def gradient_histograms(pixels: np.ndarray) -> np.ndarray:
  """Returns histograms of oriented gradients (Dalal and Triggs, 2005).

  Cells of 7 × 7 pixels, blocks of 2 × 2 cells that overlap, each normalised,
  clipped and normalised again.

  Args:
    pixels: [N, H, W] uint8.

  Returns:
    [N, (H/7 - 1) · (W/7 - 1) · 36] float32.
  """
  images = pixels.astype(np.float32) / 255
  down, right = np.gradient(images, axis=(1, 2))  # [N, H, W]
  strength = np.hypot(down, right)
  turn = np.arctan2(down, right) / np.pi % 1 * _NUM_ORIENTATIONS
  lower = np.floor(turn).astype(int) % _NUM_ORIENTATIONS
  share = (turn - np.floor(turn)) * strength  # of the next orientation
  count, height, width = images.shape
  rows, columns = height // _CELL, width // _CELL
  cells = np.empty((count, rows, columns, _NUM_ORIENTATIONS), np.float32)
  for k in range(_NUM_ORIENTATIONS):
    voted = np.where(lower == k, strength - share, 0)
    voted += np.where(lower == (k - 1) % _NUM_ORIENTATIONS, share, 0)
    voted = voted[:, : rows * _CELL, : columns * _CELL]
    split = voted.reshape(count, rows, _CELL, columns, _CELL)
    cells[..., k] = split.sum(axis=(2, 4))
  blocks = np.concatenate(
    [
      cells[:, i : rows - 1 + i, j : columns - 1 + j]
      for i in (0, 1)
      for j in (0, 1)
    ],
    axis=-1,
  )  # [N, rows - 1, columns - 1, 4 · orientations]
  blocks = np.minimum(_normalised(blocks), _CLIPPED)
  return _normalised(blocks).reshape(count, -1)


def _normalised(blocks: np.ndarray) -> np.ndarray:
  length = np.linalg.norm(blocks, axis=-1, keepdims=True)
  return np.asarray(blocks / np.maximum(length, _EPS), np.float32)


def accuracy(
  classifier: base.BaseEstimator,
  train: tuple[Any, np.ndarray],
  evaluation: tuple[Any, np.ndarray],
) -> float:
  """Fits a classifier to rows and labels; returns its accuracy on others."""
  classifier.fit(*train)
  return float(np.mean(classifier.predict(evaluation[0]) == evaluation[1]))


def run(config: BaselinesConfig) -> None:
  """Runs the command `evaluate fashion-baselines`.

  Raises:
    files.InputError: if a file cannot be used.
  """
  source = fashion_mnist.Source(fashion_mnist.Kind.FASHION_MNIST, config.folder)
  train, evaluation = (
    fashion_mnist.read(source, part) for part in data.parts(config.hold_out)
  )
  train = fashion_mnist.Images(
    train.pixels[: config.num_train], train.labels[: config.num_train], False
  )
  flat = lambda pixels: pixels.reshape(len(pixels), -1) / np.float32(255)
  rows = []
  for name, of_pixels, classifier in (
    (
      "multilayer perceptron, 256 and 128 units",
      flat,
      neural_network.MLPClassifier(
        (256, 128), max_iter=20, early_stopping=True, random_state=0
      ),
    ),
    (
      "gradient histograms, SVM",
      gradient_histograms,
      svm.SVC(C=3.0, gamma=0.5, cache_size=1000),
    ),
  ):
    start = time.monotonic()
    both = [(of_pixels(x.pixels), x.labels) for x in (train, evaluation)]
    found = accuracy(classifier, *both)
    rows.append([name, f"{100 * found:.1f}", f"{time.monotonic() - start:.0f}"])
  headers = ("classifier", "accuracy, %", "seconds")
  print(
    tabulate.tabulate(rows, headers, tablefmt="pipe", disable_numparse=True)
  )
