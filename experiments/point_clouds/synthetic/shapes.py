"""Synthetic shapes of ten classes, made when they are read.

They replace ModelNet40 where nothing is to be downloaded: each is a mesh with
proportions of its own, turned about the vertical axis by any angle, and points
are sampled on it as on a mesh from a file.
"""

import dataclasses
import math
import operator

import numpy as np

from experiments.point_clouds.files import clouds
from experiments.point_clouds.files import meshes
from experiments.point_clouds.synthetic import shape_classes
from perceiver import bounds

CLASS_NAMES = tuple(shape_classes.SHAPE_CLASSES)
_MAKERS = tuple(shape_classes.SHAPE_CLASSES.values())


@dataclasses.dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
  """A data set of synthetic shapes.

  Attributes:
    num_examples: number of shapes.
    seed: decides all of them.
  """

  num_examples: int = 20_000
  seed: int = 0

  def __post_init__(self) -> None:
    bounds.check_ranges(self, "num_examples", seed="[0, inf)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SyntheticShapes:
  """Clouds of points, of all classes in turn.

  Cloud i depends on the configuration, the number of points and i alone.

  Attributes:
    config: the data set.
    num_points: points P of a cloud.
  """

  config: SyntheticConfig
  num_points: int

  def __len__(self) -> int:
    return self.config.num_examples

  def __getitem__(self, index: int) -> clouds.Cloud:
    """Returns points on the surface of a shape, and its class."""
    mesh, label, numbers = self._make(index)
    return clouds.Cloud(meshes.sample(mesh, self.num_points, numbers), label)

  def mesh(self, index: int) -> meshes.Mesh:
    """Returns the shape itself."""
    return self._make(index)[0]

  def _make(self, index: int) -> tuple[meshes.Mesh, int, np.random.Generator]:
    index = operator.index(index)
    if not 0 <= index < len(self):
      raise IndexError(f"There are {len(self)} shapes, and no {index}.")
    numbers = np.random.default_rng((self.config.seed, index))
    label = index % len(_MAKERS)
    mesh = _MAKERS[label](numbers)
    return turn(mesh, numbers.uniform(0, 2 * math.pi)), label, numbers


def turn(mesh: meshes.Mesh, angle: float) -> meshes.Mesh:
  """Turns a mesh about the vertical axis, by an angle in radians."""
  cos, sin = math.cos(angle), math.sin(angle)
  matrix = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
  return mesh._replace(vertices=mesh.vertices @ matrix)
