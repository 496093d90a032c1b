"""Outlines of moving objects: how much of each pixel they cover."""

import dataclasses
import math

import numpy as np
from PIL import Image
from PIL import ImageDraw
from PIL import ImageFilter

_FINER = 4  # outlines are painted so many times finer, and averaged
_PER_EDGE = 12  # points that make an edge round
_MARGIN = 3  # pixels around an outline that are empty, however soft its edge


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShapeConfig:
  """What outlines look like.

  Attributes:
    min_radius: smallest distance of a corner from the middle, on average, in
      heights of the frame.
    max_radius: the largest.
    max_corners: most corners; the fewest are 3.
    irregular: how much the corners' distances from the middle may differ, from
      0 to 1, as a share of the largest.
    round_shapes: share of outlines without corners.
    flattened: largest ratio of length to width.
    holes: share of shapes with a hole.
    edge_blur: largest standard deviation, in pixels, of the blur that makes
      edges soft; the smallest is 0.
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
    ranges = {
      "min_radius": (0.001, self.max_radius),
      "max_radius": (self.min_radius, 10),
      "max_corners": (3, 100),
      "irregular": (0, 0.9),
      "round_shapes": (0, 1),
      "flattened": (1, 10),
      "holes": (0, 1),
      "edge_blur": (0, 1),
    }
    for name, (low, high) in ranges.items():
      if not low <= getattr(self, name) <= high:
        raise ValueError(
          f"ShapeConfig.{name} must be between {low} and {high}, not "
          f"{getattr(self, name)}"
        )


def draw(
  config: ShapeConfig, generator: np.random.Generator, height: int
) -> np.ndarray:  # [h, w] float32
  """Draws an outline.

  Args:
    config: what outlines look like.
    generator: where the randomness comes from.
    height: of the frame, pixels.

  Returns:
    How much of each pixel is covered, from 0 to 1, in a picture as small as
    the shape allows, with 0 along its border.
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
  return paint(outline, hole, blur)


def paint(
  outline: np.ndarray,  # [2, n]
  hole: np.ndarray | None = None,  # [2, n]
  blur: float = 0.0,
) -> np.ndarray:  # [h, w] float32
  """Paints a polygon, less another; returns the covered share of each pixel.

  Args:
    outline: corners, pixels.
    hole: corners of what is left out.
    blur: standard deviation, in pixels, of what makes the edge soft.
  """
  corner = np.floor(outline.min(axis=1)) - _MARGIN
  width, height = np.ceil(outline.max(axis=1) - corner).astype(int) + _MARGIN
  image = Image.new("L", (int(width) * _FINER, int(height) * _FINER))
  canvas = ImageDraw.Draw(image)
  for polygon, value in ((outline, 255), (hole, 0)):
    if polygon is not None:
      points = (polygon - corner[:, None]) * _FINER
      canvas.polygon([(x, y) for x, y in points.T.tolist()], fill=value)
  image = image.reduce(_FINER)
  if blur:
    image = image.filter(ImageFilter.GaussianBlur(blur))
  covered = np.asarray(image, np.float32) / 255
  covered[[0, -1]] = covered[:, [0, -1]] = 0
  return covered


def _outline(
  config: ShapeConfig, generator: np.random.Generator
) -> np.ndarray:  # [2, n]
  """Draws a polygon around 0 whose corners are 1 away on average."""
  count = int(generator.integers(3, config.max_corners + 1))
  angles = np.arange(count) + generator.uniform(-0.3, 0.3, count)
  angles = angles * (2 * math.pi / count)
  distances = 1 - config.irregular * generator.uniform(0, 1, count)
  corners = (
    distances / distances.mean() * np.stack([np.cos(angles), np.sin(angles)])
  )
  if generator.uniform() < config.round_shapes:
    corners = _rounded(corners)
  flat = math.sqrt(config.flattened ** generator.uniform())
  corners = corners * np.array([[flat], [1 / flat]])
  turn = generator.uniform(0, 2 * math.pi)
  cosine, sine = math.cos(turn), math.sin(turn)
  return np.array([[cosine, -sine], [sine, cosine]]) @ corners


def _rounded(corners: np.ndarray) -> np.ndarray:  # [2, n] -> [2, 12 n]
  """A closed Catmull-Rom curve through all corners."""
  before, after, beyond = (np.roll(corners, i, axis=1) for i in (1, -1, -2))
  at = (np.arange(_PER_EDGE) / _PER_EDGE)[:, None, None]
  curve = corners + at / 2 * (
    (after - before)
    + at * (2 * before - 5 * corners + 4 * after - beyond)
    + at**2 * (3 * corners - before - 3 * after + beyond)
  )  # [12, 2, n]
  return curve.transpose(1, 2, 0).reshape(2, -1)
