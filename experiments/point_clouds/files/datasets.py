"""ModelNet40 (Wu et al., 2015) in the folder it is published in.

Nothing is downloaded. A folder that lacks classes, or has other numbers of
shapes than are published, is refused.
"""

import dataclasses
import enum
import operator
import pathlib
import re
import threading
import zlib

import numpy as np

from experiments.data import files
from experiments.point_clouds.files import clouds
from experiments.point_clouds.files import meshes
from experiments.point_clouds.files import off_files

CLASS_NAMES = (
  "airplane",
  "bathtub",
  "bed",
  "bench",
  "bookshelf",
  "bottle",
  "bowl",
  "car",
  "chair",
  "cone",
  "cup",
  "curtain",
  "desk",
  "door",
  "dresser",
  "flower_pot",
  "glass_box",
  "guitar",
  "keyboard",
  "lamp",
  "laptop",
  "mantel",
  "monitor",
  "night_stand",
  "person",
  "piano",
  "plant",
  "radio",
  "range_hood",
  "sink",
  "sofa",
  "stairs",
  "stool",
  "table",
  "tent",
  "toilet",
  "tv_stand",
  "vase",
  "wardrobe",
  "xbox",
)


class Split(enum.Enum):
  """The two official splits, by the names of their folders."""

  TRAIN = "train"
  TEST = "test"


# Threads may want one shape at once, and only one may write its file.
_CACHE_LOCK = threading.Lock()
_COUNTS = {Split.TRAIN: 9_843, Split.TEST: 2_468}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelNet40:
  """A split of ModelNet40 in a folder.

  Attributes:
    data_dir: has a folder for every class, and in it the folders train and test
      with the .off files.
    split: training or test.
    cache_dir: keeps the points that were sampled on each shape, so that its
      mesh is read only once; sampled_points in `data_dir` if None.
    allow_partial: accept other numbers of shapes, and missing classes.
  """

  data_dir: pathlib.Path
  split: Split
  cache_dir: pathlib.Path | None = None
  allow_partial: bool = False


@dataclasses.dataclass(frozen=True)
class Shapes:
  """Clouds of points on the shapes of one split, the same in every epoch.

  Attributes:
    paths: the .off files.
    labels: the number of each one's class.
    num_points: points P of a cloud.
    cache_dir: the folder of cached clouds.
  """

  paths: tuple[pathlib.Path, ...]
  labels: tuple[int, ...]
  num_points: int
  cache_dir: pathlib.Path

  def __len__(self) -> int:
    return len(self.paths)

  def __getitem__(self, index: int) -> clouds.Cloud:
    """Returns points on the surface of a shape, and its class.

    Raises:
      files.InputError: if its mesh or its cached points are damaged, or
        nothing can be cached.
    """
    path = self.paths[operator.index(index)]
    folder = self.cache_dir / f"{self.num_points}" / path.parent.name
    cached = folder / f"{path.stem}.npy"
    with _CACHE_LOCK:
      if not cached.exists():
        _write_points(cached, sample_points(path, self.num_points))
    return clouds.Cloud(
      _read_points(cached, self.num_points), self.labels[index]
    )


def sample_points(
  path: pathlib.Path, num_points: int
) -> np.ndarray:  # [P, 3] float32
  """Samples points on the mesh of a file, seeded by the file's name.

  Raises:
    files.InputError: if the file is damaged, or its surface has no area.
  """
  mesh = off_files.read(path)
  numbers = np.random.default_rng(zlib.crc32(path.name.encode()))
  try:
    return meshes.sample(mesh, num_points, numbers)
  except ValueError as error:
    raise files.InputError(f"{path}: {error}.") from error


def open_dataset(config: ModelNet40, num_points: int) -> Shapes:
  """Finds the shapes of one split; their files are read one by one later.

  Args:
    config: the split and its folder.
    num_points: points P of a cloud.

  Raises:
    files.InputError: if classes or shapes are missing, or there are more than
      there should be.
  """
  root = config.data_dir
  if not root.is_dir():
    raise files.InputError(f"{root} is not a folder; expected ModelNet40's.")
  found = [
    (path, CLASS_NAMES.index(name))
    for name in _class_folders(config)
    for path in sorted(
      files.list_files(root / name / config.split.value, "*.off"), key=_number
    )
  ]
  expected = _COUNTS[config.split]
  if not found or (len(found) != expected and not config.allow_partial):
    raise files.InputError(
      f"{root} has {len(found)} shapes in the split {config.split.value}; "
      f"expected {expected}."
      + (" Set allow_partial to use them as they are." if found else "")
    )
  paths, labels = zip(*found)
  cache = config.cache_dir or root / "sampled_points"
  return Shapes(paths, labels, num_points, cache)


def _class_folders(config: ModelNet40) -> list[str]:
  """Returns the names of the classes that are there, in their order."""
  root, split = config.data_dir, config.split.value
  folders = files.list_folders(root)
  names = [folder.name for folder in folders if (folder / split).is_dir()]
  unknown = [name for name in names if name not in CLASS_NAMES]
  if unknown:
    raise files.InputError(
      f"{root} has the folder {unknown[0]}, which is no class of ModelNet40; "
      f"expected {', '.join(CLASS_NAMES[:3])} and so on."
    )
  missing = [name for name in CLASS_NAMES if name not in names]
  if missing and not config.allow_partial:
    raise files.InputError(
      f"{root} lacks {missing[0]}/{split}, one of {len(missing)} classes that "
      f"are not there; expected {len(CLASS_NAMES)}."
    )
  return names


def _number(path: pathlib.Path) -> tuple[int, str]:
  """Returns a key that sorts chair_9 before chair_0010."""
  digits = re.findall(r"\d+", path.stem)
  return int(digits[-1]) if digits else -1, path.name


def _write_points(path: pathlib.Path, points: np.ndarray) -> None:
  try:
    with files.writing(path) as temporary:
      np.save(temporary, points)
  except files.InputError as error:
    raise files.InputError(
      f"{error}. --data.cache-dir names another folder for sampled points."
    ) from error


def _read_points(
  path: pathlib.Path, num_points: int
) -> np.ndarray:  # [P, 3] float32
  try:
    # Mapped, for the size that the file states may be any.
    points = np.lib.format.open_memmap(path, mode="r")
  except Exception as error:  # Damage can raise any error.
    raise files.InputError(
      f"{path} cannot be read: {error}. Delete it, and it is made again."
    ) from error
  if points.shape != (num_points, 3) or points.dtype != np.float32:
    raise files.InputError(
      f"{path} has shape {points.shape} and type {points.dtype}; expected "
      f"({num_points}, 3) and float32. Delete it, and it is made again."
    )
  return np.array(points)
