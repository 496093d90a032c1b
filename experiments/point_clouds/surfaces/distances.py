"""Distances of points from surfaces of triangles.

Q points, F faces.
"""

import numpy as np
from scipy import spatial  # type: ignore[import-untyped]

from experiments.point_clouds.files import meshes

_CANDIDATES = 8  # samples nearest to a point, of whose faces one is the nearest


def from_samples(
  mesh: meshes.Mesh,
  points: np.ndarray,  # [Q, 3]
  samples: np.ndarray,  # [n, 3] on the mesh
  faces: np.ndarray,  # [n], the face of each sample
) -> np.ndarray:  # [Q] float64
  """Returns each point's distance from the faces of the samples nearest to it.

  It is the distance from the surface where samples are dense: too large by
  less than the distance between samples of the surface's nearest face.
  """
  count = min(_CANDIDATES, len(samples))
  _, near = spatial.cKDTree(samples).query(points, k=count)
  candidates = faces[near.reshape(len(points), count)]  # [Q, k]
  corners = mesh.vertices[mesh.faces[candidates]]  # [Q, k, 3, 3]
  return to_triangles(points[:, None], corners).min(axis=1)


def to_triangles(
  points: np.ndarray,  # [..., 3]
  corners: np.ndarray,  # [..., 3, 3]
) -> np.ndarray:  # [...] float64
  """Returns distances of points from triangles, those without area included."""
  first, second, third = np.moveaxis(corners, -2, 0)
  normal = np.cross(second - first, third - first)  # [..., 3]
  area = np.linalg.norm(normal, axis=-1)
  inside = area > 0
  nearest = np.full(inside.shape, np.inf)
  for a, b in ((first, second), (second, third), (third, first)):
    edge, away = b - a, points - a
    inside = inside & (np.sum(np.cross(edge, away) * normal, axis=-1) >= 0)
    length = np.sum(edge * edge, axis=-1)
    along = np.sum(away * edge, axis=-1) / np.where(length > 0, length, 1)
    away = away - np.clip(along, 0, 1)[..., None] * edge
    nearest = np.minimum(nearest, np.linalg.norm(away, axis=-1))
  height = np.abs(np.sum((points - first) * normal, axis=-1))
  return np.where(inside, height / np.where(area > 0, area, 1), nearest)
