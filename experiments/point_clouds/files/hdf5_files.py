"""ModelNet40 as clouds of 2,048 points, in the HDF5 files made for PointNet.

The folder has train_files.txt and test_files.txt, whose lines name HDF5 files
beside them, with "data" [n, 2048, 3] float32 and "label" [n, 1]. Nothing is
downloaded.
"""

from collections.abc import Sequence
import dataclasses
import operator
import pathlib
from typing import Any

import numpy as np

from experiments.data import files
from experiments.data import tables
from experiments.point_clouds.files import clouds
from experiments.point_clouds.files import datasets

NUM_POINTS = 2048
# Three of the 9,843 training shapes are not in these files.
_COUNTS = {datasets.Split.TRAIN: 9_840, datasets.Split.TEST: 2_468}


@dataclasses.dataclass(frozen=True, eq=False)
class Clouds:
  """The clouds of one split, in memory.

  Attributes:
    points: [n, P, 3] float32.
    labels: [n] integers, the numbers of `datasets.CLASS_NAMES`.
  """

  points: np.ndarray
  labels: np.ndarray

  def __len__(self) -> int:
    return len(self.labels)

  def __getitem__(self, index: int) -> clouds.Cloud:
    number = operator.index(index)
    return clouds.Cloud(self.points[number], int(self.labels[number]))


def open_dataset(config: datasets.ModelNet40, num_points: int) -> Clouds:
  """Reads the clouds of one split.

  Args:
    config: the split and its folder.
    num_points: points P of a cloud, the first ones of those in the files, which
      are in no order.

  Raises:
    files.InputError: if files are missing or damaged, arrays have other shapes
      or types, or there are not as many clouds as there should be.
  """
  if num_points > NUM_POINTS:
    raise files.InputError(
      f"{config.data_dir} has clouds of {NUM_POINTS} points, not {num_points}."
    )
  read = [_read(path, num_points) for path in _listed(config)]
  points = np.concatenate([points for points, _ in read])
  labels = np.concatenate([labels for _, labels in read])
  expected = _COUNTS[config.split]
  if len(labels) != expected and not config.allow_partial:
    raise files.InputError(
      f"{config.data_dir} has {len(labels)} clouds in the split "
      f"{config.split.value}; expected {expected}. Set allow_partial to use "
      "them as they are."
    )
  return Clouds(points, labels)


def _listed(config: datasets.ModelNet40) -> list[pathlib.Path]:
  """Returns the files of a split; their folders in the list do not matter."""
  path = config.data_dir / f"{config.split.value}_files.txt"
  lines = filter(None, map(str.strip, tables.read_lines(path)))
  names = [pathlib.PureWindowsPath(line).name for line in lines]
  if not names:
    raise files.InputError(f"{path} is empty; expected names of HDF5 files.")
  return [config.data_dir / name for name in names]


def _read(
  path: pathlib.Path, num_points: int
) -> tuple[np.ndarray, np.ndarray]:  # [n, P, 3] float32, [n] int32
  try:
    # An extra, which only this needs.
    import h5py  # type: ignore[import-untyped]
  except ImportError as error:
    raise files.InputError(
      f"{path} cannot be read without h5py: pip install 'perceiver[points]'."
    ) from error
  if not path.is_file():
    raise files.InputError(f"{path} is not there, and its list names it.")
  try:
    with h5py.File(path, "r") as file:
      points = _array(path, file, "data", (None, NUM_POINTS, 3), "f")
      labels = _array(path, file, "label", (len(points), 1), "iu")[:, 0]
  except files.InputError:
    raise
  except (OSError, RuntimeError, LookupError, TypeError, ValueError) as error:
    raise files.InputError(f"{path} is no readable HDF5 file: {error}.") from (
      error
    )
  points = points[:, :num_points].astype(np.float32)
  _check_values(path, points, labels)
  return points, labels.astype(np.int32)


def _array(
  path: pathlib.Path,
  file: Any,
  name: str,
  shape: Sequence[int | None],
  kinds: str,
) -> np.ndarray:
  """Returns an array of a file after a check of its shape and type."""
  found = file.get(name)
  given = getattr(found, "shape", None)
  if given is None:
    raise files.InputError(
      f"{path} has no array {name!r}; expected data and label."
    )
  fits = len(given) == len(shape) and all(
    size in (None, length) for size, length in zip(shape, given)
  )
  if not fits or found.dtype.kind not in kinds:
    wanted = ", ".join("n" if size is None else str(size) for size in shape)
    raise files.InputError(
      f"{path}: {name} has shape {given} and type {found.dtype}; expected "
      f"({wanted}) of {'floats' if kinds == 'f' else 'integers'}."
    )
  return np.asarray(found[...])


def _check_values(
  path: pathlib.Path, points: np.ndarray, labels: np.ndarray
) -> None:
  broken = np.flatnonzero(~np.isfinite(points).all(axis=(1, 2)))
  if len(broken):
    raise files.InputError(
      f"{path}: cloud {broken[0]} has points that are not finite."
    )
  classes = len(datasets.CLASS_NAMES)
  unknown = np.flatnonzero((labels < 0) | (labels >= classes))
  if len(unknown):
    raise files.InputError(
      f"{path}: cloud {unknown[0]} has label {labels[unknown[0]]}; expected 0 "
      f"to {classes - 1}."
    )
