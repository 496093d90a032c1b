"""Training and test shapes, and the transforms that prepare them.

Points are moved to mean 0; in training each is then scaled a little by a factor
of its own; then they are moved to mean 0 again, scaled to touch [-1, 1]³, and
put in another order (2103.03206 §4.3). Of no paper: in training, clouds may be
stretched along their axes before.
"""

import dataclasses
import enum
import pathlib

import numpy as np

from experiments.data import loader
from experiments.data import packing
from experiments.data import sources as data_sources
from experiments.point_clouds.files import clouds
from experiments.point_clouds.files import datasets
from experiments.point_clouds.files import hdf5_files
from experiments.point_clouds.files import prepare_components
from experiments.point_clouds.files import prepare_furniture
from experiments.point_clouds.synthetic import shapes as synthetic_shapes
from perceiver import bounds


class Dataset(enum.Enum):
  """The source of the shapes.

  MODELNET40 is a folder of meshes. MODELNET40_HDF5 is a folder of clouds of
  2,048 points, sampled on them once. HDF5 is a folder of other clouds in such
  files, as ScanObjectNN's. SYNTHETIC shapes are made when needed.
  """

  MODELNET40 = "modelnet40"
  MODELNET40_HDF5 = "modelnet40_hdf5"
  HDF5 = "hdf5"
  SYNTHETIC = "synthetic"


