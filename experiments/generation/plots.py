"""Plots of generation."""

import pathlib

import numpy as np
from PIL import Image

from experiments.runs import plots

_SCALE = 3  # pixels of a sheet for one of an image
_COLUMNS = 8


def curve(unit: str) -> tuple[plots.Panel, ...]:
  """Returns the panels of the learning curve."""
  return (plots.Panel(f"bits_per_{unit}"), plots.Panel("accuracy"))


def sheet(path: pathlib.Path, images: np.ndarray, caption: str = "") -> None:
  """Writes images side by side, [B, rows, columns, 1 or 3] uint8.

  Raises:
    files.InputError: if the file cannot be written.
  """
  count, rows, columns, channels = images.shape
  wide = min(count, _COLUMNS)
  high = -(-count // wide)
  whole = np.zeros((wide * high, rows, columns, channels), np.uint8)
  whole[:count] = images
  whole = whole.reshape(high, wide, rows, columns, channels)
  whole = whole.swapaxes(1, 2).reshape(high * rows, wide * columns, channels)
  large = whole.repeat(_SCALE, axis=0).repeat(_SCALE, axis=1)
  image = Image.fromarray(large[..., 0] if channels == 1 else large)
  plots.save_image(image, path, caption)
