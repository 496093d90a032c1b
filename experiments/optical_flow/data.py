"""Data sets of optical flow for training and evaluation."""

import dataclasses
import enum
import pathlib

import numpy as np

from experiments.data import files
from experiments.data import loader
from experiments.optical_flow import examples
from experiments.optical_flow.augmentation import augment
from experiments.optical_flow.augmentation import (
  curriculum as augmentation_curriculum,
)
from experiments.optical_flow.benchmarks import datasets
from experiments.optical_flow.benchmarks import pairs
from experiments.optical_flow.synthetic import generator as synthetic_generator
from perceiver import bounds


class Dataset(enum.Enum):
  """Sources of pairs: synthetic ones, or the folder of a data set.

  Training reads the training part of FlyingChairs, evaluation the other one;
  of all other data sets, both read the part whose flow is published. FRAMES is
  any folder of frames, whose flow is unknown.
  """

  SYNTHETIC = "synthetic"
  AUTOFLOW = "autoflow"
  FLYING_CHAIRS = "flying_chairs"
  SINTEL_CLEAN = "sintel_clean"
  SINTEL_FINAL = "sintel_final"
  KITTI_2012 = "kitti_2012"
  KITTI_2015 = "kitti_2015"
  MIDDLEBURY = "middlebury"
  HD1K = "hd1k"
  FRAMES = "frames"


# Those whose form of submissions is known, and all that have a test part.
_SUBMITTED = {
  Dataset.SINTEL_CLEAN,
  Dataset.SINTEL_FINAL,
  Dataset.KITTI_2012,
  Dataset.KITTI_2015,
  Dataset.MIDDLEBURY,
}
_WITH_TEST_PART = {*_SUBMITTED, Dataset.HD1K}


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """Data sets for training and evaluation, and the augmentation.

  Attributes:
    train_on: data set for training.
    data_dir: its folder, as published; not used for synthetic pairs.
    evaluate_on: data set for evaluation.
    evaluate_dir: its folder; `data_dir` if None.
    test_part: evaluate on a benchmark's test part, whose flow is not published:
      no metrics are computed then, but flow can be submitted.
    allow_partial: accept other numbers of examples than the official ones.
    synthetic: synthetic pairs for training. Those for evaluation have the
      model's size and the next seed.
    num_eval: number of synthetic pairs for evaluation.
    augmentation: changes of training pairs at full strength.
    curriculum: phases of the training.
  """

  train_on: Dataset = Dataset.SYNTHETIC
  data_dir: pathlib.Path | None = None
  evaluate_on: Dataset = Dataset.SYNTHETIC
  evaluate_dir: pathlib.Path | None = None
  test_part: bool = False
  allow_partial: bool = False
  synthetic: synthetic_generator.GeneratorConfig = dataclasses.field(
    default_factory=synthetic_generator.GeneratorConfig
  )
  num_eval: int = 256
  augmentation: augment.AugmentationConfig = dataclasses.field(
    default_factory=augment.AugmentationConfig
  )
  curriculum: augmentation_curriculum.CurriculumConfig = dataclasses.field(
    default_factory=augmentation_curriculum.CurriculumConfig
  )

  def __post_init__(self) -> None:
    if self.train_on is Dataset.FRAMES:
      raise ValueError(
        "DataConfig: train_on is FRAMES, whose flow is unknown; expected "
        "another data set."
      )
    bounds.check_ranges(self, "num_eval")
    if self.test_part and self.evaluate_on not in _WITH_TEST_PART:
      raise ValueError(
        f"DataConfig: evaluate_on is {self.evaluate_on.name}, which has no "
        "test part; set test_part to False."
      )

  @property
  def takes_submissions(self) -> bool:
    """True if flow of `evaluate_on` can be written in its benchmark's form."""
    return self.evaluate_on in _SUBMITTED


