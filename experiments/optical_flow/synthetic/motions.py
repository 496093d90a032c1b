"""Motions of a layer from the first frame to the second, and their inverses.

Points are arrays [2, P]: pixels to the right in row 0 and downwards in row 1,
with whole numbers at the centres of pixels.
"""

import dataclasses
import functools
import math

import numpy as np

from perceiver import bounds

_TOLERANCE = 0.01  # pixels, from which one more step is exact
_MAX_STEPS = 50
# Largest relative motion of neighbouring points of a thin plate, in pixels per
# pixel. From 1 on it could fold.
_MAX_BEND = 0.5
_CHUNK_SIZE = 1024  # points whose intermediate values fit into the cache
_IDENTITY = np.eye(2)
_TINY = 1e-30  # keeps the logarithm finite at a knot


@dataclasses.dataclass(frozen=True, eq=False)
class Affine:
  """An affine motion: matrix · point + translation.

  Attributes:
    matrix: [2, 2], not singular.
    translation: [2], pixels.
  """

  matrix: np.ndarray
  translation: np.ndarray

  def displacement(self, points: np.ndarray) -> np.ndarray:
    """Returns the displacements of points, [2, P]."""
    return (self.matrix - _IDENTITY) @ points + self.translation[:, None]

  def inverse(self, points: np.ndarray) -> np.ndarray:
    """Returns the origins of points, [2, P]."""
    (a, b), (c, d) = self.matrix
    inverse = np.array([[d, -b], [-c, a]]) / (a * d - b * c)
    return inverse @ (points - self.translation[:, None])


def about(
  centre: np.ndarray,  # [2]
  translation: np.ndarray,  # [2]
  *,
  rotation: float = 0.0,
  zoom: float = 1.0,
  shear: float = 0.0,
) -> Affine:
  """Returns an affine motion about a centre.

  Args:
    centre: the point that only the translation moves.
    translation: pixels.
    rotation: angle in radians, clockwise in the image.
    zoom: factor of all lengths.
    shear: pixels to the right per pixel downwards, before the rotation.
  """
  cosine, sine = math.cos(rotation), math.sin(rotation)
  matrix = np.array([[cosine, -sine], [sine, cosine]])
  matrix = zoom * matrix @ np.array([[1.0, shear], [0.0, 1.0]])
  return Affine(matrix, centre - matrix @ centre + translation)


@dataclasses.dataclass(frozen=True, eq=False)
class ThinPlate:
  """A thin-plate spline, followed by an affine motion.

  A point moves to affine(point + bend(point)). The bend is the thin-plate
  spline with given displacements at the knots; its inverse is found by Newton's
  method, to a ten-thousandth of a pixel.

  Attributes:
    affine: the motion after the bend.
    centre: [2], the point in the middle of the knots.
    unit: pixels from the middle to the outermost knot, along an axis.
    coefficients: [2, K + 3] of the K knots' kernels, of 1 and of the point.
  """

  affine: Affine
  centre: np.ndarray
  unit: float
  coefficients: np.ndarray

  def displacement(self, points: np.ndarray) -> np.ndarray:
    """Returns the displacements of points, [2, P]."""
    bend = self.bend(points)
    return self.affine.displacement(points + bend) + bend

  def inverse(self, points: np.ndarray) -> np.ndarray:
    """Returns the origins of points, [2, P].

    Raises:
      ArithmeticError: if the plate folds.
    """
    target = self.affine.inverse(points)
    points = target
    for _ in range(_MAX_STEPS):
      bend, (a, c), (b, d) = self._spline(points, slopes=True)
      a, d = 1 + a, 1 + d
      x, y = error = points + bend - target
      step = np.stack([d * x - b * y, a * y - c * x]) / (a * d - b * c)
      points = points - step
      # Each step doubles the number of correct digits.
      if np.max(np.abs(error), initial=0) < _TOLERANCE:
        return points
    raise ArithmeticError("a thin plate folds, and has no inverse")

  def bend(self, points: np.ndarray) -> np.ndarray:
    """Returns the bend alone, [2, P]."""
    return self._spline(points)[0]

  def steepest(self, points: np.ndarray) -> float:
    """Returns the largest change of the bend per pixel among some points."""
    slopes = self._spline(points, slopes=True)[1:]  # [4, P]
    return math.sqrt(float(np.max(np.sum(slopes**2, axis=(0, 1)))))

  def _spline(self, points: np.ndarray, *, slopes: bool = False) -> np.ndarray:
    """Returns the bend, and its slopes along both axes, [1 or 3, 2, P]."""
    at = (points - self.centre[:, None]) / self.unit
    result = np.empty((3 if slopes else 1, 2, at.shape[1]))
    for start in range(0, at.shape[1], _CHUNK_SIZE):
      chunk = slice(start, start + _CHUNK_SIZE)
      for i, basis in enumerate(self._basis(at[:, chunk], slopes=slopes)):
        np.matmul(self.coefficients, basis, out=result[i, :, chunk])
    result[1:] /= self.unit
    return result

  def _basis(
    self,
    at: np.ndarray,  # [2, P]
    *,
    slopes: bool,
  ) -> list[np.ndarray]:
    """Returns the basis functions and their derivatives, [K + 3, P] each."""
    count = self.coefficients.shape[1] - 3
    basis = [np.empty((count + 3, at.shape[1])) for _ in range(1 + 2 * slopes)]
    offsets = at[:, None] - _knots(count)[..., None]  # [2, K, P]
    squared = np.sum(offsets * offsets, axis=0)
    logarithm = np.log(squared + _TINY)
    np.multiply(squared, logarithm, out=basis[0][:count])
    basis[0][count] = 1
    basis[0][count + 1 :] = at
    # The kernels' coefficients sum to 0, also times the knots: the derivative's
    # second term, 2 · offset, cancels.
    for axis, slope in enumerate(basis[1:]):
      np.multiply(2 * logarithm, offsets[axis], out=slope[:count])
      slope[count:] = np.eye(3)[axis + 1][:, None]
    return basis


