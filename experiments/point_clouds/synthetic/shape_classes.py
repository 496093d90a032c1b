"""Ten classes of synthetic shapes, with random proportions.

Each function takes a generator, from which all its randomness comes, and
returns a surface whose vertical axis is z, about 1 to 2 units large.
"""

from collections.abc import Callable
import math

import numpy as np

from experiments.point_clouds.files import meshes
from experiments.point_clouds.synthetic import primitives

Generator = np.random.Generator
_box, _revolve = primitives.box, primitives.revolve


def _sphere(numbers: Generator) -> meshes.Mesh:
  flat = numbers.uniform(0.8, 1.2)
  angles = np.linspace(-math.pi / 2, math.pi / 2, 17)
  return _revolve(list(zip(np.cos(angles), flat * np.sin(angles))))


def _torus(numbers: Generator) -> meshes.Mesh:
  thick = numbers.uniform(0.15, 0.45)
  ring = primitives.arc(thick, 0, 2 * math.pi)  # [n, 3]
  return _revolve(list(zip(1 + ring[:, 0], ring[:, 2])))


def _cone(numbers: Generator) -> meshes.Mesh:
  height = numbers.uniform(0.8, 3)
  return _revolve([(0, 0), (1, 0), (0, height)])


def _cylinder(numbers: Generator) -> meshes.Mesh:
  height = numbers.uniform(0.5, 4)
  return _revolve([(0, 0), (1, 0), (1, height), (0, height)])


def _cuboid(numbers: Generator) -> meshes.Mesh:
  width, depth, height = numbers.uniform(0.4, 1.2, 3)
  return _box((0, 0, 0), (width, depth, height))


def _stairs(numbers: Generator) -> meshes.Mesh:
  steps = int(numbers.integers(3, 8))
  run, rise = numbers.uniform(0.6, 1.2, 2) / steps
  width = numbers.uniform(0.4, 1.0)
  return meshes.join(
    [
      _box((run * i, 0, 0), (run * (i + 1), width, rise * (i + 1)))
      for i in range(steps)
    ]
  )


def _chair(numbers: Generator) -> meshes.Mesh:
  width, depth = numbers.uniform(0.4, 0.6, 2)
  seat = numbers.uniform(0.35, 0.55)
  back = seat + numbers.uniform(0.35, 0.7)
  thick = numbers.uniform(0.03, 0.08)
  rest = _box((0, depth - thick, seat), (width, depth, back))
  return meshes.join([_board_on_legs(width, depth, seat, thick), rest])


def _table(numbers: Generator) -> meshes.Mesh:
  width, depth = numbers.uniform(0.5, 1.4, 2)
  height = numbers.uniform(0.4, 0.9)
  return _board_on_legs(width, depth, height, numbers.uniform(0.03, 0.08))


def _board_on_legs(
  width: float, depth: float, height: float, thick: float
) -> meshes.Mesh:
  """Returns a board, whose upper side is at `height`, on four legs."""
  board = _box((0, 0, height - thick), (width, depth, height))
  legs = [
    _box((x, y, 0), (x + thick, y + thick, height - thick))
    for x in (0, width - thick)
    for y in (0, depth - thick)
  ]
  return meshes.join([board, *legs])


def _lamp(numbers: Generator) -> meshes.Mesh:
  height = numbers.uniform(0.9, 1.6)
  foot, lower, upper = numbers.uniform((0.15, 0.25, 0.1), (0.3, 0.5, 0.22))
  shade = numbers.uniform(0.25, 0.45)
  pole = 0.02
  stand = [(0, 0), (foot, 0), (foot, 0.04), (pole, 0.04), (pole, height)]
  return meshes.join(
    [_revolve(stand), _revolve([(lower, height - shade), (upper, height)])]
  )


def _cup(numbers: Generator) -> meshes.Mesh:
  bottom, top = numbers.uniform((0.25, 0.35), (0.4, 0.5))
  height = numbers.uniform(0.6, 1.1)
  reach = height * numbers.uniform(0.2, 0.35)
  handle = primitives.arc(reach, -math.pi / 2, math.pi / 2)  # [n, 3]
  handle += ((bottom + top) / 2, 0, height / 2)
  thick = numbers.uniform(0.03, 0.06)
  return meshes.join(
    [
      _revolve([(0, 0), (bottom, 0), (top, height)]),
      primitives.tube(handle, thick),
    ]
  )


SHAPE_CLASSES: dict[str, Callable[[Generator], meshes.Mesh]] = {
  "box": _cuboid,
  "chair": _chair,
  "cone": _cone,
  "cup": _cup,
  "cylinder": _cylinder,
  "lamp": _lamp,
  "sphere": _sphere,
  "stairs": _stairs,
  "table": _table,
  "torus": _torus,
}
