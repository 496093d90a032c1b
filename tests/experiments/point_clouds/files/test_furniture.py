"""Furniture, from a package's archive to clouds of points."""

import io
import zipfile

import numpy as np
import pytest

from experiments import prepare
from experiments.point_clouds import data
from experiments.point_clouds.files import obj_files
from experiments.point_clouds.files import prepare_furniture
from tests.helpers import tiny_archives

SQUARE = b"""# a square, and a line
mtllib a.mtl
v 0 0 0 1.0
v 2 0 0
v 2 2 0
v 0 2 0
vn 0 0 1
l 1 2
f 1/1/1 2//1 3 -1
"""


def test_polygons_become_triangles():
  mesh = obj_files.parse(SQUARE)
  assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
  assert mesh.vertices[2].tolist() == [2, 2, 0]


@pytest.mark.parametrize(
  ("content", "message"),
  [
    (b"v 0 0 0\n", "no faces"),
    (b"f 1 2 3\n", "no faces"),
    (SQUARE + b"f 1 2 9\n", "beyond its 4 positions"),
    (SQUARE + b"f 1 2 -7\n", "beyond its 4 positions"),
    (SQUARE + b"v 1 nan 2\n", "three finite numbers"),
    (SQUARE + b"v 1 x 2\n", "could not convert"),
    (SQUARE + b"v 1 2\n", "inhomogeneous"),
  ],
)
def test_damaged_meshes_are_refused(content, message):
  with pytest.raises(ValueError, match=message):
    obj_files.parse(content)


@pytest.mark.parametrize(
  ("name", "expected"),
  [("Table lamp", "lamp"), ("Oak table", "table"), ("Wall", None)],
)
def test_classes_by_name(name, expected):
  label = prepare_furniture.class_of(name)
  names = prepare_furniture.CLASS_NAMES
  assert (label if label is None else names[label]) == expected


def catalogue(*names):
  buffer = io.BytesIO()
  lines = [
    f"name#{i}={name}\nid#{i}=x\nmodel#{i}=/a/{i}.obj\n"
    for i, name in enumerate(names, 1)
  ]
  with zipfile.ZipFile(buffer, "w") as opened:
    opened.writestr(prepare_furniture._PROPERTIES, "".join(lines))
    for i in range(1, len(names) + 1):
      opened.writestr(f"a/{i}.obj", SQUARE)
  return buffer.getvalue()


def test_catalogues_become_splits(tmp_path, monkeypatch, capsys):
  place = "usr/share/sweethome3d/furniture"
  content = tiny_archives.deb(
    {
      f"{place}/Scopia.sh3f": catalogue("Bed", "Wall", "Door", "Sofa"),
      f"{place}/KatorLegaz.sh3f": catalogue("Round table", "Bed"),
    }
  )
  archive, folder = tmp_path / "furniture.deb", tmp_path / "clouds"
  archive.write_bytes(content)
  words = ["furniture", str(archive), str(folder)]
  assert prepare.main(words) == 1
  assert "`apt-get download sweethome3d" in capsys.readouterr().err
  package = tiny_archives.package(content)
  monkeypatch.setattr(prepare_furniture, "PACKAGE", package)
  assert prepare.main(words) == 0
  assert (
    "modelnet40 --recipe solids --data.source hdf5:" in capsys.readouterr().out
  )
  config = data.DataConfig(source=data.Source(data.Dataset.HDF5, folder))
  names = config.class_names
  assert names == prepare_furniture.CLASS_NAMES
  train, test = data.train_split(config, 64), data.eval_split(config, 64)
  found = [
    [names[cloud.label] for cloud in map(split.source.__getitem__, range(n))]
    for split, n in ((train, 3), (test, 2))
  ]
  assert found == [["bed", "door", "sofa"], ["table", "bed"]]
  assert len(train.source) == 3
  points = train.source[0].points
  assert points.shape == (64, 3)
  assert not points[:, 2].any()
  assert 0 <= points.min() < 0.5 < 1.5 < points.max() <= 2
  assert np.abs(points - train.source[1].points).max() > 0
