"""Clouds of points in HDF5 files, as they were made for PointNet.

The folder has train_files.txt and test_files.txt, whose lines name HDF5 files
beside them; without these, as in ScanObjectNN, all files with "train" or "test"
in their names are meant. Each has "data" [n, P, 3] of floats and "label" [n, 1]
or [n] of integers. Names of classes are in shape_names.txt, one a line. Nothing
is downloaded.
"""

from collections.abc import Sequence
import dataclasses
import functools
import importlib
import operator
import pathlib
from types import EllipsisType
from types import ModuleType
from typing import Any

import numpy as np

from experiments.data import files
from experiments.data import tables
from experiments.point_clouds.files import clouds
from experiments.point_clouds.files import datasets

NAMES = "shape_names.txt"
_MOST_EXPANSION = 1032  # of the compression that HDF5 files have, deflate
# Three of the 9,843 training shapes are not in these files.
_COUNTS = {datasets.Split.TRAIN: 9_840, datasets.Split.TEST: 2_468}


@dataclasses.dataclass(frozen=True, eq=False)
class Clouds:
  """The clouds of one split, in memory.

  Attributes:
    points: [n, P, 3] float32.
    labels: [n] integers, the numbers of the classes.
  """

  points: np.ndarray
  labels: np.ndarray

  def __len__(self) -> int:
    return len(self.labels)

  def __getitem__(self, index: int) -> clouds.Cloud:
    number = operator.index(index)
    return clouds.Cloud(self.points[number], int(self.labels[number]))


def open_dataset(config: datasets.ModelNet40, num_points: int) -> Clouds:
  """Reads the clouds of one split of ModelNet40.

  Args:
    config: the split and its folder.
    num_points: points P of a cloud, the first ones of those in the files, which
      are in no order.

  Raises:
    files.InputError: if files are missing or damaged, arrays have other shapes
      or types, or there are not as many clouds as there should be.
  """
  found = _read_all(_listed(config), num_points, len(datasets.CLASS_NAMES))
  expected = _COUNTS[config.split]
  if len(found) != expected and not config.allow_partial:
    raise files.InputError(
      f"{config.data_dir} has {len(found)} clouds in the split "
      f"{config.split.value}; expected {expected}. Set allow_partial to use "
      "them as they are."
    )
  return found


def open_others(
  config: datasets.ModelNet40, num_points: int, num_classes: int
) -> Clouds:
  """Reads the clouds of one split of any data set, as `open_dataset`."""
  return _read_all(_listed_or_named(config), num_points, num_classes)


@functools.lru_cache(maxsize=4)
def class_names(folder: pathlib.Path) -> tuple[str, ...]:
  """Returns the names of a data set's classes; numbers if it has none.

  Raises:
    files.InputError: if a file cannot be used.
  """
  if (folder / NAMES).exists():
    names = map(str.strip, tables.read_lines(folder / NAMES))
    return tuple(filter(None, names))
  splits = (
    datasets.ModelNet40(data_dir=folder, split=split)
    for split in datasets.Split
  )
  largest = max(
    int(_arrays(path)[1].max(initial=0))
    for config in splits
    for path in _listed_or_named(config)
  )
  return tuple(map(str, range(largest + 1)))


def _listed(config: datasets.ModelNet40) -> list[pathlib.Path]:
  """Returns the files of a split; their folders in the list do not matter."""
  path = config.data_dir / f"{config.split.value}_files.txt"
  lines = filter(None, map(str.strip, tables.read_lines(path)))
  names = [pathlib.PureWindowsPath(line).name for line in lines]
  if not names:
    raise files.InputError(f"{path} is empty; expected names of HDF5 files.")
  return [config.data_dir / name for name in names]


def _listed_or_named(config: datasets.ModelNet40) -> list[pathlib.Path]:
  part = config.split.value
  patterns = (f"*{part}*.h5", f"*{part}*.hdf5")
  named = files.list_files(config.data_dir, *patterns)
  has_list = (config.data_dir / f"{part}_files.txt").exists()
  return named if named and not has_list else _listed(config)


def _read_all(
  paths: Sequence[pathlib.Path], num_points: int, num_classes: int
) -> Clouds:
  read = [_read(path, num_points, num_classes) for path in paths]
  return Clouds(*(np.concatenate(arrays) for arrays in zip(*read)))