Motion = Affine | ThinPlate  # one-to-one maps of the plane


def thin_plate(
  affine: Affine,
  centre: np.ndarray,  # [2]
  unit: float,
  displacements: np.ndarray,  # [2, K]
) -> ThinPlate:
  """Returns the thin plate with given displacements at a square of knots.

  Args:
    affine: the motion after the bend.
    centre: the point in the middle of the knots.
    unit: pixels from the middle to the outermost knot, along an axis.
    displacements: pixels, at K = 4, 9, 16, ... knots, row by row. All are
      reduced by one factor where the plate would otherwise come close to
      folding.
  """
  coefficients = displacements @ _solver(displacements.shape[1]).T
  plate = ThinPlate(affine, centre, unit, coefficients)
  excess = plate.steepest(centre[:, None] + unit * _LATTICE) / _MAX_BEND
  if excess <= 1:
    return plate
  return dataclasses.replace(plate, coefficients=coefficients / excess)


def _square(reach: float, count: int) -> np.ndarray:  # [2, count²]
  """Returns evenly spaced points of a square around 0, row by row."""
  side = np.linspace(-reach, reach, count)
  return np.stack(np.meshgrid(side, side)).reshape(2, -1)


_LATTICE = _square(2.0, 17)  # points that are checked for folds


@functools.cache
def _knots(count: int) -> np.ndarray:  # [2, K]
  return _square(1.0, math.isqrt(count))


@functools.cache
def _solver(count: int) -> np.ndarray:  # [K + 3, K]
  """Returns the matrix from displacements at the knots to coefficients."""
  knots = _knots(count)
  squared = np.sum((knots[:, :, None] - knots[:, None]) ** 2, axis=0)
  kernel = squared * np.log(squared + _TINY)  # [K, K]
  linear = np.concatenate([np.ones((1, count)), knots])  # [3, K]
  system = np.block([[kernel, linear.T], [linear, np.zeros((3, 3))]])
  return np.linalg.inv(system)[:, :count]


@dataclasses.dataclass(frozen=True, kw_only=True)
class MotionConfig:
  """Distribution of motions. All sizes are the largest ones.

  Attributes:
    translation: in heights of the frame.
    rotation: in degrees, in either direction.
    zoom: factor of lengths; its inverse is the smallest.
    shear: pixels per pixel.
    bend: at the knots of thin plates, in heights of the frame.
    thin_plates: share of motions that bend.
    knots: of a thin plate along each axis.
    slowness: sizes are the largest ones times u^slowness, u uniform in [0, 1]:
      1 is uniform, larger has more small motions.
  """

  translation: float = 0.2
  rotation: float = 25.0
  zoom: float = 1.3
  shear: float = 0.1
  bend: float = 0.05
  thin_plates: float = 0.3
  knots: int = 3
  slowness: float = 2.0

  def __post_init__(self) -> None:
    bounds.check_ranges(
      self,
      translation="[0, 10]",
      rotation="[0, 180]",
      zoom="[1, 4]",
      shear="[0, 1]",
      bend="[0, 1]",
      thin_plates="[0, 1]",
      knots="[2, 8]",
      slowness="[0.1, 10]",
    )


def sample(
  config: MotionConfig,
  generator: np.random.Generator,
  *,
  centre: np.ndarray,  # [2]
  radius: float,
  height: int,
) -> Motion:
  """Samples the motion of a layer.

  Args:
    config: distribution of motions.
    generator: source of randomness.
    centre: of the rotation.
    radius: pixels from there to the knots of a thin plate.
    height: of the frame, pixels.
  """

  def size() -> float:
    return generator.uniform() ** config.slowness

  def signed() -> float:
    return math.copysign(size(), generator.uniform(-1, 1))

  angle = generator.uniform(0, 2 * math.pi)
  direction = np.array([math.cos(angle), math.sin(angle)])
  affine = about(
    centre,
    config.translation * height * size() * direction,
    rotation=math.radians(config.rotation) * signed(),
    zoom=config.zoom ** signed(),
    shear=config.shear * signed(),
  )
  if generator.uniform() >= config.thin_plates:
    return affine
  displacements = generator.uniform(-1, 1, (2, config.knots**2))
  return thin_plate(
    affine, centre, radius, config.bend * height * displacements
  )
