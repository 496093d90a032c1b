"""Pixels of images, decoded, cut out and in the units of the models."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from experiments.data import files
from experiments.image_classification.imagenet import crop

MEAN = (0.485, 0.456, 0.406)  # of pixels in [0, 1]
STDDEV = (0.229, 0.224, 0.225)

# Scaled to pixels in [0, 255].
_MEAN = np.array(MEAN, np.float32) * np.float32(255)
_STDDEV = np.array(STDDEV, np.float32) * np.float32(255)


def decode(example: Mapping[str, Any], *, upright: bool) -> Image.Image:
  """Decodes the image of a raw example.

  Args:
    example: has "image", bytes of an image file, and perhaps "file_name".
    upright: whether the image is turned by its EXIF orientation.

  Raises:
    ValueError: naming its file, if it cannot be decoded.
  """
  try:
    return files.decode_image(example["image"], upright=upright)
  except ValueError as error:
    name = example.get("file_name", b"(no name)")
    name = name.decode() if isinstance(name, bytes) else name
    raise ValueError(f"image {name}: {error}") from error


def cut(image: Image.Image, box: crop.Box) -> Image.Image:
  """Returns the pixels in a box."""
  return image.crop(
    (box.left, box.top, box.left + box.width, box.top + box.height)
  )


def normalise(image: np.ndarray) -> np.ndarray:
  """Maps pixels in [0, 255], [H, W, 3], to the units of the models, float32."""
  width = image.shape[1]
  rows = image.reshape(image.shape[0], -1)  # [H, W·3], for NumPy's sake
  rows = (rows - np.tile(_MEAN, width)) / np.tile(_STDDEV, width)
  return rows.reshape(image.shape)
