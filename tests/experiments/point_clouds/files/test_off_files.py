"""Meshes in the Object File Format: reading and refusals."""

import numpy as np
import pytest

from experiments.data import files
from experiments.point_clouds.files import off_files

CORNERS = "0 0 0\n1 0 0\n1 1 0\n0 1 0.5\n"


def read(tmp_path, text):
  path = tmp_path / "shape.off"
  path.write_bytes(text.encode("latin-1"))
  return off_files.read(path)


@pytest.mark.parametrize(
  "header",
  [
    "OFF\n4 2 5\n",
    "OFF4 2 5\n",  # as in many files of ModelNet40
    "OFF 4 2 5\n",
    "OFF\r\n4 2 5\r\n",
    "# by hand\n\nOFF # really\n  # the counts: \xe9\n4 2\n\n",
    "\xef\xbb\xbfOFF\n4 2 5\n",
    "OFF\r4 2 5\r",
    "OFF # \xc3\x85 by hand\n4 2 5\n",  # no line break
    "nOFF\n3\n4 2 5\n",
  ],
)
def test_headers(tmp_path, header):
  body = f"{CORNERS}3 0 1 2\n3 0 2 3\n"
  if header == "OFF\r4 2 5\r":
    body = body.replace("\n", "\r")
  mesh = read(tmp_path, header + body)
  expected = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.5]]
  assert mesh.vertices.tolist() == expected
  assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]


@pytest.mark.parametrize(
  ("word", "position", "rest"),
  [
    ("COFF", "1 2 3", "255 0 0 255"),
    ("NOFF", "1 2 3", "0 0 1"),
    ("STOFF", "1 2 3", "0.5 0.5"),
    ("CNOFF", "1 2 3", "0 0 1 0.5 0.5 0.5 1"),
    ("STCNOFF", "1 2 3", "0 0 1 0.5 0.5 0.5 1 0 1"),
    ("4OFF", "2 4 6 2", ""),
    ("STCN4OFF", "2 4 6 2", "0 0 1 0 1 1 1 1 0 1"),
    ("4nOFF\n3", "2 4 6 2", ""),
  ],
)
def test_colours_normals_textures_and_a_fourth_coordinate(
  tmp_path, word, position, rest
):
  corners = f"{position} {rest}\n" * 3
  mesh = read(tmp_path, f"{word}\n3 1 0\n{corners}3 0 1 2 255 0 0\n")
  assert mesh.vertices.tolist() == [[1, 2, 3]] * 3
  assert mesh.faces.tolist() == [[0, 1, 2]]


def test_polygons_become_fans(tmp_path):
  text = "OFF\n5 3 0\n0 0 0\n1 0 0\n2 1 0\n1 2 0\n0 1 0\n"
  mesh = read(tmp_path, f"{text}5 4 0 1 2 3\n4 0 1 2 3\n3 2 1 0\n")
  assert mesh.faces.tolist() == [
    *([4, 0, 1], [4, 1, 2], [4, 2, 3]),
    *([0, 1, 2], [0, 2, 3]),
    [2, 1, 0],
  ]


def test_colours_comments_and_lines_after_the_end_are_left_out(tmp_path):
  vertices = "0 0 0 255 0 0\n1 0 0 # right\n1 1 0\n"
  faces = "3 0 1 2 0.5 0.5 0.5 1\n3 2 1 0 7\n"
  mesh = read(tmp_path, f"OFF\n3 2 0\n{vertices}# faces\n{faces}2 0 1\nend\n")
  assert mesh.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
  assert mesh.faces.tolist() == [[0, 1, 2], [2, 1, 0]]


