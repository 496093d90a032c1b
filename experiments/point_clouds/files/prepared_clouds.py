"""Clouds of points on the meshes of a package, as HDF5 like PointNet's."""

from collections.abc import Mapping, Sequence
import pathlib
import zlib

import numpy as np

from experiments.data import files
from experiments.point_clouds.files import clouds
from experiments.point_clouds.files import hdf5_files
from experiments.point_clouds.files import meshes

_NUM_POINTS = 2048


def sample(name: str, mesh: meshes.Mesh, label: int) -> clouds.Cloud:
  """Samples a mesh's cloud, seeded by a name.

  Raises:
    ValueError: if its surface has no area.
  """
  numbers = np.random.default_rng(zlib.crc32(name.encode()))
  return clouds.Cloud(meshes.sample(mesh, _NUM_POINTS, numbers), label)


def write(
  folder: pathlib.Path,
  stem: str,
  parts: Mapping[str, Sequence[clouds.Cloud]],
  class_names: Sequence[str],
) -> None:
  """Writes the splits, and the command that trains on them.

  Args:
    folder: gets the files.
    stem: of their names.
    parts: clouds by split, "train" and "test".
    class_names: names of the classes, by number.

  Raises:
    files.InputError: if h5py is missing, or a file cannot be written.
  """
  files.make_folder(folder)
  for part, found in parts.items():
    points = np.stack([cloud.points for cloud in found])  # [n, P, 3]
    labels = np.array([cloud.label for cloud in found], np.int32)
    hdf5_files.write(folder / f"{stem}_{part}.h5", points, labels)
    print(f"{part}: {len(labels)} objects of {len(set(labels))} classes")
  files.write_text(folder / hdf5_files.NAMES, "\n".join(class_names) + "\n")
  print(
    "to train on them: python -m experiments.train modelnet40 --recipe "
    f"solids --data.source hdf5:{folder}"
  )
