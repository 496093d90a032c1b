"""1,797 handwritten digits, 8×8 grey scans that ship with scikit-learn.

They are the test part of the "Optical Recognition of Handwritten Digits" data
of the UCI repository. A fixed random fifth of the images is held out: their
order follows the digits, so that every fifth one would be no fair sample.
"""

import numpy as np

from experiments.data import loader

SIZE = (8, 8)
NUM_CLASSES = 10
_BRIGHTEST = 16.0  # of the scans
_MEAN, _STDDEV = 0.305, 0.376  # of pixels in [0, 1], over all images
_NUM_HELD_OUT = 360
_SPLIT_SEED = 0


def _digits(held_out: bool) -> list[tuple[np.ndarray, np.int32]]:
  """Returns images of one split, [8, 8] in [0, 1], and their labels."""
  from sklearn import datasets

  digits = datasets.load_digits()
  order = np.random.default_rng(_SPLIT_SEED).permutation(len(digits.target))
  keep = np.sort(order[:_NUM_HELD_OUT] if held_out else order[_NUM_HELD_OUT:])
  images = (digits.images[keep] / _BRIGHTEST).astype(np.float32)
  return list(zip(images, digits.target[keep].astype(np.int32)))


def _normalise(
  example: tuple[np.ndarray, np.int32], generator: np.random.Generator
) -> dict[str, np.ndarray]:
  del generator  # No augmentation: rotating or shifting so few pixels blurs.
  image, label = example
  normalised = ((image - _MEAN) / _STDDEV).astype(np.float32)
  return {"images": normalised[..., None], "labels": np.asarray(label)}


def splits() -> tuple[loader.Split, loader.Split]:
  """Returns the splits, 1,437 images for training and 360 for evaluation.

  Batches of both have "images", float32 [B, 8, 8, 1] of about mean 0 and
  variance 1, and "labels", int32 [B].
  """
  return (
    loader.Split(_digits(held_out=False), _normalise, "digits train"),
    loader.Split(_digits(held_out=True), _normalise, "digits held out"),
  )
