"""Files of meshes in Wavefront's format, .obj: positions and polygons."""

import numpy as np

from experiments.point_clouds.files import meshes


def parse(content: bytes) -> meshes.Mesh:
  """Returns the positions and faces; polygons become fans of triangles.

  Lines of anything else (colours, normals, textures, materials, lines) are left
  out. Corners are counted from 1, or, if negative, back from the last position
  so far.

  Raises:
    ValueError: if a position or corner is no number, a corner is no position,
      or there are no faces.
  """
  vertices: list[list[float]] = []
  faces: list[tuple[int, int, int]] = []
  for line in content.decode("utf-8", "replace").split("\n"):
    word, *rest = line.split("#")[0].split() or [""]
    if word == "v":
      vertices.append([float(x) for x in rest[:3]])
    elif word == "f":
      given = [int(corner.split("/")[0]) for corner in rest]
      found = [c - 1 if c > 0 else c + len(vertices) for c in given]
      faces += zip(found[:1] * len(found), found[1:], found[2:], strict=False)
  if not faces or not vertices:
    raise ValueError("it has no faces; expected a surface")
  corners, positions = np.array(faces), np.array(vertices)
  if corners.min() < 0 or corners.max() >= len(vertices):
    raise ValueError(
      f"a face has a corner beyond its {len(vertices)} positions"
    )
  if not np.isfinite(positions).all() or positions.shape[1] != 3:
    raise ValueError("a position is not three finite numbers")
  return meshes.Mesh(positions, corners)
