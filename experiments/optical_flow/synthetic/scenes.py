"""Layers that move over one another: two frames and the flow between them.

Everything about the flow is exact: a pixel belongs to the nearest layer that
covers at least half of its centre, moves as that layer does, and is occluded if
a nearer layer is where it goes, or the frame has ended.
"""

import dataclasses
import math

import numpy as np

from experiments.optical_flow import examples
from experiments.optical_flow.synthetic import motions

_HALF = 0.5  # coverage from which on a layer is what one sees
_MARGIN = 2  # pixels added to what the points of a layer's border enclose
_BLUR_SPACING = 1.5  # pixels between the pictures that a blur is the mean of
_MAX_BLUR_PICTURES = 8  # on either side of the sharp one
_AT_ONCE = 8192  # points, so that what is computed of them stays in the cache

# Points along the border of a unit square, to find where a layer is.
_SIDE = np.linspace(0, 1, 33)
_TOP = np.stack([_SIDE, 0 * _SIDE])
_BORDER = np.concatenate(
  [_TOP, _TOP[::-1], 1 - _TOP, 1 - _TOP[::-1]], axis=1
)  # [2, 132]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
  """A flat thing that moves.

  Attributes:
    picture: [h, w, 4] float32, its colours from 0 to 255 times its coverage,
      and its coverage from 0 to 1, which is 0 along the border.
    pose: where the picture's points are in the first frame.
    motion: where the first frame's points are in the second.
    endless: whether the picture goes on beyond its border, mirrored; its
      coverage may then be 1 everywhere.
  """

  picture: np.ndarray
  pose: motions.Affine
  motion: motions.Motion
  endless: bool = False

  def flow(self, points: np.ndarray, frame: int) -> np.ndarray:
    """Returns how far points [2, P] of a frame are in the other frame."""
    if frame == 0:
      return self.motion.displacement(points)
    return self.motion.inverse(points) - points

  def look(
    self, points: np.ndarray, frame: int, shutter: float = 0.0
  ) -> tuple[np.ndarray, np.ndarray]:
    """Looks at the layer.

    Args:
      points: [2, P], of a frame.
      frame: 0 or 1.
      shutter: how long the picture is exposed, in times from frame to frame.
        What moves is blurred along its way, taken as straight.

    Returns:
      Colours times coverage, and coverage, [P, 4] float32, and whether the
      layer covers half of a point at least, in the middle of the exposure,
      [P].
    """
    seen = np.empty((points.shape[1], 4), np.float32)
    covered = np.empty(points.shape[1], np.bool_)
    for start in range(0, points.shape[1], _AT_ONCE):
      part = slice(start, start + _AT_ONCE)
      seen[part], covered[part] = self._look(points[:, part], frame, shutter)
    return seen, covered

  def _look(
    self, points: np.ndarray, frame: int, shutter: float
  ) -> tuple[np.ndarray, np.ndarray]:
    first = points if frame == 0 else self.motion.inverse(points)
    at = self.pose.inverse(first)
    sharp = _sample(self.picture, at, self.endless)
    covered = sharp[:, 3] >= _HALF
    count = self._blur_pictures(shutter)
    if not count:
      return sharp, covered
    way = points - first if frame else self.motion.displacement(first)
    way = shutter * np.linalg.solve(self.pose.matrix, way)  # [2, P]
    total = sharp
    for i in range(1, count + 1):
      for part in (-i / (2 * count), i / (2 * count)):
        total = total + _sample(self.picture, at + part * way, self.endless)
    return total / (2 * count + 1), covered

  def _blur_pictures(self, shutter: float) -> int:
    """Returns how many pictures on either side of the sharp one are needed."""
    if not shutter:
      return 0
    way = shutter * self.motion.displacement(self._border())
    longest = float(np.max(np.hypot(way[0], way[1])))
    return min(math.ceil(longest / 2 / _BLUR_SPACING), _MAX_BLUR_PICTURES)

  def _border(self) -> np.ndarray:  # [2, 132]
    """Returns points along the border of the picture, in the first frame."""
    last = np.array(self.picture.shape[1::-1])[:, None] - 1
    points = _BORDER * last
    return points + self.pose.displacement(points)

  def rectangle(
    self, size: tuple[int, int], frame: int, shutter: float = 0.0
  ) -> tuple[slice, slice]:
    """Returns rows and columns of a frame outside of which nothing is seen."""
    height, width = size
    if self.endless:
      return slice(0, height), slice(0, width)
    seen = self._border()
    if frame or shutter:
      way = self.motion.displacement(seen)
      middle = seen + frame * way
      seen = np.concatenate(
        [middle - shutter / 2 * way, middle + shutter / 2 * way], axis=1
      )
    low = np.floor(seen.min(axis=1)).astype(int) - _MARGIN  # [2]: x, y
    high = np.ceil(seen.max(axis=1)).astype(int) + _MARGIN + 1
    columns, rows = (
      slice(min(max(a, 0), n), min(max(b, 0), n))
      for a, b, n in zip(low.tolist(), high.tolist(), (width, height))
    )
    return rows, columns


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
  """Layers and how they are looked at.

  Attributes:
    size: height and width of the frames, pixels.
    layers: the farthest first. It is endless and covers everything.
    shutter: how long a frame is exposed, in times from frame to frame.
  """

  size: tuple[int, int]
  layers: tuple[Layer, ...]
  shutter: float = 0.0


