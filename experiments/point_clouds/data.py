"""Training and test shapes, and the transforms that prepare them.

Points are moved to mean 0; in training each is then scaled a little by a factor
of its own; then they are moved to mean 0 again, scaled to touch [-1, 1]³, and
put in another order (2103.03206 §4.3).
"""

import dataclasses
import enum
import pathlib

import numpy as np

from experiments.data import files
from experiments.data import loader
from experiments.point_clouds.files import clouds
from experiments.point_clouds.files import datasets
from experiments.point_clouds.files import hdf5_files
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """Shapes and their augmentation.

  Attributes:
    dataset: the source of the shapes.
    data_dir: the folder of meshes or HDF5 files; not used for synthetic shapes.
    cache_dir: keeps the points that were sampled on ModelNet40's shapes;
      sampled_points in `data_dir` if None.
    allow_partial: accept other numbers of shapes than ModelNet40's.
    synthetic: the training shapes; those for evaluation have the next seed.
    num_eval: number of synthetic shapes for evaluation.
    point_scaling: largest difference from 1 of the random factors that scale
      each point of a training cloud; 0 for none.
  """

  dataset: Dataset = Dataset.MODELNET40
  data_dir: pathlib.Path | None = None
  cache_dir: pathlib.Path | None = None
  allow_partial: bool = False
  synthetic: synthetic_shapes.SyntheticConfig = (
    synthetic_shapes.SyntheticConfig()
  )
  num_eval: int = 1000
  point_scaling: float = 0.01

  def __post_init__(self) -> None:
    bounds.check_ranges(self, "num_eval", point_scaling="[0, 1)")

  @property
  def class_names(self) -> tuple[str, ...]:
    """The names of the classes; those of HDF5 are read."""
    if self.dataset is Dataset.SYNTHETIC:
      return synthetic_shapes.CLASS_NAMES
    if self.dataset is Dataset.HDF5:
      return hdf5_files.class_names(self.folder)
    return datasets.CLASS_NAMES

  @property
  def folder(self) -> pathlib.Path:
    """The folder of the data."""
    if self.data_dir is None:
      raise files.InputError(
        f"{self.dataset.value} is read from a folder: set data.data_dir."
      )
    return self.data_dir


@dataclasses.dataclass(frozen=True)
class TrainTransform:
  """Prepares a cloud for training.

  Attributes:
    point_scaling: as in `DataConfig`.
  """

  point_scaling: float

  def __call__(
    self, cloud: clouds.Cloud, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    """Returns "points" [P, 3] float32 and "labels" [] int32."""
    points = clouds.centre(cloud.points)
    points = clouds.scale_points(points, self.point_scaling, generator)
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
    Examples {"points": [P, 3] float32, "labels": [] int32}.

  Raises:
    files.InputError: if ModelNet40 is not complete.
  """
  source = _source(config, num_points, datasets.Split.TRAIN)
  name = f"{config.dataset.value} train"
  return loader.Split(source, TrainTransform(config.point_scaling), name)


def eval_split(config: DataConfig, num_points: int) -> loader.Split:
  """Opens the test split: as `train_split`, without augmentation."""
  source = _source(config, num_points, datasets.Split.TEST)
  name = loader.split_name(
    config.dataset.value, "test", official=not config.allow_partial
  )
  return loader.Split(source, eval_transform, name)


def _source(
  config: DataConfig, num_points: int, split: datasets.Split
) -> loader.Source:
  if config.dataset is not Dataset.SYNTHETIC:
    opened = datasets.ModelNet40(
      data_dir=config.folder,
      split=split,
      cache_dir=config.cache_dir,
      allow_partial=config.allow_partial,
    )
    if config.dataset is Dataset.MODELNET40:
      return datasets.open_dataset(opened, num_points)
    if config.dataset is Dataset.MODELNET40_HDF5:
      return hdf5_files.open_dataset(opened, num_points)
    count = len(config.class_names)
    return hdf5_files.open_others(opened, num_points, count)
  shapes = config.synthetic
  if split is datasets.Split.TEST:
    shapes = dataclasses.replace(
      shapes, num_examples=config.num_eval, seed=shapes.seed + 1
    )
  return synthetic_shapes.SyntheticShapes(config=shapes, num_points=num_points)
