"""Baselines: flow without learning.

All take two frames [2, H, W, 3] uint8 and return the flow [H, W, 2] float32,
pixels. DIS and Farnebäck are OpenCV's and use greyscale.
"""

from collections.abc import Callable
import importlib
from typing import Any

import numpy as np

from experiments.data import files

_SMALLEST = 16  # pixels; OpenCV crashes on some frames that are flatter


def zero(frames: np.ndarray) -> np.ndarray:  # [2, H, W, 3] -> [H, W, 2]
  """Returns zero flow."""
  return np.zeros((*frames.shape[1:3], 2), np.float32)


def dis(frames: np.ndarray) -> np.ndarray:  # [2, H, W, 3] -> [H, W, 2]
  """Returns the flow of dense inverse search (Kroeger et al., 2016).

  With OpenCV's medium preset.

  Raises:
    files.InputError: if OpenCV is missing, or the frames are smaller than 16
      pixels.
  """
  opencv = _opencv()
  height, width = frames.shape[1:3]
  if min(height, width) < _SMALLEST:
    raise files.InputError(
      f"DIS needs frames of at least {_SMALLEST} × {_SMALLEST} pixels; these "
      f"have {height} × {width}."
    )
  method = opencv.DISOpticalFlow_create(opencv.DISOPTICAL_FLOW_PRESET_MEDIUM)
  return method.calc(*_grey(opencv, frames), None)


def farneback(frames: np.ndarray) -> np.ndarray:  # [2, H, W, 3] -> [H, W, 2]
  """Returns the flow of Farnebäck's polynomial expansion (2003).

  With the settings of OpenCV's own example: three scales, each half the one
  before, windows of 15 pixels and polynomials of 5.

  Raises:
    files.InputError: if OpenCV is missing.
  """
  opencv = _opencv()
  return opencv.calcOpticalFlowFarneback(
    *_grey(opencv, frames),
    None,
    pyr_scale=0.5,
    levels=3,
    winsize=15,
    iterations=3,
    poly_n=5,
    poly_sigma=1.2,
    flags=0,
  )


BASELINES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
  "zero": zero,
  "dis": dis,
  "farneback": farneback,
}


def _grey(opencv: Any, frames: np.ndarray) -> list[np.ndarray]:
  """Returns both frames in grey, each [H, W] uint8."""
  return [opencv.cvtColor(x, opencv.COLOR_RGB2GRAY) for x in frames]


def _opencv() -> Any:
  try:
    return importlib.import_module("cv2")
  except ModuleNotFoundError as error:
    raise files.InputError(
      "DIS and Farnebäck need OpenCV: `pip install -e '.[video]'`."
    ) from error
