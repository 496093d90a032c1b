"""Real furniture as clouds of points, from a package's archive.

  apt-get download sweethome3d-furniture
  python -m experiments.prepare furniture ARCHIVE DIR
  python -m experiments.train modelnet40 --recipe solids \\
      --data.source hdf5:DIR

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
import zipfile

import tyro

from experiments.data import archives
from experiments.data import files
from experiments.point_clouds.files import clouds
from experiments.point_clouds.files import obj_files
from experiments.point_clouds.files import prepared_clouds

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
  """Samples clouds of points on real furniture.

  Attributes:
    archive: the .deb of the package sweethome3d-furniture.
    folder: the folder for the clouds.
  """

  archive: tyro.conf.Positional[pathlib.Path]
  folder: tyro.conf.Positional[pathlib.Path]


def run(config: PrepareConfig) -> None:
  """Runs the command `prepare furniture`.

  Raises:
    files.InputError: if the archive is another one, h5py is missing, or a file
      cannot be written.
  """
  parts: dict[str, list[clouds.Cloud]] = {"train": [], "test": []}
  for path, content in PACKAGE.members(config.archive, "*.sh3f"):
    is_test = pathlib.PurePath(path).stem in _TEST
    parts["test" if is_test else "train"] += _clouds(content)
  prepared_clouds.write(config.folder, "furniture", parts, CLASS_NAMES)


def class_of(name: str) -> int | None:
  """Returns the class of an object's name, by its last word that is one.

  A table lamp is a lamp. None if no word is a class.
  """
  words = re.findall("[a-z]+", name.lower())
  found = [word for word in words if word in CLASS_NAMES]
  return CLASS_NAMES.index(found[-1]) if found else None


def _clouds(catalogue: bytes) -> Iterator[clouds.Cloud]:
  """Yields points on the objects of a catalogue that have a class."""
  with zipfile.ZipFile(io.BytesIO(catalogue)) as opened:
    entries: dict[str, dict[str, str]] = {}
    for line in opened.read(_PROPERTIES).decode("latin-1").splitlines():
      if match := _ENTRY.match(line):
        entries.setdefault(match[2], {})[match[1]] = match[3].strip()
    for entry in entries.values():
      label, model = class_of(entry["name"]), entry["model"].lstrip("/")
      if label is None:
        continue
      try:
        mesh = obj_files.parse(opened.read(model))
        yield prepared_clouds.sample(model, mesh, label)
      except ValueError as error:
        raise files.InputError(f"{model}: {error}.") from error
