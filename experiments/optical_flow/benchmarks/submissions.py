"""Folders of estimated flow in the form that benchmarks take.

Names are those of the examples of `datasets`. What is written is the content
of the archive, or what the benchmark's own bundler asks for.
"""

import pathlib
import re

import numpy as np

from experiments.data import files
from experiments.optical_flow.benchmarks import datasets
from experiments.optical_flow.benchmarks import flow_files

# What KITTI's format holds, in pixels.
_KITTI_LOWEST, _KITTI_HIGHEST = -512.0, 512.0 - 1 / 64


def path_of(config: datasets.DatasetConfig, name: str) -> pathlib.Path:
  """Returns where a benchmark wants the flow of an example, within the folder.

  Sintel: clean/SCENE/frame0001.flo, and final beside clean. KITTI 2015:
  flow/000000_10.png; KITTI 2012: 000000_10.png. Middlebury: SCENE/flow10.flo.

  Raises:
    files.InputError: if nobody takes flow of this data set in a form that is
      known here, or the example is not named as its data set names it.
  """
  match config:
    case datasets.Sintel():
      scene, number = _parts(r"([\w-]+)/frame_(\d+)", name)
      folder = config.render_pass.value
      return pathlib.Path(folder) / scene / f"frame{number}.flo"
    case datasets.Kitti():
      (stem,) = _parts(r"(\d+_10)", name)
      new = config.year is datasets.KittiYear.KITTI_2015
      return pathlib.Path("flow" if new else "") / f"{stem}.png"
    case datasets.Middlebury():
      (scene,) = _parts(r"([\w-]+)/frame10", name)
      return pathlib.Path(scene) / "flow10.flo"
    case _:
      raise files.InputError(
        f"There is no submission of {type(config).__name__}; expected Sintel, "
        "Kitti or Middlebury."
      )


def write(
  folder: pathlib.Path,
  config: datasets.DatasetConfig,
  name: str,
  flow: np.ndarray,  # [H, W, 2]
) -> pathlib.Path:
  """Writes the flow of one example.

  KITTI's format ends at 512 pixels; what is farther is written as the farthest
  that it holds, since a pixel left out would be filled in by the benchmark.

  Args:
    folder: of the submission; made if it is not there.
    config: the data set.
    name: of the example, as in `FlowExample.name`.
    flow: pixels.

  Returns:
    The file.

  Raises:
    files.InputError: see `path_of`; also if the flow is not finite, or the
      file cannot be written.
  """
  path = folder / path_of(config, name)
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
