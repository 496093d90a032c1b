"""Shapes of moving objects: the share of each pixel that they cover."""

import dataclasses
import math

import numpy as np
from PIL import Image
from PIL import ImageDraw
from PIL import ImageFilter

from perceiver import bounds

_SUPERSAMPLING = 4  # subpixels along each axis, which are averaged
_POINTS_PER_EDGE = 12  # of a round outline
_MARGIN = 3  # pixels around an outline that are empty, however soft its edge


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShapeConfig:
  """Distribution of outlines.

  Attributes:
    min_radius: smallest mean distance of the corners from the middle, in
      heights of the frame.
    max_radius: largest mean distance.
    max_corners: most corners; the fewest are 3.
    irregular: largest difference of the corners' distances from the middle, as
      a share of the largest distance, from 0 to 1.
    round_shapes: share of outlines without corners.
    flattened: largest ratio of length to width.
    holes: share of shapes with a hole.
    edge_blur: largest standard deviation of the blur of edges, in pixels; the
      smallest is 0.
  """

  min_radius: float = 0.06
  max_radius: float = 0.45
  max_corners: int = 12
  irregular: float = 0.6
  round_shapes: float = 0.5
  flattened: float = 3.0
  holes: float = 0.2
  edge_blur: float = 0.6

  def __post_init__(self) -> None:
    bounds.check_ranges(
      self,
      min_radius=f"[0.001, {self.max_radius}]",
      max_radius=f"[{self.min_radius}, 10]",
      max_corners="[3, 100]",
      irregular="[0, 0.9]",
      round_shapes="[0, 1]",
      flattened="[1, 10]",
      holes="[0, 1]",
      edge_blur="[0, 1]",
    )


def sample(
  config: ShapeConfig, generator: np.random.Generator, height: int
) -> np.ndarray:  # [h, w] float32
  """Samples a shape.

  Args:
    config: distribution of outlines.
    generator: source of randomness.
    height: of the frame, pixels.

  Returns:
    The coverage of each pixel, from 0 to 1, in an image that encloses the
    shape, with 0 along its border.
  """
  # Small objects are as frequent as large ones on a scale of ratios.
  ratio = config.max_radius / config.min_radius
  radius = config.min_radius * height * ratio ** generator.uniform()
  outline = _outline(config, generator) * max(radius, 2.0)  # [2, n]
  hole = None
  if generator.uniform() < config.holes:
    hole = _outline(config, generator) * max(radius, 2.0)
    hole *= generator.uniform(0.2, 0.5)
  blur = generator.uniform(0, config.edge_blur)
  return rasterise(outline, hole, blur)


def rasterise(
  outline: np.ndarray,  # [2, n]
  hole: np.ndarray | None = None,  # [2, n]
  blur: float = 0.0,
) -> np.ndarray:  # [h, w] float32
  """Returns the share of each pixel that a polygon covers.

  Args:
    outline: its corners, pixels.
    hole: corners of a polygon that is cut out.
    blur: standard deviation of the blur of edges, pixels.
  """
  corner = np.floor(outline.min(axis=1)) - _MARGIN
  width, height = np.ceil(outline.max(axis=1) - corner).astype(int) + _MARGIN
  image = Image.new(
    "L", (int(width) * _SUPERSAMPLING, int(height) * _SUPERSAMPLING)
  )
  canvas = ImageDraw.Draw(image)
  for polygon, value in ((outline, 255), (hole, 0)):
    if polygon is not None:
      points = (polygon - corner[:, None]) * _SUPERSAMPLING
      canvas.polygon([(x, y) for x, y in points.T.tolist()], fill=value)
  image = image.reduce(_SUPERSAMPLING)
  if blur:
    image = image.filter(ImageFilter.GaussianBlur(blur))
  coverage = np.asarray(image, np.float32) / 255
  coverage[[0, -1]] = coverage[:, [0, -1]] = 0
  return coverage


def _outline(
  config: ShapeConfig, generator: np.random.Generator
) -> np.ndarray:  # [2, n]
  """Samples a polygon around 0, the mean distance of its corners 1."""
  count = int(generator.integers(3, config.max_corners + 1))
  angles = np.arange(count) + generator.uniform(-0.3, 0.3, count)
  angles = angles * (2 * math.pi / count)
  distances = 1 - config.irregular * generator.uniform(0, 1, count)
  corners = np.stack([np.cos(angles), np.sin(angles)])
  corners = distances / distances.mean() * corners
  if generator.uniform() < config.round_shapes:
    corners = _rounded(corners)
  flat = math.sqrt(config.flattened ** generator.uniform())
  corners = corners * np.array([[flat], [1 / flat]])
  angle = generator.uniform(0, 2 * math.pi)
  cosine, sine = math.cos(angle), math.sin(angle)
  return np.array([[cosine, -sine], [sine, cosine]]) @ corners


def _rounded(corners: np.ndarray) -> np.ndarray:  # [2, n] -> [2, 12 n]
  """Returns a closed Catmull-Rom curve through all corners."""
  before, after, beyond = (np.roll(corners, i, axis=1) for i in (1, -1, -2))
  at = (np.arange(_POINTS_PER_EDGE) / _POINTS_PER_EDGE)[:, None, None]
  curve = corners + at / 2 * (
    (after - before)
    + at * (2 * before - 5 * corners + 4 * after - beyond)
    + at**2 * (3 * corners - before - 3 * after + beyond)
  )  # [12, 2, n]
  return curve.transpose(1, 2, 0).reshape(2, -1)
