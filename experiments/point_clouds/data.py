"""What shapes are learned from, what they are judged by, and how prepared.

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


class Dataset(enum.Enum):
  """Where shapes come from: read from a folder, or made when needed.

  MODELNET40 is the folder of meshes, MODELNET40_HDF5 that of clouds of 2,048
  points which were drawn on them once.
  """

  MODELNET40 = "modelnet40"
  MODELNET40_HDF5 = "modelnet40_hdf5"
  GENERATED = "generated"

  @property
  def class_names(self) -> tuple[str, ...]:
    """The names of its classes."""
    if self is Dataset.GENERATED:
      return synthetic_shapes.CLASS_NAMES
    return datasets.CLASS_NAMES


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """Which shapes there are, and how they are varied.

  Attributes:
    dataset: what is learned from and judged by.
    data_dir: the folder of meshes or HDF5 files; not used for generated shapes.
    cache_dir: keeps the points that were drawn on ModelNet40's shapes;
      sampled_points in `data_dir` if None.
    allow_partial: accept other numbers of shapes than ModelNet40's.
    generator: which shapes are made. Those for evaluation have the next seed.
    num_eval: how many are made for evaluation.
    scatter: how far the factors that scale a training cloud's points are from
      1 at most; 0 for none.
  """

  dataset: Dataset = Dataset.MODELNET40
  data_dir: pathlib.Path | None = None
  cache_dir: pathlib.Path | None = None
  allow_partial: bool = False
  generator: synthetic_shapes.GeneratorConfig = (
    synthetic_shapes.GeneratorConfig()
  )
  num_eval: int = 1000
  scatter: float = 0.01

  def __post_init__(self) -> None:
    if self.num_eval < 1 or not 0 <= self.scatter < 1:
      raise ValueError(
        f"DataConfig: num_eval is {self.num_eval} and scatter {self.scatter}; "
        "expected at least 1, and from 0 to less than 1."
      )


@dataclasses.dataclass(frozen=True)
class Vary:
  """Prepares a cloud for training.

  Attributes:
    scatter: as in `DataConfig`.
  """

  scatter: float

  def __call__(
    self, cloud: clouds.Cloud, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    """Returns "points" [P, 3] float32 and "labels" [] int32."""
    points = clouds.centre(cloud.points)
    points = clouds.scatter(points, self.scatter, generator)
    return _entries(cloud._replace(points=generator.permutation(points)))


def prepare(
  cloud: clouds.Cloud, generator: np.random.Generator
) -> dict[str, np.ndarray]:
  """Prepares a cloud for evaluation, which varies nothing; as `Vary` does."""
  del generator
  return _entries(cloud)


def _entries(cloud: clouds.Cloud) -> dict[str, np.ndarray]:
  points = clouds.fit(clouds.centre(cloud.points))
  return {"points": points, "labels": np.asarray(cloud.label, np.int32)}


def train_split(config: DataConfig, num_points: int) -> loader.Split:
  """Opens what is learned from.

  Args:
    config: which shapes, and how they are varied.
    num_points: points P of a cloud.

  Returns:
    Examples as `Vary` describes them.

  Raises:
    files.InputError: if ModelNet40 is not complete.
  """
  source = _source(config, num_points, datasets.Part.TRAIN)
  name = f"{config.dataset.value} train"
  return loader.Split(source, Vary(config.scatter), name)


def eval_split(config: DataConfig, num_points: int) -> loader.Split:
  """Opens what is judged by: as `train_split`, but nothing is varied."""
  source = _source(config, num_points, datasets.Part.TEST)
  return loader.Split(source, prepare, f"{config.dataset.value} test")


def _source(
  config: DataConfig, num_points: int, part: datasets.Part
) -> loader.Source:
  if config.dataset is not Dataset.GENERATED:
    if config.data_dir is None:
      raise files.InputError(
        f"{config.dataset.name} is read from a folder: set data.data_dir."
      )
    of_meshes = config.dataset is Dataset.MODELNET40
    opened = datasets.open_dataset if of_meshes else hdf5_files.open_dataset
    return opened(
      datasets.ModelNet40(
        data_dir=config.data_dir,
        part=part,
        cache_dir=config.cache_dir,
        allow_partial=config.allow_partial,
      ),
      num_points,
    )
  shapes = config.generator
  if part is datasets.Part.TEST:
    shapes = dataclasses.replace(
      shapes, num_examples=config.num_eval, seed=shapes.seed + 1
    )
  return synthetic_shapes.Generator(config=shapes, num_points=num_points)