def test_faces_without_area_are_left_out(tmp_path):
  mesh = read(tmp_path, f"OFF\n4 3 0\n{CORNERS}2 0 1\n1 3\n3 0 1 3\n")
  assert mesh.faces.tolist() == [[0, 1, 3]]


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("", "it begins with 'nothing'; expected 'OFF'"),
    ("XOFF\n1 1 0\n", "it begins with 'XOFF'; expected 'OFF'"),
    ("nOFF\n", "it has '' coordinates; expected '3'"),
    ("nOFF\n5\n1 1 0\n", "it has '5' coordinates; expected '3'"),
    ("4OFF\n1 1 0\n0 0 0\n3 0 0 0\n", "'0 0 0'; expected four coord"),
    ("4OFF\n1 1 0\n1 0 0 0\n3 0 0 0\n", "'1 0 0 0'; expected finite"),
    ("\x89PNG\r\n", "expected 'OFF'"),
    ("OFF\n", "its counts are ''; expected how many vertices"),
    ("OFF BINARY\n4 2 5\n", "its counts are 'BINARY'"),
    ("OFF\n4\n", "its counts are '4'"),
    ("OFF\n0 0 0\n", "it has 0 vertices and 0 faces; expected at least one"),
    ("OFF\n3 0 0\n0 0 0\n1 0 0\n0 1 0\n", "3 vertices and 0 faces"),
    ("OFF\n-4 2 5\n", "it has -4 vertices"),
    (f"OFF\n4 2 5\n{CORNERS}3 0 1 2\n", "has 5 lines .* expected 4 and 2"),
    ("OFF\n999999999999 1 0\n", "it has 0 lines of vertices"),
    (f"OFF\n4 1 0\n{CORNERS}3 0 1 4\n", "'3 0 1 4'; expected .* from 0 to 3"),
    (f"OFF\n4 1 0\n{CORNERS}3 0 1 -1\n", "face 0 is '3 0 1 -1'; expected corn"),
    (f"OFF\n4 1 0\n{CORNERS}4 0 1 2\n", "'4 0 1 2'; expected the number of"),
    (f"OFF\n4 1 0\n{CORNERS}3 0 1 two\n", "'3 0 1 two'; expected the number"),
    (f"OFF\n4 1 0\n{CORNERS}-2 0 1 2\n", "'-2 0 1 2'; expected the number of"),
    (f"OFF\n4 1 0\n{CORNERS}2 0 1\n", "no face has three corners"),
    ("OFF\n1 1 0\n0 nan 0\n3 0 0 0\n", "vertex 0 is '0 nan 0'; expected fin"),
    ("OFF\n1 1 0\n0 0 1e39\n3 0 0 0\n", "vertex 0 is '0 0 1e39'; expected fin"),
    ("OFF\n1 1 0\n0 0\n3 0 0 0\n", "vertex 0 is '0 0'; expected three coord"),
    ("OFF\n1 1 0\n7\n3 0 0 0\n", "vertex 0 is '7'; expected three coord"),
    ("OFF\n1 1 0\na b c\n3 0 0 0\n", "vertex 0 is 'a b c'; expected three"),
  ],
)
def test_impossible_meshes_are_refused(tmp_path, text, message):
  with pytest.raises(files.InputError, match=rf"shape\.off: .*{message}"):
    read(tmp_path, text)


def test_a_missing_file_is_refused(tmp_path):
  with pytest.raises(files.InputError, match=r"none\.off cannot be read"):
    off_files.read(tmp_path / "none.off")


def test_long_lines_are_cut_in_messages(tmp_path):
  with pytest.raises(files.InputError) as error:
    read(tmp_path, f"OFF\n4 1 0\n{CORNERS}3 7 {'1 ' * 100}\n")
  assert len(str(error.value).removeprefix(str(tmp_path))) < 140


def test_numbers_are_read_exactly(tmp_path):
  mesh = read(tmp_path, "OFF\n3 1 0\n-1.5e-3 .25 +2\n1 0 0\n0 1 0\n3 0 1 2")
  np.testing.assert_array_equal(mesh.vertices[0], [-0.0015, 0.25, 2.0])
