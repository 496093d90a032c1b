"""Files of meshes in the Object File Format, .off.

They hold the word OFF, the numbers of vertices, faces and edges, then one line
for every vertex and one for every face. ModelNet's own files often lack the
line break after OFF, and files of other programs have comments, polygons,
colours, normals and textures.
"""

from collections.abc import Sequence
import itertools
import pathlib
import re

import numpy as np

from experiments.data import files
from experiments.data import tables
from experiments.point_clouds.files import meshes

# Textures, colours and normals follow the position of a vertex. With 4 it has a
# fourth coordinate, which divides the others; with n the number of coordinates
# comes before the counts.
_WORD = re.compile(r"(?:ST)?C?N?(4?)(n?)OFF")
_LARGEST = float(np.finfo(np.float32).max)


def read(path: pathlib.Path) -> meshes.Mesh:
  """Reads positions and faces; polygons become fans of triangles.

  Raises:
    files.InputError: if the file cannot be read, is no .off file or not a
      complete one, has no vertices or no faces, or numbers that cannot be.
  """
  text = tables.read_text(path, "replace")  # for comments in any encoding
  try:
    return _parse(text)
  except ValueError as error:
    raise files.InputError(f"{path}: {error}.") from error


def _parse(text: str) -> meshes.Mesh:
  lines = [line.split("#")[0].split() for line in text.split("\n")]
  words, size = _without_header([line for line in lines if line])
  num_vertices, num_faces = _counts(words)
  found = len(words) - 1
  if found < num_vertices + num_faces:
    raise ValueError(
      f"it has {found} lines of vertices and faces; expected {num_vertices} "
      f"and {num_faces}"
    )
  vertices = _vertices(words[1 : 1 + num_vertices], size)
  faces = _faces(words[1 + num_vertices :][:num_faces], num_vertices)
  return meshes.Mesh(vertices, faces)


def _without_header(words: list[list[str]]) -> tuple[list[list[str]], int]:
  """Takes the header away, also where the counts follow without a space.

  Returns:
    The lines from the counts on, and the number of coordinates, 3 or 4.
  """
  first = words[0][0] if words else "nothing"
  word = _WORD.match(first)
  if word is None:
    raise ValueError(f"it begins with {first[:20]!r}; expected 'OFF'")
  attached = first[word.end() :]
  counts = [attached] * bool(attached) + words[0][1:]
  words = [counts, *words[1:]] if counts else words[1:]
  if word[2]:
    size, *words = words or [[]]
    if size != ["3"]:
      raise ValueError(f"it has {_show(size)} coordinates; expected '3'")
  return words, 3 + bool(word[1])


def _counts(words: Sequence[Sequence[str]]) -> tuple[int, int]:
  line = words[0] if words else []
  try:
    num_vertices, num_faces = (int(word) for word in line[:2])
  except ValueError:
    raise ValueError(
      f"its counts are {_show(line)}; expected how many vertices, faces and "
      "edges there are"
    ) from None
  if num_vertices < 1 or num_faces < 1:
    raise ValueError(
      f"it has {num_vertices} vertices and {num_faces} faces; expected at "
      "least one of each"
    )
  return num_vertices, num_faces


def _vertices(
  lines: Sequence[Sequence[str]], size: int
) -> np.ndarray:  # [V, 3] float64
  vertices = np.empty((len(lines), size))
  for i, line in enumerate(lines):
    try:
      vertices[i] = [float(line[k]) for k in range(size)]
    except (IndexError, ValueError):
      expected = "three" if size == 3 else "four"
      raise ValueError(
        f"vertex {i} is {_show(line)}; expected {expected} coordinates"
      ) from None
  if size == 4:
    with np.errstate(all="ignore"):  # refused below
      vertices = vertices[:, :3] / vertices[:, 3:]
  broken = ~np.all(np.abs(vertices) <= _LARGEST, axis=-1)  # [V]
  if broken.any():
    i = int(np.argmax(broken))
    raise ValueError(
      f"vertex {i} is {_show(lines[i])}; expected finite numbers"
    )
  return vertices


def _faces(
  lines: Sequence[Sequence[str]], num_vertices: int
) -> np.ndarray:  # [F, 3]
  triangles: list[tuple[int, int, int]] = []
  for i, line in enumerate(lines):
    corners = _polygon(i, line)
    if not all(0 <= corner < num_vertices for corner in corners):
      raise ValueError(
        f"face {i} is {_show(line)}; expected corners from 0 to "
        f"{num_vertices - 1}"
      )
    # Fewer than three corners enclose nothing, and give no triangle.
    sides = itertools.pairwise(corners[1:])
    triangles += [(corners[0], *side) for side in sides]
  if not triangles:
    raise ValueError("no face has three corners; expected a surface")
  return np.array(triangles)


def _polygon(number: int, line: Sequence[str]) -> list[int]:
  """Returns the corners of a face; what follows them is its colour."""
  try:
    count = int(line[0])
    corners = [int(word) for word in line[1 : 1 + count]]
  except ValueError:
    count, corners = 0, []
  if count < 1 or len(corners) != count:
    raise ValueError(
      f"face {number} is {_show(line)}; expected the number of its corners and "
      "as many vertices"
    )
  return corners


def _show(line: Sequence[str]) -> str:
  text = " ".join(line)
  return repr(text if len(text) <= 60 else f"{text[:60]}…")
