"""Real furniture as clouds of points, from a package's archive.

  apt-get download sweethome3d-furniture
  python -m experiments.prepare furniture ARCHIVE DIR
  python -m experiments.train modelnet40 --mini --data.source hdf5:DIR

Five catalogues of Sweet Home 3D have 820 objects by name, under CC0 or CC-BY
3.0. Those of eleven names are classes. The objects of two catalogues are the
test set, so that variants of one object do not stand on both sides: their
designers have none in the training set, but for a chair's, who has a table. The
clouds are written in the files of PointNet's.
"""

from collections.abc import Iterator
import dataclasses
import io
import pathlib
import re
from typing import NamedTuple
import zipfile
import zlib

import numpy as np
import tyro

from experiments.data import archives
from experiments.data import files
from experiments.point_clouds.files import hdf5_files
from experiments.point_clouds.files import meshes
from experiments.point_clouds.files import obj_files

PACKAGE = archives.Package(
  name="sweethome3d-furniture",
  version="1.8-1",
  registry="Debian",
  download="apt-get download sweethome3d-furniture",
  sha256="3ccb90c63f9525e887a767b9cd5c8b6933b8b6b2973a615a5359ee68a2118668",
  licence="CC0 and CC-BY 3.0, by catalogue",
)
CLASS_NAMES = (
  "armchair",
  "bed",
  "bottle",
  "cabinet",
  "chair",
  "door",
  "lamp",
  "plant",
  "sofa",
  "table",
  "window",
)
_TEST = ("BlendSwap-CC-BY", "KatorLegaz")  # catalogues
_PROPERTIES = "PluginFurnitureCatalog.properties"
_ENTRY = re.compile(r"(name|model)#(\d+)=(.*)")
_NUM_POINTS = 2048


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
  """Samples clouds of points on real furniture.

  Attributes:
    archive: the .deb of the package sweethome3d-furniture.
    folder: the folder for the clouds.
  """

  archive: tyro.conf.Positional[pathlib.Path]
  folder: tyro.conf.Positional[pathlib.Path]


class _Object(NamedTuple):
  """An object of a class, and its file."""

  label: int
  name: str  # of its file, in its catalogue
  content: bytes


def run(config: PrepareConfig) -> None:
  """Runs the command `prepare furniture`.

  Raises:
    files.InputError: if the archive is another one, h5py is missing, or a file
      cannot be written.
  """
  parts: dict[str, list[_Object]] = {"train": [], "test": []}
  for path, content in PACKAGE.members(config.archive, "*.sh3f"):
    is_test = pathlib.PurePath(path).stem in _TEST
    parts["test" if is_test else "train"] += _objects(content)
  files.make_folder(config.folder)
  for part, objects in parts.items():
    clouds = np.stack([_sample(each) for each in objects])  # [n, P, 3]
    labels = np.array([each.label for each in objects], np.int32)
    hdf5_files.write(config.folder / f"furniture_{part}.h5", clouds, labels)
    print(f"{part}: {len(labels)} objects of {len(set(labels))} classes")
  text = "\n".join(CLASS_NAMES) + "\n"
  files.write_text(config.folder / hdf5_files.NAMES, text)
  print(
    "to train on them: python -m experiments.train modelnet40 --mini "
    f"--data.source hdf5:{config.folder}"
  )


def class_of(name: str) -> int | None:
  """Returns the class of an object's name, by its last word that is one.

  A table lamp is a lamp. None if no word is a class.
  """
  words = re.findall("[a-z]+", name.lower())
  found = [word for word in words if word in CLASS_NAMES]
  return CLASS_NAMES.index(found[-1]) if found else None


def _objects(catalogue: bytes) -> Iterator[_Object]:
  """Yields the objects of a catalogue that have a class."""
  with zipfile.ZipFile(io.BytesIO(catalogue)) as opened:
    entries: dict[str, dict[str, str]] = {}
    for line in opened.read(_PROPERTIES).decode("latin-1").splitlines():
      if match := _ENTRY.match(line):
        entries.setdefault(match[2], {})[match[1]] = match[3].strip()
    for entry in entries.values():
      label, model = class_of(entry["name"]), entry["model"].lstrip("/")
      if label is not None:
        yield _Object(label, model, opened.read(model))


def _sample(each: _Object) -> np.ndarray:  # [P, 3] float32
  numbers = np.random.default_rng(zlib.crc32(each.name.encode()))
  try:
    return meshes.sample(obj_files.parse(each.content), _NUM_POINTS, numbers)
  except ValueError as error:
    raise files.InputError(f"{each.name}: {error}.") from error
