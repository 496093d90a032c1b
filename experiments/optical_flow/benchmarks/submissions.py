"""Submissions to benchmarks: folders of estimated flow.

Names are those of the examples of `datasets`. Files are the content of the
archive, or the input of the benchmark's own bundler.
"""

import pathlib
import re

import numpy as np

from experiments.data import files
from experiments.optical_flow.benchmarks import datasets
from experiments.optical_flow.benchmarks import flow_files

# Range of KITTI's format, in pixels.
_KITTI_LOWEST, _KITTI_HIGHEST = -512.0, 512.0 - 1 / 64


def path_of(dataset: datasets.Dataset, name: str) -> pathlib.Path:
  """Returns the path of an example's flow within the folder of a submission.

  Sintel: clean/SCENE/frame0001.flo, and final beside clean. KITTI 2015:
  flow/000000_10.png; KITTI 2012: 000000_10.png. Middlebury: SCENE/flow10.flo.

  Raises:
    files.InputError: if the data set has no benchmark whose form is supported,
      or the example has a name of another data set.
  """
  match dataset:
    case datasets.Dataset.SINTEL_CLEAN | datasets.Dataset.SINTEL_FINAL:
      scene, number = _parts(r"([\w-]+)/frame_(\d+)", name)
      render_pass = dataset.value.removeprefix("sintel_")
      return pathlib.Path(render_pass) / scene / f"frame{number}.flo"
    case datasets.Dataset.KITTI_2012 | datasets.Dataset.KITTI_2015:
      (stem,) = _parts(r"(\d+_10)", name)
      new = dataset is datasets.Dataset.KITTI_2015
      return pathlib.Path("flow" if new else "") / f"{stem}.png"
    case datasets.Dataset.MIDDLEBURY:
      (scene,) = _parts(r"([\w-]+)/frame10", name)
      return pathlib.Path(scene) / "flow10.flo"
    case _:
      raise files.InputError(
        f"There is no submission of {dataset.value}; expected Sintel, KITTI or "
        "Middlebury."
      )


def write(
  folder: pathlib.Path,
  dataset: datasets.Dataset,
  name: str,
  flow: np.ndarray,  # [H, W, 2]
) -> pathlib.Path:
  """Writes the flow of one example.

  KITTI's format ends at 512 pixels; larger flow is clipped, since the benchmark
  would interpolate missing pixels.

  Args:
    folder: of the submission; made if it does not exist.
    dataset: the data set.
    name: of the example, as in `FlowExample.name`.
    flow: pixels.

  Returns:
    The path of the file.

  Raises:
    files.InputError: see `path_of`; also if the flow is not finite, or the
      file cannot be written.
  """
  path = folder / path_of(dataset, name)
  if not np.all(np.isfinite(flow)):
    raise files.InputError(f"{name}: the flow for {path} is not finite.")
  if path.suffix == ".flo":
    flow_files.write_flo(path, flow)
  else:
    flow_files.write_kitti(path, np.clip(flow, _KITTI_LOWEST, _KITTI_HIGHEST))
  return path


def _parts(pattern: str, name: str) -> tuple[str, ...]:
  match = re.fullmatch(pattern, name)
  if match is None:
    raise files.InputError(
      f"An example is named {name}; expected a name like {pattern}."
    )
  return match.groups()
