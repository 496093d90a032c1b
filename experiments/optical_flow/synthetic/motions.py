"""How a layer moves from the first frame to the second, there and back.

Points are arrays [2, P]: pixels to the right in row 0 and downwards in row 1,
with whole numbers at the centres of pixels.
"""

import dataclasses
import functools
import math
from typing import Protocol

import numpy as np

_ALMOST = 0.01  # pixels, from which one more step is exact
_MAX_STEPS = 50
# How much neighbouring points of a thin plate may move against each other, in
# pixels per pixel. From 1 on it could fold.
_MAX_BEND = 0.5
_AT_ONCE = 1024  # points, so that what is computed of them stays in the cache
_IDENTITY = np.eye(2)
_TINY = 1e-30  # keeps the logarithm finite at a knot


class Motion(Protocol):
  """A one-to-one map of the plane."""

  def displacement(self, points: np.ndarray) -> np.ndarray:
    """Returns how far points of the first frame go, [2, P]."""

  def inverse(self, points: np.ndarray) -> np.ndarray:
    """Returns where points of the second frame come from, [2, P]."""


@dataclasses.dataclass(frozen=True, eq=False)
class Affine:
  """Turns, stretches and shifts: matrix · point + shift.

  Attributes:
    matrix: [2, 2], not singular.
    shift: [2], pixels.
  """

  matrix: np.ndarray
  shift: np.ndarray

  def displacement(self, points: np.ndarray) -> np.ndarray:
    """Returns how far points go, [2, P]."""
    return (self.matrix - _IDENTITY) @ points + self.shift[:, None]

  def inverse(self, points: np.ndarray) -> np.ndarray:
    """Returns where points come from, [2, P]."""
    (a, b), (c, d) = self.matrix
    inverse = np.array([[d, -b], [-c, a]]) / (a * d - b * c)
    return inverse @ (points - self.shift[:, None])


def about(
  centre: np.ndarray,  # [2]
  shift: np.ndarray,  # [2]
  *,
  turn: float = 0.0,
  zoom: float = 1.0,
  shear: float = 0.0,
) -> Affine:
  """Returns an affine motion whose fixed point, but for the shift, is given.

  Args:
    centre: the point that only the shift moves.
    shift: pixels.
    turn: angle in radians, clockwise as seen on the picture.
    zoom: factor of all lengths.
    shear: how far what is one pixel lower goes to the right, before the turn.
  """
  cosine, sine = math.cos(turn), math.sin(turn)
  matrix = np.array([[cosine, -sine], [sine, cosine]])
  matrix = zoom * matrix @ np.array([[1.0, shear], [0.0, 1.0]])
  return Affine(matrix, centre - matrix @ centre + shift)


@dataclasses.dataclass(frozen=True, eq=False)
class ThinPlate:
  """Bends like a thin plate that is pushed at a few knots, then moves on.

  A point goes to affine(point + bend(point)). The bend is the thin-plate spline
  through what is given at the knots; its inverse is found by Newton's method,
  to a ten-thousandth of a pixel.

  Attributes:
    affine: what follows the bend.
    centre: [2], the point in the middle of the knots.
    unit: pixels from the middle to the outermost knot, along an axis.
    coefficients: [2, K + 3] of the K knots' kernels, of 1 and of the point.
  """

  affine: Affine
  centre: np.ndarray
  unit: float
  coefficients: np.ndarray

  def displacement(self, points: np.ndarray) -> np.ndarray:
    """Returns how far points go, [2, P]."""
    bend = self.bend(points)
    return self.affine.displacement(points + bend) + bend

  def inverse(self, points: np.ndarray) -> np.ndarray:
    """Returns where points come from, [2, P].

    Raises:
      ArithmeticError: if that cannot be found, because the plate folds.
    """
    target = self.affine.inverse(points)
    found = target
    for _ in range(_MAX_STEPS):
      bend, (a, c), (b, d) = self._spline(found, slopes=True)
      a, d = 1 + a, 1 + d
      x, y = wrong = found + bend - target
      step = np.stack([d * x - b * y, a * y - c * x]) / (a * d - b * c)
      found = found - step
      # Each step doubles the number of correct digits.
      if np.max(np.abs(wrong), initial=0) < _ALMOST:
        return found
    raise ArithmeticError("a thin plate folds, and has no inverse")

  def bend(self, points: np.ndarray) -> np.ndarray:
    """Returns the bend alone, [2, P]."""
    return self._spline(points)[0]

  def steepest(self, points: np.ndarray) -> float:
    """Returns the largest change of the bend per pixel at some points."""
    slopes = self._spline(points, slopes=True)[1:]  # [4, P]
    return math.sqrt(float(np.max(np.sum(slopes**2, axis=(0, 1)))))

  def _spline(self, points: np.ndarray, *, slopes: bool = False) -> np.ndarray:
    """Returns the bend, and its slopes along both axes, [1 or 3, 2, P]."""
    at = (points - self.centre[:, None]) / self.unit
    result = np.empty((3 if slopes else 1, 2, at.shape[1]))
    for start in range(0, at.shape[1], _AT_ONCE):
      part = slice(start, start + _AT_ONCE)
      for i, basis in enumerate(self._basis(at[:, part], slopes=slopes)):
        np.matmul(self.coefficients, basis, out=result[i, :, part])
    result[1:] /= self.unit
    return result

  def _basis(
    self,
    at: np.ndarray,  # [2, P]
    *,
    slopes: bool,
  ) -> list[np.ndarray]:
    """Returns what coefficients are of, and its derivatives, [K + 3, P]."""
    count = self.coefficients.shape[1] - 3
    basis = [np.empty((count + 3, at.shape[1])) for _ in range(1 + 2 * slopes)]
    away = at[:, None] - _knots(count)[..., None]  # [2, K, P]
    squared = np.sum(away * away, axis=0)
    logarithm = np.log(squared + _TINY)
    np.multiply(squared, logarithm, out=basis[0][:count])
    basis[0][count] = 1
    basis[0][count + 1 :] = at
    # The kernels' coefficients sum to 0, also times the knots: the derivative's
    # second term, 2 · away, cancels.
    for axis, slope in enumerate(basis[1:]):
      np.multiply(2 * logarithm, away[axis], out=slope[:count])
      slope[count:] = np.eye(3)[axis + 1][:, None]
    return basis


