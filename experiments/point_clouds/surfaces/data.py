"""Surfaces as points on them, and points in space with their distances.

A surface is centred and scaled into [-0.9, 0.9]³. Half of the points in space
are near the surface, half anywhere in [-1, 1]³.
"""

from collections.abc import Sequence
import dataclasses
import enum
import functools
import pathlib

import numpy as np

from experiments.data import files
from experiments.data import loader
from experiments.data import sources as data_sources
from experiments.point_clouds.files import mesh_files
from experiments.point_clouds.files import meshes
from experiments.point_clouds.surfaces import distances
from experiments.point_clouds.synthetic import shapes as synthetic_shapes
from perceiver import bounds

SIDE = 0.9  # coordinates of surfaces are at most this, on either side of 0
TRUNCATED = 0.25  # larger distances count as this one
_HELD_OUT = 5  # every fifth file


class Kind(enum.Enum):
  """The source of surfaces: files of meshes in a folder, or synthetic."""

  MESHES = "meshes"
  SYNTHETIC = "synthetic"


@dataclasses.dataclass(frozen=True)
class Source(data_sources.Source):
  """The surfaces, whose path is a folder, with folders in it or not."""

  kind: Kind
  of_path = Kind.MESHES
  needs_path = (Kind.MESHES,)
  advice = (
    "Any folder of meshes as .off, .obj or .wrl will do, such as ModelNet40's."
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """Surfaces, and the points that are sampled for an example.

  Attributes:
    source: the surfaces; of a folder every fifth is held out.
    synthetic: the synthetic ones; those for evaluation have the next seed.
    num_eval: number of synthetic surfaces for evaluation.
    num_queries: points in space of an example.
    num_samples: points on the surface, of which the model's inputs are the
      first; distances are found by all.
    noise: deviation of points near the surface from it, along each axis.
  """

  source: Source = Source(Kind.MESHES)
  synthetic: synthetic_shapes.SyntheticConfig = (
    synthetic_shapes.SyntheticConfig()
  )
  num_eval: int = 200
  num_queries: int = 1024
  num_samples: int = 8192
  noise: float = 0.05

  def __post_init__(self) -> None:
    bounds.check_ranges(
      self, "num_eval", num_queries="[2, inf)", noise="[0, inf)"
    )
    bounds.check_ranges(self, num_samples="[8, inf)")


@dataclasses.dataclass(frozen=True)
class Meshes(Sequence[meshes.Mesh]):
  """Meshes of files, read when they are needed."""

  paths: tuple[pathlib.Path, ...]

  def __len__(self) -> int:
    return len(self.paths)

  def __getitem__(self, index: int) -> meshes.Mesh:  # type: ignore[override]
    return mesh_files.read(self.paths[index])


@dataclasses.dataclass(frozen=True)
class _Synthetic(Sequence[meshes.Mesh]):
  shapes: synthetic_shapes.SyntheticShapes

  def __len__(self) -> int:
    return len(self.shapes)

  def __getitem__(self, index: int) -> meshes.Mesh:  # type: ignore[override]
    return self.shapes.mesh(index)


def normalise(mesh: meshes.Mesh) -> meshes.Mesh:
  """Centres a mesh's box and scales it, alike along all axes, to `SIDE`."""
  low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
  reach = (high - low).max() / 2
  moved = mesh.vertices - (low + high) / 2
  return mesh._replace(vertices=moved * (SIDE / reach if reach else 1))


@dataclasses.dataclass(frozen=True)
class Transform:
  """Samples the points of an example.

  Attributes:
    config: their numbers.
    num_points: the model's inputs P.
    is_fixed: sample the same points each time, for evaluation.
  """

  config: DataConfig
  num_points: int
  is_fixed: bool = False

  def __call__(
    self, mesh: meshes.Mesh, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    """Returns "points" [P, 3], "queries" [O, 3], "distances" [O], float32."""
    config = self.config
    if self.is_fixed:
      generator = np.random.default_rng(0)
    mesh = normalise(mesh)
    samples, faces = meshes.sample_faces(mesh, config.num_samples, generator)
    near = config.num_queries // 2
    queries = generator.uniform(-1, 1, (config.num_queries, 3))
    chosen = generator.integers(len(samples), size=near)
    noise = generator.normal(scale=config.noise, size=(near, 3))
    queries[:near] = np.clip(samples[chosen] + noise, -1, 1)
    found = distances.from_samples(mesh, queries, samples, faces)
    return {
      "points": samples[: self.num_points],
      "queries": queries.astype(np.float32),
      "distances": np.minimum(found, TRUNCATED).astype(np.float32),
    }


def splits(
  config: DataConfig, num_points: int
) -> tuple[loader.Split, loader.Split]:
  """Opens the training and the evaluation split.

  Args:
    config: the surfaces.
    num_points: points P on a surface that the model takes.

  Raises:
    files.InputError: if the folder has too few meshes.
    ValueError: if the model takes more points than are sampled.
  """
  if num_points > config.num_samples:
    raise ValueError(
      f"DataConfig: num_samples is {config.num_samples}; expected at least the "
      f"model's {num_points} points."
    )
  make = functools.partial(Transform, config, num_points)
  name = functools.partial(loader.split_name, config.source.kind.value)
  train, held_out = surfaces(config)
  return (
    loader.Split(train, make(), name("train")),
    loader.Split(held_out, make(is_fixed=True), name("held out")),
  )


def surfaces(
  config: DataConfig,
) -> tuple[Sequence[meshes.Mesh], Sequence[meshes.Mesh]]:
  """Returns the meshes for training and for evaluation, as they stand.

  Raises:
    files.InputError: if the folder has too few.
  """
  if config.source.is_synthetic:
    shapes = config.synthetic
    other = dataclasses.replace(
      shapes, num_examples=config.num_eval, seed=shapes.seed + 1
    )
    train, held_out = (
      _Synthetic(synthetic_shapes.SyntheticShapes(config=each, num_points=1))
      for each in (shapes, other)
    )
    return train, held_out
  folder = config.source.folder()
  found = sorted(
    path
    for path in folder.rglob("*")
    if path.suffix.lower() in mesh_files.SUFFIXES
  )
  if len(found) < _HELD_OUT:
    raise files.InputError(
      f"{folder} has {len(found)} meshes; expected at least {_HELD_OUT} files "
      f"{', '.join(mesh_files.SUFFIXES)}."
    )
  last = _HELD_OUT - 1
  kept = [path for i, path in enumerate(found) if i % _HELD_OUT != last]
  return Meshes(tuple(kept)), Meshes(tuple(found[last::_HELD_OUT]))
