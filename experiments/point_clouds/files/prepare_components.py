"""Electronic components as clouds of points, from a package's archive.

  apt-get download kicad-packages3d
  python -m experiments.prepare components ARCHIVE DIR
  python -m experiments.train modelnet40 --recipe solids \\
      --data.source hdf5:DIR

KiCad's library has 6,227 meshes in folders by kind, most of them siblings that
differ in size or number of pins. Files of a kind whose names differ in numbers
alone are a series; every fourth or so stands in the test set, whole. Of a
series the first eight are kept, and of the kinds the twenty with at least ten
series and forty such meshes. CC-BY-SA 4.0, with an exception for designs.
"""

from collections.abc import Iterator
import dataclasses
import pathlib
import re
import zlib

import tyro

from experiments.data import archives
from experiments.point_clouds.files import clouds
from experiments.point_clouds.files import prepared_clouds
from experiments.point_clouds.files import wrl_files

PACKAGE = archives.Package(
  name="kicad-packages3d",
  version="6.0.10-1",
  registry="Debian",
  download="apt-get download kicad-packages3d",
  sha256="e4ee3179c3935885a262e41543a675208ad5b3077d348728cac46f534d01109a",
  licence="CC-BY-SA 4.0, with an exception",
)
# Names of folders begin with these.
_FOLDERS = {
  "ball grid": "Package_BGA",
  "capacitor": "Capacitor_",
  "converter": "Converter_",
  "crystal": "Crystal",
  "D-sub": "Connector_Dsub",
  "diode": "Diode_",
  "display": "Display",
  "dual in-line": "Package_DIP",
  "dual or quad flat no leads": "Package_DFN_QFN",
  "inductor": "Inductor_",
  "LED": "LED_",
  "mounting": "Mounting_",
  "opto device": "OptoDevice",
  "Phoenix connector": "Connector_Phoenix",
  "quad flat": "Package_QFP",
  "relay": "Relay_",
  "resistor": "Resistor_",
  "small outline": "Package_SO.",
  "switch": "Button_Switch",
  "transistor outline": "Package_TO_SOT",
}
CLASS_NAMES = tuple(_FOLDERS)
_MOST = 8  # meshes of a series
_PERIOD, _TEST = 4, 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
  """Samples clouds of points on electronic components; takes minutes.

  Attributes:
    archive: the .deb of the package kicad-packages3d.
    folder: the folder for the clouds.
  """

  archive: tyro.conf.Positional[pathlib.Path]
  folder: tyro.conf.Positional[pathlib.Path]


def run(config: PrepareConfig) -> None:
  """Runs the command `prepare components`.

  Raises:
    files.InputError: if the archive is another one, h5py is missing, or a file
      cannot be written.
  """
  parts: dict[str, list[clouds.Cloud]] = {"train": [], "test": []}
  refused = 0
  for label, name, content in sorted(_meshes(config.archive)):
    series = f"{label} {series_of(name)}"
    is_test = zlib.crc32(series.encode()) % _PERIOD == _TEST
    try:
      cloud = prepared_clouds.sample(name, wrl_files.parse(content), label)
    except ValueError:
      refused += 1
      continue
    parts["test" if is_test else "train"].append(cloud)
  if refused:
    print(f"{refused} meshes are not read: their shapes are moved or empty")
  prepared_clouds.write(config.folder, "components", parts, CLASS_NAMES)


def series_of(name: str) -> str:
  """Returns the name of a mesh's file without its numbers."""
  return re.sub(r"[0-9.,]+", "", name)


def _meshes(archive: pathlib.Path) -> Iterator[tuple[int, str, bytes]]:
  """Yields labels, names and contents, the first few of each series."""
  counts: dict[tuple[int, str], int] = {}
  for path, content in PACKAGE.members(archive, "*.3dshapes/*.wrl"):
    folder, name = pathlib.PurePath(path).parts[-2:]
    kinds = [i for i, x in enumerate(_FOLDERS.values()) if folder.startswith(x)]
    if not kinds:
      continue
    (label,) = kinds
    series = label, series_of(name)
    counts[series] = counts.get(series, 0) + 1
    if counts[series] <= _MOST:
      yield label, name, content
