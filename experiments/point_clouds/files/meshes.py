"""Surfaces of triangles, and points sampled on them.

V vertices, F faces, P points.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Mesh(NamedTuple):
  """A surface made of triangles."""

  vertices: np.ndarray  # [V, 3] float64
  faces: np.ndarray  # [F, 3] integers in [0, V)


def join(meshes: Sequence[Mesh]) -> Mesh:
  """Returns one mesh with the faces of all, as they stand."""
  counts = [len(mesh.vertices) for mesh in meshes]
  starts = np.cumsum([0, *counts[:-1]])
  return Mesh(
    np.concatenate([mesh.vertices for mesh in meshes]),
    np.concatenate([m.faces + start for m, start in zip(meshes, starts)]),
  )


def areas(mesh: Mesh) -> np.ndarray:  # [F] float64
  """Returns the area of every face."""
  first, second, third = _corners(mesh, np.arange(len(mesh.faces)))
  normals = np.cross(second - first, third - first)  # [F, 3]
  return np.linalg.norm(normals, axis=-1) / 2


def sample(
  mesh: Mesh, num_points: int, generator: np.random.Generator
) -> np.ndarray:  # [P, 3] float32
  """Samples points uniformly on a surface.

  Args:
    mesh: the surface; faces without area get no points.
    num_points: number of points.
    generator: all randomness comes from it.

  Raises:
    ValueError: if no face has an area.
  """
  return sample_faces(mesh, num_points, generator)[0]


def sample_faces(
  mesh: Mesh, num_points: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
  """Returns points as of `sample`, and the face of each, [P] integers."""
  size = areas(mesh)  # [F]
  solid = np.flatnonzero(size > 0)
  if not len(solid):
    raise ValueError("no face has an area; expected a surface")
  upto = np.cumsum(size[solid])
  sampled = generator.uniform(0, upto[-1], num_points)  # [P]
  # Rounding might yield the very end, which belongs to no face.
  rank = np.minimum(np.searchsorted(upto, sampled, "right"), len(solid) - 1)
  faces = solid[rank]
  first, second, third = _corners(mesh, faces)  # each [P, 3]
  along, across = generator.uniform(size=(2, num_points, 1))
  # Folded over, the half of the parallelogram beyond the face covers the face.
  beyond = along + across > 1
  along = np.where(beyond, 1 - along, along)
  across = np.where(beyond, 1 - across, across)
  points = first + along * (second - first) + across * (third - first)
  return points.astype(np.float32), faces


def _corners(
  mesh: Mesh, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns the three corners, each [n, 3], of the chosen faces [n]."""
  first, second, third = mesh.vertices[mesh.faces[chosen].T]
  return first, second, third
