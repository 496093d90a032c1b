"""Files of meshes in VRML 2, .wrl: the sets of faces of shapes as they stand.

No library of meshes that is light reads them. Files whose nodes move shapes, or
use some twice, are refused, since only a renderer places them.
"""

import re

import numpy as np

from experiments.point_clouds.files import meshes

_HEADER = b"#VRML V2.0"
_COMMENT = re.compile(r"#[^\n]*")
_UNREAD = re.compile(r"\b(Transform|Inline|PROTO|coord\s+USE|geometry\s+USE)\b")
_SET = re.compile(r"\bIndexedFaceSet\s*\{")
_FACES = re.compile(r"\bcoordIndex\s*\[([^]]*)\]")
_POINTS = re.compile(r"\bpoint\s*\[([^]]*)\]")


def parse(content: bytes) -> meshes.Mesh:
  """Returns positions and faces of all shapes; polygons become fans.

  Colours, normals, textures and lines are left out.

  Raises:
    ValueError: if it is no such file, has nodes that are not read, a number is
      none, a corner is no position, or there are no faces.
  """
  if not content.startswith(_HEADER):
    raise ValueError("it is not of VRML 2")
  text = _COMMENT.sub("", content.decode("utf-8", "replace"))
  if found := _UNREAD.search(text):
    raise ValueError(f"it has the node {found[0]}; expected shapes alone")
  parts = [_face_set(part) for part in _SET.split(text)[1:]]
  if not any(len(part.faces) for part in parts):
    raise ValueError("it has no faces; expected a surface")
  return meshes.join(parts)


def _face_set(text: str) -> meshes.Mesh:
  """Returns the faces that a text begins with, up to the next set's."""
  listed, placed = _FACES.search(text), _POINTS.search(text)
  if listed is None or placed is None:
    raise ValueError("a set of faces has no coordIndex or no point")
  vertices = np.array(placed[1].replace(",", " ").split(), np.float64)
  if vertices.size % 3 or not np.isfinite(vertices).all():
    raise ValueError("a position is not three finite numbers")
  vertices = vertices.reshape(-1, 3)
  corners = np.array(listed[1].replace(",", " ").split(), np.int64)
  if corners.size and not -1 <= corners.min() <= corners.max() < len(vertices):
    raise ValueError(
      f"a face has a corner beyond its {len(vertices)} positions"
    )
  return meshes.Mesh(vertices, _triangles(corners))


def _triangles(corners: np.ndarray) -> np.ndarray:  # [F, 3]
  """Returns the triangles of polygons, each of which ends with -1."""
  polygons = np.split(corners, np.flatnonzero(corners < 0) + 1)
  whole = [polygon[polygon >= 0] for polygon in polygons]
  fans = [
    np.stack([np.full(len(p) - 2, p[0]), p[1:-1], p[2:]], axis=1)
    for p in whole
    if len(p) > 2
  ]
  return np.concatenate([np.zeros((0, 3), np.int64), *fans])
