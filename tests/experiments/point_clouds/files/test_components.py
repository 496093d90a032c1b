"""Meshes in VRML, and electronic components from a package's archive."""

import types

import pytest

from experiments import prepare
from experiments.data import files
from experiments.point_clouds import data
from experiments.point_clouds.files import mesh_files
from experiments.point_clouds.files import prepare_components
from experiments.point_clouds.files import wrl_files
from tests.helpers import tiny_archives

FACES = """Shape { # a square, in one set [of faces]
  appearance Appearance { material DEF A Material { diffuseColor 1 1 1 } }
  geometry IndexedFaceSet {
    coordIndex [0,1,2,3,-1]
    coord Coordinate { point [0 0 0, 2 0 0, 2 2 0, 0 2 0] }
  }
}
"""
TRIANGLES = """Shape { geometry IndexedFaceSet
  { coord Coordinate { point [
      0 0 1
      1 0 1
      0 1 1 ] }
    coordIndex [ 0 1 2 -1
      2, 1, 0 ] } }
"""
HEAD = "#VRML V2.0 utf8\n"


def parse(text):
  return wrl_files.parse(text.encode())


def test_sets_of_faces_are_joined():
  mesh = parse(HEAD + FACES + TRIANGLES)
  expected = [[0, 1, 2], [0, 2, 3], [4, 5, 6], [6, 5, 4]]
  assert mesh.faces.tolist() == expected
  assert mesh.vertices.shape == (7, 3)
  assert mesh.vertices[5].tolist() == [1, 0, 1]


@pytest.mark.parametrize(
  ("text", "message"),
  [
    (FACES, "not of VRML 2"),
    (HEAD, "no faces"),
    (HEAD + FACES.replace("0,1,2,3,-1", "0,1,-1"), "no faces"),
    (HEAD + FACES.replace("3,-1", "4,-1"), "beyond its 4 positions"),
    (HEAD + FACES.replace("3,-1", "-2"), "beyond its 4 positions"),
    (HEAD + FACES.replace("0 2 0]", "0 2]"), "three finite numbers"),
    (HEAD + FACES.replace("0 2 0]", "0 2 nan]"), "three finite numbers"),
    (HEAD + FACES.replace("0 2 0]", "0 2 x]"), "could not convert"),
    (HEAD + FACES.replace("0,1,2", "0,1,y"), "invalid literal"),
    (HEAD + FACES.replace("point", "color"), "no coordIndex or no point"),
    (HEAD + "Transform { children " + FACES + "}", "the node Transform"),
  ],
)
def test_damaged_and_other_files_are_refused(text, message):
  with pytest.raises(ValueError, match=message):
    parse(text)


def test_meshes_are_read_by_their_suffix(tmp_path):
  (tmp_path / "a.WRL").write_text(HEAD + FACES)
  assert len(mesh_files.read(tmp_path / "a.WRL").faces) == 2
  (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
  assert len(mesh_files.read(tmp_path / "a.obj").faces) == 1
  (tmp_path / "b.wrl").write_text(HEAD)
  with pytest.raises(files.InputError, match=r"b\.wrl: it has no faces"):
    mesh_files.read(tmp_path / "b.wrl")


def test_series_differ_in_numbers_alone():
  series = prepare_components.series_of
  assert series("R_L3.6mm_P5.08mm.wrl") == series("R_L12mm_P7.62mm.wrl")
  assert series("R_L3mm_Vertical.wrl") != series("R_L3mm_Horizontal.wrl")


def test_folders_become_classes_and_series_splits(
  tmp_path, monkeypatch, capsys
):
  root = "usr/share/kicad/3dmodels"
  names = prepare_components.CLASS_NAMES
  resistor, relay = names.index("resistor"), names.index("relay")
  sides = {f"{relay} K_wrl": 3}
  side = lambda word: sides.get(word.decode(), 0)
  fake = types.SimpleNamespace(crc32=side)
  monkeypatch.setattr(prepare_components, "zlib", fake)
  solid = (HEAD + FACES).encode()
  moved = (HEAD + "Transform {" + FACES + "}").encode()
  content = tiny_archives.deb(
    {
      **{f"{root}/Resistor_SMD.3dshapes/R_{i}.wrl": solid for i in range(10)},
      f"{root}/Resistor_THT.3dshapes/R_99.wrl": solid,
      f"{root}/Relay_THT.3dshapes/K_1.wrl": solid,
      f"{root}/Relay_THT.3dshapes/K.wrl": solid,
      f"{root}/Relay_THT.3dshapes/Moved.wrl": moved,
      f"{root}/Valve.3dshapes/V.wrl": solid,
      f"{root}/Relay_THT.3dshapes/K_1.step": b"",
    }
  )
  archive, folder = tmp_path / "a.deb", tmp_path / "clouds"
  archive.write_bytes(content)
  words = ["components", str(archive), str(folder)]
  assert prepare.main(words) == 1
  assert "`apt-get download kicad-packages3d" in capsys.readouterr().err
  package = tiny_archives.package(content)
  monkeypatch.setattr(prepare_components, "PACKAGE", package)
  assert prepare.main(words) == 0
  out = capsys.readouterr().out
  assert "1 meshes are not read" in out
  assert "modelnet40 --recipe solids --data.source hdf5:" in out
  config = data.DataConfig(source=data.Source(data.Dataset.HDF5, folder))
  assert config.class_names == names
  splits = data.train_split(config, 16), data.eval_split(config, 16)
  found = [
    [cloud.label for cloud in map(x.source.__getitem__, range(len(x.source)))]
    for x in splits
  ]
  assert found == [[relay] + [resistor] * 8, [relay]]
