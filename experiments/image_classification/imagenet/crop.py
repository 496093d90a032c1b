"""Crops of ImageNet's images, and their resize to a square.

Both follow the released Perceiver IO pipeline, which uses TensorFlow's boxes
and bicubic resize. They are implemented here without TensorFlow. The pixels
that are cropped differ by a grey level or so: Pillow decodes JPEG exactly,
TensorFlow by default with a faster transform (`docs/numbers.md`).
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from perceiver import bounds

# TensorFlow tabulates the bicubic kernel with this many steps per pixel. Its
# rounding is kept.
_KERNEL_STEPS = 1024
_KEYS_A = -0.5

# Rows resized at a time, which fit into the processor's cache.
_BLOCK_ROWS = 32


class Box(NamedTuple):
  """A rectangle of whole pixels within an image."""

  top: int
  left: int
  height: int
  width: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomCropConfig:
  """Range of the boxes for training.

  Attributes:
    min_area: smallest share of the image's area of a sampled box.
    max_area: largest share of the image's area.
    min_covered: sampled boxes below this share of the area are rejected. The
      released value, 0.1, is above `min_area` and therefore decisive.
    min_aspect: smallest ratio of width to height.
    max_aspect: largest ratio of width to height.
    num_attempts: samples before the centre crop is used instead.
  """

  min_area: float = 0.08
  max_area: float = 1.0
  min_covered: float = 0.1
  min_aspect: float = 3 / 4
  max_aspect: float = 4 / 3
  num_attempts: int = 10

  def __post_init__(self) -> None:
    bounds.check_ranges(
      self,
      "num_attempts",
      min_area="(0, 1]",
      max_area=f"[{self.min_area}, 1]",
      min_covered=f"[0, {self.max_area}]",
      min_aspect="(0, inf)",
      max_aspect=f"[{self.min_aspect}, inf)",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class CentreCropConfig:
  """Centre crop for evaluation, a square.

  Attributes:
    fraction: side of the square as a share of the image's shorter side,
      0.875 = 224/256 as released.
  """

  fraction: float = 224 / 256

  def __post_init__(self) -> None:
    bounds.check_ranges(self, fraction="(0, 1]")


def centre_box(height: int, width: int, config: CentreCropConfig) -> Box:
  """Returns the square in the middle of a `height` x `width` image.

  Its side is rounded down; an odd pixel left over goes to the top and left.
  """
  side = max(1, int(config.fraction * min(height, width)))
  top, left = (height - side + 1) // 2, (width - side + 1) // 2
  return Box(top, left, side, side)


def random_box(
  height: int,
  width: int,
  generator: np.random.Generator,
  config: RandomCropConfig,
  fallback: CentreCropConfig,
) -> Box:
  """Samples the box of an Inception crop.

  The aspect ratio is uniform in its range, and the height is uniform over all
  heights that this ratio and the area's range allow: the distribution of
  TensorFlow's `sample_distorted_bounding_box`, which differs from the
  area-uniform crop of other libraries. As in TensorFlow, the last possible row
  and column of positions are never sampled.

  Args:
    height: rows of the image.
    width: columns of the image.
    generator: source of randomness.
    config: the range of boxes.
    fallback: the square used if no sample fits, or if a sample is the whole
      image.

  Returns:
    The box, within the image.
  """
  for _ in range(config.num_attempts):
    aspect = generator.uniform(config.min_aspect, config.max_aspect)
    size = _random_size(height, width, aspect, generator, config)
    if size is None or size[0] * size[1] < config.min_covered * height * width:
      continue
    if size == (height, width):
      break
    top, left = (
      int(generator.integers(max(1, free)))
      for free in (height - size[0], width - size[1])
    )
    return Box(top, left, *size)
  return centre_box(height, width, fallback)


def _random_size(
  height: int,
  width: int,
  aspect: float,
  generator: np.random.Generator,
  config: RandomCropConfig,
) -> tuple[int, int] | None:
  """Samples the height and width of a box; None if they do not fit."""
  min_area = config.min_area * height * width
  max_area = config.max_area * height * width
  highest = round((max_area / aspect) ** 0.5)
  if round(highest * aspect) > width:
    highest = int((width + 0.5 - 1e-7) / aspect)
  highest = min(highest, height)
  lowest = min(round((min_area / aspect) ** 0.5), highest)
  rows = int(generator.integers(lowest, highest + 1))
  # Rounding may leave the area's range by a pixel: one row mends it.
  if rows * round(rows * aspect) < min_area:
    rows += 1
  if rows * round(rows * aspect) > max_area:
    rows -= 1
  columns = round(rows * aspect)
  fits = 0 < rows <= height and 0 < columns <= width
  return (rows, columns) if fits and rows * columns >= min_area else None


def resize_bicubic(image: np.ndarray, height: int, width: int) -> np.ndarray:
  """Resizes an image like TensorFlow 2's bicubic resize.

  The Keys kernel (a = -0.5) over four taps per axis, pixel centres at half
  coordinates, no antialiasing when shrinking, and weights of taps beyond the
  border without weight. Values overshoot the input's range and are not clipped.

  Args:
    image: [h, w, C], any real dtype.
    height: rows of the result.
    width: columns of the result.

  Returns:
    [height, width, C] float32.
  """
  channels = image.shape[2]
  rows, row_weights = _taps(image.shape[0], height)  # [4, height] each
  columns, column_weights = _taps(image.shape[1], width)  # [4, width] each
  columns = columns[..., None] * channels + np.arange(channels)
  columns = columns.reshape(4, -1)  # [4, width·C]
  column_weights = np.repeat(column_weights, channels, axis=1)
  flat = image.reshape(image.shape[0], -1)  # [h, w·C]
  result = np.empty((height, width * channels), np.float32)
  for start in range(0, height, _BLOCK_ROWS):
    block = slice(start, start + _BLOCK_ROWS)
    weights = row_weights[:, block, None]
    values = _gather_sum(flat, rows[:, block], weights, axis=0)
    result[block] = _gather_sum(values, columns, column_weights, axis=1)
  return result.reshape(height, width, channels)


def _gather_sum(
  values: np.ndarray, indices: np.ndarray, weights: np.ndarray, axis: int
) -> np.ndarray:
  """Sums four weighted gathers along an axis of a matrix."""
  total = np.take(values, indices[0], axis) * weights[0]
  for index, weight in zip(indices[1:], weights[1:]):
    total += np.take(values, index, axis) * weight
  return total


def _taps(size: int, new_size: int) -> tuple[np.ndarray, np.ndarray]:
  """Returns indices and weights along an axis, [4, new_size] each."""
  scale = np.float32(size / new_size)
  centres = np.arange(new_size, dtype=np.float32) + np.float32(0.5)
  positions = centres * scale - np.float32(0.5)  # [new_size]
  floors = np.floor(positions)
  steps = np.rint((positions - floors) * np.float32(_KERNEL_STEPS))
  offsets = np.arange(-1, 3)[:, None]  # [4, 1]
  indices = floors.astype(np.int64) + offsets  # [4, new_size]
  weights = _keys_kernel(np.abs(steps / _KERNEL_STEPS - offsets))
  weights = np.where((indices >= 0) & (indices < size), weights, 0.0)
  weights = (weights / weights.sum(axis=0)).astype(np.float32)
  return np.clip(indices, 0, size - 1), weights


def _keys_kernel(distance: np.ndarray) -> np.ndarray:
  """Returns Keys's cubic convolution kernel (1981) at distances in [0, 2]."""
  x, a = distance.astype(np.float64), _KEYS_A
  near = ((a + 2) * x - (a + 3)) * x * x + 1
  far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
  return np.where(x <= 1, near, far)
