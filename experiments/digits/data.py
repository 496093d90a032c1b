"""1,797 handwritten digits, 8×8 grey scans that ship with scikit-learn.

They are the test part of the "Optical Recognition of Handwritten Digits" data
of the UCI repository. A fifth of the images, drawn once and for all, is held
out: their order follows the digits, so that every fifth would be one-sided.
"""

import dataclasses
from typing import Any

import numpy as np
from scipy import ndimage
from sklearn import datasets

from experiments import loading

SIZE = (8, 8)
NUM_CLASSES = 10
_BRIGHTEST = 16.0  # of the scans
_MEAN, _STDDEV = 0.305, 0.376  # of pixels in [0, 1], over all images
_NUM_HELD_OUT = 360
_SPLIT_SEED = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """How the training images are varied; the held-out ones never are.

  Attributes:
    rotation: largest rotation either way, degrees.
    scale: largest relative change of size either way.
    shift: largest shift along each axis either way, pixels.
  """

  rotation: float = 12.0
  scale: float = 0.12
  shift: float = 0.8

  def __post_init__(self) -> None:
    if min(self.rotation, self.scale, self.shift) < 0 or self.scale >= 1:
      raise ValueError(
        f"DataConfig: rotation {self.rotation}, scale {self.scale} and shift "
        f"{self.shift} must not be negative, and scale be less than 1"
      )


class _Digits:
  """Some of the images, [8, 8] in [0, 1], and what they show."""

  def __init__(self, held_out: bool) -> None:
    digits = datasets.load_digits()
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(digits.target))
    keep = np.sort(
      order[:_NUM_HELD_OUT] if held_out else order[_NUM_HELD_OUT:]
    )
    self._images = (digits.images[keep] / _BRIGHTEST).astype(np.float32)
    self._labels = digits.target[keep].astype(np.int32)

  def __len__(self) -> int:
    return len(self._labels)

  def __getitem__(self, index: Any) -> tuple[np.ndarray, np.int32]:
    return self._images[index], self._labels[index]


@dataclasses.dataclass(frozen=True)
class _Vary:
  """Turns, scales and shifts an image a little, then normalises it."""

  config: DataConfig

  def __call__(
    self, example: Any, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    image, label = example
    amounts = generator.uniform(-1, 1, 4)
    angle = np.deg2rad(self.config.rotation * amounts[0])
    scale = 1 + self.config.scale * amounts[1]
    shift = self.config.shift * amounts[2:]
    turn = np.array(
      [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    )
    matrix = turn / scale
    centre = (np.array(SIZE) - 1) / 2
    offset = centre - matrix @ (centre + shift)
    image = ndimage.affine_transform(image, matrix, offset, order=1)
    return _normalised(image, label)


def _plain(
  example: Any, generator: np.random.Generator
) -> dict[str, np.ndarray]:
  del generator
  return _normalised(*example)


def _normalised(image: np.ndarray, label: np.int32) -> dict[str, np.ndarray]:
  normalised = ((image - _MEAN) / _STDDEV).astype(np.float32)
  return {"images": normalised[..., None], "labels": label}


def splits(config: DataConfig) -> tuple[loading.Split, loading.Split]:
  """Returns 1,437 images to learn from and 360 to judge by.

  Batches of both have "images", float32 [B, 8, 8, 1] of about mean 0 and
  variance 1, and "labels", int32 [B].

  Args:
    config: how training images are varied.
  """
  return (
    loading.Split(_Digits(held_out=False), _Vary(config), "digits train"),
    loading.Split(_Digits(held_out=True), _plain, "digits held out"),
  )
