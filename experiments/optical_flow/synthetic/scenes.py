"""Scenes of moving layers: two frames and the flow between them.

The flow is exact: a pixel belongs to the nearest layer whose coverage of its
centre is at least one half, and has that layer's motion. It is occluded if a
nearer layer covers the point that it moves to, or if that is out of the frame.
"""

import dataclasses
import math

import numpy as np

from experiments.optical_flow import examples
from experiments.optical_flow.synthetic import motions

_HALF = 0.5  # coverage from which on a layer owns a pixel
_MARGIN = 2  # pixels around the bounds of the points of a layer's border
_BLUR_SPACING = 1.5  # pixels between the samples that a blur is the mean of
_MAX_BLUR_SAMPLES = 8  # before and after the middle of the exposure
_CHUNK_SIZE = 8192  # points whose intermediate values fit into the cache

# Points along the border of a unit square, to find the bounds of a layer.
_SIDE = np.linspace(0, 1, 33)
_TOP = np.stack([_SIDE, 0 * _SIDE])
_BORDER = np.concatenate(
  [_TOP, _TOP[::-1], 1 - _TOP, 1 - _TOP[::-1]], axis=1
)  # [2, 132]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
  """A flat object that moves.

  Attributes:
    image: [h, w, 4] float32, colours from 0 to 255 times coverage, and coverage
      from 0 to 1, which is 0 along the border.
    pose: from points of the image to points of the first frame.
    motion: from points of the first frame to points of the second.
    endless: whether the image continues beyond its border, reflected; its
      coverage may then be 1 everywhere.
  """

  image: np.ndarray
  pose: motions.Affine
  motion: motions.Motion
  endless: bool = False

  def flow(self, points: np.ndarray, frame: int) -> np.ndarray:
    """Returns the flow [2, P] of points [2, P] of a frame to the other."""
    if frame == 0:
      return self.motion.displacement(points)
    return self.motion.inverse(points) - points

  def render(
    self, points: np.ndarray, frame: int, shutter: float = 0.0
  ) -> tuple[np.ndarray, np.ndarray]:
    """Renders the layer at points of a frame.

    Args:
      points: [2, P], of a frame.
      frame: 0 or 1.
      shutter: length of the exposure, in times from frame to frame. Moving
        points are blurred along a straight line.

    Returns:
      Colours times coverage, and coverage, [P, 4] float32, and whether the
      coverage in the middle of the exposure is at least one half, [P].
    """
    values = np.empty((points.shape[1], 4), np.float32)
    covered = np.empty(points.shape[1], np.bool_)
    for start in range(0, points.shape[1], _CHUNK_SIZE):
      chunk = slice(start, start + _CHUNK_SIZE)
      values[chunk], covered[chunk] = self._render(
        points[:, chunk], frame, shutter
      )
    return values, covered

  def _render(
    self, points: np.ndarray, frame: int, shutter: float
  ) -> tuple[np.ndarray, np.ndarray]:
    first = points if frame == 0 else self.motion.inverse(points)
    at = self.pose.inverse(first)
    sharp = _interpolate(self.image, at, self.endless)
    covered = sharp[:, 3] >= _HALF
    count = self._num_blur_samples(shutter)
    if not count:
      return sharp, covered
    path = points - first if frame else self.motion.displacement(first)
    path = shutter * np.linalg.solve(self.pose.matrix, path)  # [2, P]
    total = sharp
    for i in range(1, count + 1):
      for time in (-i / (2 * count), i / (2 * count)):
        total = total + _interpolate(self.image, at + time * path, self.endless)
    return total / (2 * count + 1), covered

  def _num_blur_samples(self, shutter: float) -> int:
    """Returns the number of samples before and after the middle."""
    if not shutter:
      return 0
    path = shutter * self.motion.displacement(self._border())
    longest = float(np.max(np.hypot(path[0], path[1])))
    return min(math.ceil(longest / 2 / _BLUR_SPACING), _MAX_BLUR_SAMPLES)

  def _border(self) -> np.ndarray:  # [2, 132]
    """Returns points along the border of the image, in the first frame."""
    last = np.array(self.image.shape[1::-1])[:, None] - 1
    points = _BORDER * last
    return points + self.pose.displacement(points)

  def bounds(
    self, size: tuple[int, int], frame: int, shutter: float = 0.0
  ) -> tuple[slice, slice]:
    """Returns rows and columns of a frame that contain the layer."""
    height, width = size
    if self.endless:
      return slice(0, height), slice(0, width)
    points = self._border()
    if frame or shutter:
      path = self.motion.displacement(points)
      middle = points + frame * path
      points = np.concatenate(
        [middle - shutter / 2 * path, middle + shutter / 2 * path], axis=1
      )
    low = np.floor(points.min(axis=1)).astype(int) - _MARGIN  # [2]: x, y
    high = np.ceil(points.max(axis=1)).astype(int) + _MARGIN + 1
    columns, rows = (
      slice(min(max(a, 0), n), min(max(b, 0), n))
      for a, b, n in zip(low.tolist(), high.tolist(), (width, height))
    )
    return rows, columns


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
  """Layers and a camera.

  Attributes:
    size: height and width of the frames, pixels.
    layers: the farthest first, which is endless and covers all pixels.
    shutter: exposure of a frame, in times from frame to frame.
  """

  size: tuple[int, int]
  layers: tuple[Layer, ...]
  shutter: float = 0.0