def train_split(
  config: DataConfig, size: tuple[int, int], total_examples: int
) -> loader.Split:
  """Opens the training split, augmented by the curriculum.

  Args:
    config: data set and augmentation.
    size: height and width of the training frames, pixels.
    total_examples: examples of the whole training, through all epochs.

  Returns:
    Examples as `curriculum.to_entries` describes them.

  Raises:
    files.InputError: if the data set is not complete.
  """
  source: augmentation_curriculum.Source
  if config.train_on is Dataset.SYNTHETIC:
    source = synthetic_generator.Generator(config.synthetic)
  elif config.data_dir is None:
    raise _missing(config.train_on, "data.data_dir")
  else:
    source = datasets.open_dataset(
      _dataset(config.train_on, config.data_dir, config, training=True)
    )
  transform = augmentation_curriculum.TrainTransform(
    source=source,
    curriculum=config.curriculum,
    augmentation=config.augmentation,
    size=size,
  )
  return loader.Split(
    range(len(source)),
    transform,
    f"{config.train_on.value} train",
    total_examples,
  )


def eval_split(config: DataConfig, size: tuple[int, int]) -> loader.Split:
  """Opens the evaluation split: whole frames, not augmented.

  Args:
    config: data set.
    size: height and width of synthetic frames, pixels.

  Raises:
    files.InputError: if the data set is not complete.
  """
  source: loader.Source
  part = "test" if config.test_part else "evaluation"
  if config.evaluate_on is Dataset.SYNTHETIC:
    held_out = dataclasses.replace(
      config.synthetic,
      size=size,
      num_examples=config.num_eval,
      seed=config.synthetic.seed + 1,
    )
    source = synthetic_generator.Generator(held_out)
  elif (dataset := evaluation_dataset(config)) is not None:
    source = datasets.open_dataset(dataset)
  else:
    source = pairs.consecutive([_folder(config)])
  return loader.Split(source, _whole, f"{config.evaluate_on.value} {part}")


def evaluation_dataset(config: DataConfig) -> datasets.DatasetConfig | None:
  """Returns the published data set of the evaluation; None if it is another.

  Raises:
    files.InputError: if its folder is not given.
  """
  if config.evaluate_on in (Dataset.SYNTHETIC, Dataset.FRAMES):
    return None
  return _dataset(config.evaluate_on, _folder(config), config, training=False)


def _folder(config: DataConfig) -> pathlib.Path:
  folder = config.evaluate_dir or config.data_dir
  if folder is None:
    raise _missing(config.evaluate_on, "data.data_dir or data.evaluate_dir")
  return folder


def _missing(name: Dataset, setting: str) -> files.InputError:
  return files.InputError(f"{name.name} is read from a folder: set {setting}.")


def _whole(
  example: examples.FlowExample, generator: np.random.Generator
) -> dict[str, np.ndarray]:
  del generator  # Evaluation is deterministic.
  return augmentation_curriculum.to_entries(example)


def _dataset(
  name: Dataset, folder: pathlib.Path, config: DataConfig, training: bool
) -> datasets.DatasetConfig:
  """Returns the configuration of one data set's reader."""
  split = datasets.Split.TRAIN
  if config.test_part and not training:
    split = datasets.Split.TEST
  partial = config.allow_partial
  match name:
    case Dataset.AUTOFLOW:
      return datasets.AutoFlow(data_dir=folder, allow_partial=partial)
    case Dataset.FLYING_CHAIRS:
      chairs = datasets.ChairsSplit
      return datasets.FlyingChairs(
        data_dir=folder,
        split=chairs.TRAIN if training else chairs.VALID,
        allow_partial=partial,
      )
    case Dataset.SINTEL_CLEAN | Dataset.SINTEL_FINAL:
      clean = name is Dataset.SINTEL_CLEAN
      render = datasets.RenderPass
      return datasets.Sintel(
        data_dir=folder,
        split=split,
        render_pass=render.CLEAN if clean else render.FINAL,
        allow_partial=partial,
      )
    case Dataset.KITTI_2012 | Dataset.KITTI_2015:
      return datasets.Kitti(
        data_dir=folder,
        year=datasets.KittiYear[name.name],
        split=split,
        allow_partial=partial,
      )
    case Dataset.MIDDLEBURY:
      return datasets.Middlebury(
        data_dir=folder, split=split, allow_partial=partial
      )
    case Dataset.HD1K:
      return datasets.Hd1k(data_dir=folder, split=split)
  raise AssertionError(name)