def _read(
  path: pathlib.Path, num_points: int, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:  # [n, P, 3] float32, [n] int32
  points, labels = _arrays(path)
  if num_points > points.shape[1]:
    raise files.InputError(
      f"{path} has clouds of {points.shape[1]} points, not {num_points}; "
      "--model.num-points gives the model's."
    )
  points = points[:, :num_points].astype(np.float32)
  _check_values(path, points, labels, num_classes)
  return points, labels.astype(np.int32)


def write(path: pathlib.Path, points: np.ndarray, labels: np.ndarray) -> None:
  """Writes clouds [n, P, 3] and the numbers of their classes [n].

  Raises:
    files.InputError: if h5py is missing, or the file cannot be written.
  """
  h5py = _h5py(path)
  with files.writing(path) as temporary, h5py.File(temporary, "w") as file:
    file["data"], file["label"] = points, labels


def _h5py(path: pathlib.Path) -> ModuleType:
  """Returns the module that reads and writes a file; it is an extra."""
  try:
    return importlib.import_module("h5py")
  except ImportError as error:
    raise files.InputError(
      f"{path} needs h5py: `pip install -e '.[points]'`."
    ) from error


def _arrays(
  path: pathlib.Path,
) -> tuple[np.ndarray, np.ndarray]:  # [n, P, 3] floats, [n] integers
  h5py = _h5py(path)
  if not path.is_file():
    raise files.InputError(f"{path} is not there, and its list names it.")
  try:
    with h5py.File(path, "r") as file:
      points = _array(path, file, "data", (None, None, 3), "f")
      labels = _array(path, file, "label", (len(points), ...), "iu")
      labels = labels.reshape(-1)
  except files.InputError:
    raise
  except (OSError, RuntimeError, LookupError, TypeError, ValueError) as error:
    raise files.InputError(f"{path} is no readable HDF5 file: {error}.") from (
      error
    )
  return points, labels


def _array(
  path: pathlib.Path,
  file: Any,
  name: str,
  shape: Sequence[int | EllipsisType | None],
  kinds: str,
) -> np.ndarray:
  """Returns an array of a file after a check of its shape and type.

  In a shape, None is any size, and ... an axis of one entry or none at all.
  Nothing outside the file is read, and no memory taken for what it lacks.
  """
  h5py = _h5py(path)
  # A link may lead to any file that the reader may read.
  is_inside = isinstance(file.get(name, getlink=True), h5py.HardLink)
  found: Any = file.get(name) if is_inside else None
  given = getattr(found, "shape", None)
  if given is None:
    raise files.InputError(
      f"{path} has no array {name!r}; expected data and label."
    )
  shapes = [tuple(1 if size is ... else size for size in shape)]
  shapes += [tuple(size for size in shape if size is not ...)]
  fits = any(
    len(given) == len(sizes)
    and all(size in (None, length) for size, length in zip(sizes, given))
    for sizes in shapes
  )
  if not fits or found.dtype.kind not in kinds:
    names: dict[Any, str] = {None: "any", ...: "1"}
    wanted = ", ".join(str(names.get(size, size)) for size in shape)
    raise files.InputError(
      f"{path}: {name} has shape {given} and type {found.dtype}; expected "
      f"({wanted}) of {'floats' if kinds == 'f' else 'integers'}."
    )
  if found.external or found.is_virtual:
    raise files.InputError(f"{path}: the numbers of {name} are in other files.")
  stored = min(found.id.get_storage_size(), path.stat().st_size)
  if found.nbytes > _MOST_EXPANSION * stored:
    raise files.InputError(
      f"{path}: {name} is of shape {given}; its {stored} bytes cannot hold it."
    )
  return np.asarray(found[...])


def _check_values(
  path: pathlib.Path, points: np.ndarray, labels: np.ndarray, classes: int
) -> None:
  broken = np.flatnonzero(~np.isfinite(points).all(axis=(1, 2)))
  if len(broken):
    raise files.InputError(
      f"{path}: cloud {broken[0]} has points that are not finite."
    )
  unknown = np.flatnonzero((labels < 0) | (labels >= classes))
  if len(unknown):
    raise files.InputError(
      f"{path}: cloud {unknown[0]} has label {labels[unknown[0]]}; expected 0 "
      f"to {classes - 1}."
    )