def render(scene: Scene, frame: int) -> tuple[np.ndarray, np.ndarray]:
  """Renders a frame.

  Args:
    scene: layers and camera.
    frame: 0 or 1.

  Returns:
    Colours from 0 to 255, [H, W, 3] float32, and the number of each pixel's
    layer, [H, W].
  """
  height, width = scene.size
  colours = np.zeros((height, width, 3), np.float32)
  owner = np.zeros((height, width), int)
  for number, layer in enumerate(scene.layers):
    rows, columns = layer.bounds(scene.size, frame, scene.shutter)
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    values, covered = layer.render(_grid(rows, columns), frame, scene.shutter)
    values = values.reshape(*shape, 4)
    below = colours[rows, columns]
    below *= 1 - values[..., 3:]
    below += values[..., :3]
    owner[rows, columns][covered.reshape(shape)] = number
  return colours, owner


def flow(
  scene: Scene,
  owner: np.ndarray,  # [H, W]
  frame: int = 0,
) -> np.ndarray:  # [H, W, 2]
  """Returns the flow from a frame to the other frame.

  Args:
    scene: layers and camera.
    owner: number of each pixel's layer.
    frame: 0 or 1.
  """
  result = np.zeros((*scene.size, 2))
  for number, layer in enumerate(scene.layers):
    rows, columns = np.nonzero(owner == number)
    if rows.size:
      points = np.stack([columns, rows]).astype(float)
      result[rows, columns] = layer.flow(points, frame).T
  return result


def occluded(
  scene: Scene,
  owner: np.ndarray,  # [H, W]
  flow: np.ndarray,  # [H, W, 2]
  frame: int = 0,
) -> np.ndarray:  # [H, W] bool
  """Returns the pixels of a frame that are not visible in the other frame.

  Args:
    scene: layers and camera.
    owner: number of each pixel's layer.
    flow: from the frame to the other frame, pixels.
    frame: 0 or 1.
  """
  whole = slice(0, scene.size[0]), slice(0, scene.size[1])
  target = _grid(*whole) + flow.reshape(-1, 2).T  # [2, H · W]
  hidden = ~_inside(target, *whole)
  owner = owner.ravel()
  for number, layer in enumerate(scene.layers):
    where = _inside(target, *layer.bounds(scene.size, 1 - frame))
    where = np.flatnonzero(where & ~hidden & (owner < number))
    if where.size:
      hidden[where] = layer.render(target[:, where], 1 - frame)[1]
  return hidden.reshape(scene.size)


def example(
  scene: Scene, frames: np.ndarray, owners: np.ndarray, name: str, first: int
) -> examples.FlowExample:
  """Returns the example of a scene.

  Args:
    scene: layers and camera.
    frames: [2, H, W, 3] uint8, in the order of the scene.
    owners: [2, H, W], number of each pixel's layer.
    name: of the example.
    first: first frame of the example, 0; or 1 for backward order.
  """
  exact = flow(scene, owners[first], first)
  return examples.FlowExample(
    name=name,
    frames=frames[::-1] if first else frames,
    flow=exact.astype(np.float32),
    valid=np.ones(scene.size, np.bool_),
    occluded=occluded(scene, owners[first], exact, first),
  )


def _inside(
  points: np.ndarray,  # [2, P]
  rows: slice,
  columns: slice,
) -> np.ndarray:  # [P] bool
  """Returns whether points lie on pixels of a rectangle."""
  x, y = points + 0.5
  across = (x >= columns.start) & (x < columns.stop)
  return across & (y >= rows.start) & (y < rows.stop)


def _grid(rows: slice, columns: slice) -> np.ndarray:  # [2, P]
  """Returns the pixels of a rectangle, row by row."""
  y = np.arange(rows.start, rows.stop, dtype=float)
  x = np.arange(columns.start, columns.stop, dtype=float)
  return np.stack([np.tile(x, y.size), np.repeat(y, x.size)])


def _interpolate(
  image: np.ndarray,  # [h, w, 4]
  points: np.ndarray,  # [2, P]
  endless: bool,
) -> np.ndarray:  # [P, 4]
  """Interpolates an image between its four nearest pixels."""
  height, width = image.shape[:2]
  x, y = (_wrap(at, n, endless) for at, n in zip(points, (width, height)))
  left = np.minimum(x.astype(np.int32), width - 2)
  top = np.minimum(y.astype(np.int32), height - 2)
  right = (x - left).astype(np.float32)[:, None]
  down = (y - top).astype(np.float32)[:, None]
  pixels = image.reshape(-1, 4)
  at = top * width + left

  def row(start: np.ndarray) -> np.ndarray:
    one = pixels.take(start, axis=0)
    return one + right * (pixels.take(start + 1, axis=0) - one)

  upper = row(at)
  return upper + down * (row(at + width) - upper)


def _wrap(at: np.ndarray, size: int, endless: bool) -> np.ndarray:
  """Maps coordinates into an image: reflected, or to the nearest border."""
  last = size - 1
  if endless:
    return np.abs((at + last) % (2 * last) - last)
  return np.clip(at, 0, last)
