"""Grids of held-out surfaces, decoded whole and from coarse to fine.

  python -m experiments.evaluate coarse-to-fine --checkpoint RUN

A cell belongs to a decoded surface if the distance at its centre is at most a
threshold. The error of a decoded surface is the mean of two distances: of its
cells from the true surface, and of points of the true surface from its nearest
cell.
"""

import dataclasses
import functools
import pathlib
import time
from typing import Any

import numpy as np
from scipy import spatial  # type: ignore[import-untyped]
import tabulate

from experiments.cli import predicting
from experiments.point_clouds.files import meshes
from experiments.point_clouds.surfaces import data as surfaces_data
from experiments.point_clouds.surfaces import distances
from experiments.runs import progress
import perceiver
from perceiver import bounds
from perceiver import coarse_to_fine
from perceiver.models import shape_autoencoding

_NUM_SAMPLES = 30_000  # of a true surface


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridsConfig:
  """Decodes grids of held-out surfaces whole and from coarse to fine.

  Attributes:
    checkpoint: the folder of a run or a model file.
    data: the surfaces; synthetic ones of a number and seed, or a folder's.
    grid: sizes of the grids.
    threshold: largest distance of a cell that belongs to the surface, as a
      part of the finest cells' side.
    slope: most that decoded distances are taken to change per unit of length;
      a distance changes by 1, and what a small model decodes by less.
    surfaces: how many are decoded.
  """

  checkpoint: pathlib.Path
  data: surfaces_data.DataConfig = surfaces_data.DataConfig(
    source=surfaces_data.Source(surfaces_data.Kind.SYNTHETIC)
  )
  grid: coarse_to_fine.GridConfig = coarse_to_fine.GridConfig()
  threshold: float = 1.0
  slope: float = 0.5
  surfaces: int = 10

  def __post_init__(self) -> None:
    bounds.check_ranges(
      self, "surfaces", threshold="(0, inf)", slope="[0, inf)"
    )


def run(config: GridsConfig) -> None:
  """Prints the table.

  Raises:
    files.InputError: if a file cannot be used.
    errors.UsageError: if the checkpoint is of another model.
  """
  kinds = (shape_autoencoding.ShapeAutoencoderConfig,)
  model, variables = predicting.load_trained(
    config.checkpoint, kinds, "shape-autoencoding"
  )
  _, held_out = surfaces_data.surfaces(config.data)
  count = min(config.surfaces, len(held_out))
  show = progress.counter("surfaces")
  rows = []
  for i in range(count):
    rows.append(compare(config, model, variables, held_out[i]))
    show(i + 1, count)
  print(table(np.mean(rows, axis=0)))


def table(
  means: np.ndarray,  # [2, 3]
) -> str:
  """Returns the table of queries, seconds and errors of both ways."""
  (dense, dense_time, dense_error), (asked, seconds, error) = means
  whole = ("whole", f"{dense:,.0f}", "100", f"{dense_time:.2f}")
  fine = ("coarse to fine", f"{asked:,.0f}", f"{100 * asked / dense:.2f}")
  more = 100 * (error / dense_error - 1)
  return tabulate.tabulate(
    [
      (*whole, f"{dense_error:.5f}", ""),
      (*fine, f"{seconds:.2f}", f"{error:.5f}", f"{more:+.2f}"),
    ],
    ("grid", "queries", "%", "s", "surface error", "more than whole, %"),
    tablefmt="github",
    disable_numparse=True,
  )


def compare(
  config: GridsConfig,
  model: perceiver.Model,
  variables: perceiver.Variables,
  surface: meshes.Mesh,
) -> np.ndarray:  # [2, 3]
  """Returns queries, seconds and surface error: whole, then coarse to fine."""
  mesh = surfaces_data.normalise(surface)
  generator = np.random.default_rng(0)
  samples, faces = meshes.sample_faces(mesh, _NUM_SAMPLES, generator)
  points = samples[None, : model.config.num_points]
  latents = model.encode(variables, points)

  def decode(positions: np.ndarray) -> Any:  # [n, 3] -> [n]
    return model.decode(variables, latents, positions[None])[0]

  threshold = 2 * config.threshold / config.grid.size
  error = functools.partial(surface_error, mesh, samples, faces)
  wanted = coarse_to_fine.near(threshold, config.slope)
  whole = dataclasses.replace(config.grid, coarsest=config.grid.size)
  decode(np.zeros((config.grid.batch_size, 3), np.float32))  # Compiles.
  rows = []
  for grid in (whole, config.grid):
    begun = time.perf_counter()
    found = coarse_to_fine.decode(decode, grid, wanted)
    seconds = time.perf_counter() - begun
    cells = np.argwhere(found.is_decoded & (found.values <= threshold))
    centres = coarse_to_fine.centres(cells, grid.size)
    rows.append((found.num_queries, seconds, error(centres)))
  return np.array(rows)


def surface_error(
  mesh: meshes.Mesh,
  samples: np.ndarray,  # [n, 3]
  faces: np.ndarray,  # [n]
  cells: np.ndarray,  # [m, 3]
) -> float:
  """Returns the error of a decoded surface; inf if it has no cells."""
  if not len(cells):
    return float("inf")
  away = distances.from_samples(mesh, cells, samples, faces)
  missing, _ = spatial.cKDTree(cells).query(samples)
  return (float(np.mean(away)) + float(np.mean(missing))) / 2