@dataclasses.dataclass(frozen=True)
class Source(data_sources.Source):
  """The shapes, whose path is a folder."""

  kind: Dataset
  of_path = Dataset.MODELNET40
  needs_path = (Dataset.MODELNET40, Dataset.MODELNET40_HDF5, Dataset.HDF5)
  advice = (
    "ModelNet40 is at https://modelnet.cs.princeton.edu. Others are smaller. "
    + " ".join(
      package.advice(
        f"{name} ARCHIVE DIR",
        "modelnet40 --recipe solids --data.source hdf5:DIR",
      )
      for name, package in (
        ("furniture", prepare_furniture.PACKAGE),
        ("components", prepare_components.PACKAGE),
      )
    )
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class RaggedConfig:
  """Training clouds of unequal size, packed into rows.

  Attributes:
    min_points: each cloud has a number of points of its own, from this to the
      model's, all of them equally likely.
    row_points: points of a row, which has as many clouds as fit; a batch is
      one of rows.
    seed: of the numbers of points.
  """

  min_points: int = 64
  row_points: int = 4096
  seed: int = 0

  def __post_init__(self) -> None:
    bounds.check(self, "min_points", "row_points")

  def row_sets(self, num_points: int) -> int:
    """Returns the clouds that a row may have: as many as usually fit."""
    return -(-2 * self.row_points // (self.min_points + num_points))

  def split(self, split: loader.Split, num_points: int) -> loader.Split:
    """Returns the split of rows of a split of clouds."""
    if not self.min_points <= num_points <= self.row_points:
      raise ValueError(
        f"RaggedConfig: a cloud has {num_points} points; expected from "
        f"min_points, {self.min_points}, to row_points, {self.row_points}."
      )
    generator = np.random.default_rng(self.seed)
    sizes = generator.integers(
      self.min_points, num_points + 1, len(split.source)
    )
    row_sets = self.row_sets(num_points)
    rows = packing.Rows(
      _Shortened(split.source, sizes),
      packing.plan(sizes.tolist(), self.row_points, row_sets),
    )
    pack = packing.Pack(split.transform, ("points",), self.row_points, row_sets)
    return dataclasses.replace(split, source=rows, transform=pack)


@dataclasses.dataclass(frozen=True)
class _Shortened:
  """Clouds with the first of their points, which lie anywhere on the shape."""

  source: loader.Source
  sizes: np.ndarray

  def __len__(self) -> int:
    return len(self.source)

  def __getitem__(self, index: int) -> clouds.Cloud:
    cloud = self.source[index]
    return cloud._replace(points=cloud.points[: self.sizes[index]])


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """Shapes and their augmentation.

  Attributes:
    source: the source of the shapes.
    cache_dir: keeps the points that were sampled on ModelNet40's shapes;
      sampled_points in the source's folder if None.
    allow_partial: accept other numbers of shapes than ModelNet40's.
    synthetic: the training shapes; those for evaluation have the next seed.
    num_eval: number of synthetic shapes for evaluation.
    point_scaling: largest difference from 1 of the random factors that scale
      each point of a training cloud; 0 for none.
    stretch: largest factor by which each axis of a training cloud is stretched
      or compressed (anisotropic scaling); 1 for none.
    ragged: gives training clouds unequal sizes; None gives all the model's.
  """

  source: Source = Source(Dataset.MODELNET40)
  cache_dir: pathlib.Path | None = None
  allow_partial: bool = False
  synthetic: synthetic_shapes.SyntheticConfig = (
    synthetic_shapes.SyntheticConfig()
  )
  num_eval: int = 1000
  point_scaling: float = 0.01
  stretch: float = 1.0
  ragged: RaggedConfig | None = None

  def __post_init__(self) -> None:
    bounds.check_ranges(
      self, "num_eval", point_scaling="[0, 1)", stretch="[1, inf)"
    )

  @property
  def class_names(self) -> tuple[str, ...]:
    """The names of the classes; those of HDF5 are read."""
    if self.source.is_synthetic:
      return synthetic_shapes.CLASS_NAMES
    if self.source.kind is Dataset.HDF5:
      return hdf5_files.class_names(self.source.folder())
    return datasets.CLASS_NAMES


@dataclasses.dataclass(frozen=True)
class TrainTransform:
  """Prepares a cloud for training.

  Attributes:
    point_scaling: as in `DataConfig`.
    stretch: likewise.
  """

  point_scaling: float
  stretch: float = 1.0

  def __call__(
    self, cloud: clouds.Cloud, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    """Returns "points" [P, 3] float32 and "labels" [] int32."""
    points = clouds.centre(cloud.points)
    points = clouds.scale_points(points, self.point_scaling, generator)
    if self.stretch > 1:
      points = clouds.stretch(points, self.stretch, generator)
    return _entries(cloud._replace(points=generator.permutation(points)))


def eval_transform(
  cloud: clouds.Cloud, generator: np.random.Generator
) -> dict[str, np.ndarray]:
  """Prepares a cloud for evaluation, without augmentation."""
  del generator
  return _entries(cloud)


def _entries(cloud: clouds.Cloud) -> dict[str, np.ndarray]:
  points = clouds.scale_to_cube(clouds.centre(cloud.points))
  return {"points": points, "labels": np.asarray(cloud.label, np.int32)}


def train_split(config: DataConfig, num_points: int) -> loader.Split:
  """Opens the training split.

  Args:
    config: the shapes and their augmentation.
    num_points: points P of a cloud.

  Returns:
    Examples {"points": [P, 3] float32, "labels": [] int32}; of ragged clouds
    rows of them, as `packing.Pack` makes.

  Raises:
    files.InputError: if ModelNet40 is not complete.
  """
  source = _source(config, num_points, datasets.Split.TRAIN)
  name = f"{config.source.kind.value} train"
  transform = TrainTransform(config.point_scaling, config.stretch)
  split = loader.Split(source, transform, name)
  return config.ragged.split(split, num_points) if config.ragged else split


def eval_split(config: DataConfig, num_points: int) -> loader.Split:
  """Opens the test split: as `train_split`, without augmentation."""
  source = _source(config, num_points, datasets.Split.TEST)
  name = loader.split_name(
    config.source.kind.value, "test", official=not config.allow_partial
  )
  return loader.Split(source, eval_transform, name)


def _source(
  config: DataConfig, num_points: int, split: datasets.Split
) -> loader.Source:
  kind = config.source.kind
  if kind is not Dataset.SYNTHETIC:
    opened = datasets.ModelNet40(
      data_dir=config.source.folder(),
      split=split,
      cache_dir=config.cache_dir,
      allow_partial=config.allow_partial,
    )
    if kind is Dataset.MODELNET40:
      return datasets.open_dataset(opened, num_points)
    if kind is Dataset.MODELNET40_HDF5:
      return hdf5_files.open_dataset(opened, num_points)
    count = len(config.class_names)
    return hdf5_files.open_others(opened, num_points, count)
  shapes = config.synthetic
  if split is datasets.Split.TEST:
    shapes = dataclasses.replace(
      shapes, num_examples=config.num_eval, seed=shapes.seed + 1
    )
  return synthetic_shapes.SyntheticShapes(config=shapes, num_points=num_points)
