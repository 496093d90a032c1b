"""Simple meshes that shapes are composed of; the z axis points up."""

from collections.abc import Sequence
import math

import numpy as np

from experiments.point_clouds.files import meshes

_AROUND = 24  # sides of round meshes

# The corners of [0, 1]³ by binary digits, and its sides, each two triangles.
_CUBE = np.array([[(i >> k) & 1 for k in range(3)] for i in range(8)], float)
_SIDES = ((0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4))
_SIDES += ((2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5))
_CUBE_FACES = np.array(
  [t for a, b, c, d in _SIDES for t in ((a, b, c), (a, c, d))]
)


def box(
  low: Sequence[float],  # [3]
  high: Sequence[float],  # [3]
) -> meshes.Mesh:
  """Returns the box between two opposite corners."""
  low, high = np.asarray(low, float), np.asarray(high, float)
  return meshes.Mesh(low + _CUBE * (high - low), _CUBE_FACES)


def revolve(
  profile: Sequence[tuple[float, float]],
) -> meshes.Mesh:
  """Returns the surface of revolution of a line about the z axis.

  Args:
    profile: radius and height of two or more points, from end to end. Where
      the radius is 0, some faces have no area.
  """
  angles = np.arange(_AROUND) * (2 * math.pi / _AROUND)
  radii, heights = np.array(profile, float).T  # each [n]
  vertices = np.stack(
    [
      radii[:, None] * np.cos(angles),
      radii[:, None] * np.sin(angles),
      np.broadcast_to(heights[:, None], (len(radii), _AROUND)),
    ],
    axis=-1,
  )  # [n, around, 3]
  return _rings(vertices)


def tube(
  path: np.ndarray,  # [n, 3], in the plane y = 0
  radius: float,
) -> meshes.Mesh:
  """Returns the open tube around a line in the plane of x and z."""
  tangent = np.gradient(path, axis=0)
  tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True)
  outward = tangent[:, [2, 1, 0]] * (1, 0, -1)  # [n, 3], across the line
  angles = np.arange(_AROUND) * (2 * math.pi / _AROUND)
  around = np.cos(angles)[:, None] * outward[:, None]  # [n, around, 3]
  around[..., 1] = np.sin(angles)
  return _rings(path[:, None] + radius * around)


def arc(
  radius: float, start: float, stop: float, points: int = 17
) -> np.ndarray:  # [points, 3]
  """Returns points of a circle in the plane of x and z, angles in radians."""
  angles = np.linspace(start, stop, points)
  zeros = np.zeros(points)
  return radius * np.stack([np.cos(angles), zeros, np.sin(angles)], axis=-1)


def _rings(vertices: np.ndarray) -> meshes.Mesh:  # [n, m, 3]
  """Returns the surface through n rings of m vertices, one after the other."""
  n, m, _ = vertices.shape
  here = np.arange(n * m).reshape(n, m)
  beside = np.roll(here, -1, axis=1)
  a, b, c, d = (
    x.ravel() for x in (here[:-1], beside[:-1], beside[1:], here[1:])
  )
  faces = np.concatenate(
    [np.stack([a, b, c], axis=-1), np.stack([a, c, d], axis=-1)]
  )
  return meshes.Mesh(vertices.reshape(-1, 3), faces)