def render(scene: Scene, frame: int) -> tuple[np.ndarray, np.ndarray]:
  """Renders a frame.

  Args:
    scene: what there is to see.
    frame: 0 or 1.

  Returns:
    Colours from 0 to 255, [H, W, 3] float32, and which layer each pixel
    belongs to, [H, W].
  """
  height, width = scene.size
  colours = np.zeros((height, width, 3), np.float32)
  owner = np.zeros((height, width), int)
  for number, layer in enumerate(scene.layers):
    rows, columns = layer.rectangle(scene.size, frame, scene.shutter)
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    seen, covered = layer.look(_grid(rows, columns), frame, scene.shutter)
    seen = seen.reshape(*shape, 4)
    below = colours[rows, columns]
    below *= 1 - seen[..., 3:]
    below += seen[..., :3]
    owner[rows, columns][covered.reshape(shape)] = number
  return colours, owner


def flow(
  scene: Scene,
  owner: np.ndarray,  # [H, W]
  frame: int = 0,
) -> np.ndarray:  # [H, W, 2]
  """Returns how far the pixels of a frame are in the other frame.

  Args:
    scene: what there is to see.
    owner: which layer each pixel of the frame belongs to.
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
  """Returns which pixels of a frame are not seen in the other frame.

  Args:
    scene: what there is to see.
    owner: which layer each pixel of the frame belongs to.
    flow: how far the pixels are in the other frame.
    frame: 0 or 1.
  """
  whole = slice(0, scene.size[0]), slice(0, scene.size[1])
  target = _grid(*whole) + flow.reshape(-1, 2).T  # [2, H · W]
  hidden = ~_inside(target, *whole)
  owner = owner.ravel()
  for number, layer in enumerate(scene.layers):
    where = _inside(target, *layer.rectangle(scene.size, 1 - frame))
    where = np.flatnonzero(where & ~hidden & (owner < number))
    if where.size:
      hidden[where] = layer.look(target[:, where], 1 - frame)[1]
  return hidden.reshape(scene.size)


def example(
  scene: Scene, frames: np.ndarray, owners: np.ndarray, name: str, first: int
) -> examples.FlowExample:
  """Returns a scene as an example.

  Args:
    scene: what there is to see.
    frames: [2, H, W, 3] uint8, in the order of the scene.
    owners: [2, H, W], which layer each pixel belongs to.
    name: of the example.
    first: 0; or 1 for the same example backwards.
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
  """Returns which points lie on pixels of a rectangle."""
  x, y = points + 0.5
  across = (x >= columns.start) & (x < columns.stop)
  return across & (y >= rows.start) & (y < rows.stop)


def _grid(rows: slice, columns: slice) -> np.ndarray:  # [2, P]
  """Returns the pixels of a rectangle, row by row."""
  y = np.arange(rows.start, rows.stop, dtype=float)
  x = np.arange(columns.start, columns.stop, dtype=float)
  return np.stack([np.tile(x, y.size), np.repeat(y, x.size)])


def _sample(
  picture: np.ndarray,  # [h, w, 4]
  points: np.ndarray,  # [2, P]
  endless: bool,
) -> np.ndarray:  # [P, 4]
  """Interpolates a picture between its four nearest points."""
  height, width = picture.shape[:2]
  x, y = (_into(at, n, endless) for at, n in zip(points, (width, height)))
  left = np.minimum(x.astype(np.int32), width - 2)
  top = np.minimum(y.astype(np.int32), height - 2)
  right = (x - left).astype(np.float32)[:, None]
  down = (y - top).astype(np.float32)[:, None]
  pixels = picture.reshape(-1, 4)
  at = top * width + left

  def row(start: np.ndarray) -> np.ndarray:
    one = pixels.take(start, axis=0)
    return one + right * (pixels.take(start + 1, axis=0) - one)

  upper = row(at)
  return upper + down * (row(at + width) - upper)


def _into(at: np.ndarray, size: int, endless: bool) -> np.ndarray:
  """Brings coordinates into a picture: mirrored, or to the nearest border."""
  last = size - 1
  if endless:
    return np.abs((at + last) % (2 * last) - last)
  return np.clip(at, 0, last)