def thin_plate(
  affine: Affine,
  centre: np.ndarray,  # [2]
  unit: float,
  pushes: np.ndarray,  # [2, K]
) -> ThinPlate:
  """Returns the thin plate with given pushes at a square of knots.

  Args:
    affine: what follows the bend.
    centre: the point in the middle of the knots.
    unit: pixels from the middle to the outermost knot, along an axis.
    pushes: pixels, at K = 4, 9, 16, ... knots, row by row. They are made
      smaller, all alike, where the plate would otherwise come close to folding.
  """
  coefficients = pushes @ _solver(pushes.shape[1]).T
  plate = ThinPlate(affine, centre, unit, coefficients)
  excess = plate.steepest(centre[:, None] + unit * _LATTICE) / _MAX_BEND
  if excess <= 1:
    return plate
  return dataclasses.replace(plate, coefficients=coefficients / excess)


def _square(reach: float, count: int) -> np.ndarray:  # [2, count²]
  """Returns evenly spaced points of a square around 0, row by row."""
  side = np.linspace(-reach, reach, count)
  return np.stack(np.meshgrid(side, side)).reshape(2, -1)


_LATTICE = _square(2.0, 17)  # where plates are kept from folding


@functools.cache
def _knots(count: int) -> np.ndarray:  # [2, K]
  return _square(1.0, math.isqrt(count))


@functools.cache
def _solver(count: int) -> np.ndarray:  # [K + 3, K]
  """The matrix from pushes at the knots to coefficients."""
  knots = _knots(count)
  squared = np.sum((knots[:, :, None] - knots[:, None]) ** 2, axis=0)
  kernel = squared * np.log(squared + _TINY)  # [K, K]
  linear = np.concatenate([np.ones((1, count)), knots])  # [3, K]
  system = np.block([[kernel, linear.T], [linear, np.zeros((3, 3))]])
  return np.linalg.inv(system)[:, :count]


@dataclasses.dataclass(frozen=True, kw_only=True)
class MotionConfig:
  """How large motions are. All numbers are the largest that occur.

  Attributes:
    shift: in heights of the frame.
    turn: in degrees, in either direction.
    zoom: factor of lengths; its inverse is the smallest.
    shear: pixels per pixel.
    bend: at the knots of thin plates, in heights of the frame.
    thin_plates: share of motions that bend.
    knots: of a thin plate along each axis.
    slowness: sizes are the largest ones times u^slowness, u uniform in [0, 1]:
      1 is uniform, larger has more small motions.
  """

  shift: float = 0.2
  turn: float = 25.0
  zoom: float = 1.3
  shear: float = 0.1
  bend: float = 0.05
  thin_plates: float = 0.3
  knots: int = 3
  slowness: float = 2.0

  def __post_init__(self) -> None:
    ranges = {
      "shift": (0, 10),
      "turn": (0, 180),
      "zoom": (1, 4),
      "shear": (0, 1),
      "bend": (0, 1),
      "thin_plates": (0, 1),
      "knots": (2, 8),
      "slowness": (0.1, 10),
    }
    for name, (low, high) in ranges.items():
      if not low <= getattr(self, name) <= high:
        raise ValueError(
          f"MotionConfig.{name} must be between {low} and {high}, not "
          f"{getattr(self, name)}"
        )


def draw(
  config: MotionConfig,
  generator: np.random.Generator,
  *,
  centre: np.ndarray,  # [2]
  radius: float,
  height: int,
) -> Motion:
  """Draws the motion of a layer.

  Args:
    config: how large motions are.
    generator: where the randomness comes from.
    centre: what the layer turns about.
    radius: pixels from there to the knots of a thin plate.
    height: of the frame, pixels.
  """

  def size() -> float:
    return generator.uniform() ** config.slowness

  def signed() -> float:
    return math.copysign(size(), generator.uniform(-1, 1))

  towards = generator.uniform(0, 2 * math.pi)
  direction = np.array([math.cos(towards), math.sin(towards)])
  affine = about(
    centre,
    config.shift * height * size() * direction,
    turn=math.radians(config.turn) * signed(),
    zoom=config.zoom ** signed(),
    shear=config.shear * signed(),
  )
  if generator.uniform() >= config.thin_plates:
    return affine
  pushes = generator.uniform(-1, 1, (2, config.knots**2))
  return thin_plate(affine, centre, radius, config.bend * height * pushes)
