"""Data sets of optical flow for training and evaluation."""

import dataclasses

import numpy as np

from experiments.data import loader
from experiments.data import sources as data_sources
from experiments.optical_flow import examples
from experiments.optical_flow.augmentation import augment
from experiments.optical_flow.augmentation import (
  curriculum as augmentation_curriculum,
)
from experiments.optical_flow.benchmarks import datasets
from experiments.optical_flow.benchmarks import pairs
from experiments.optical_flow.synthetic import generator as synthetic_generator
from perceiver import bounds

Dataset = datasets.Dataset
_TRAIN = datasets.Part.TRAIN

# Those whose form of submissions is known.
SUBMITTED = {
  Dataset.SINTEL_CLEAN,
  Dataset.SINTEL_FINAL,
  Dataset.KITTI_2012,
  Dataset.KITTI_2015,
  Dataset.MIDDLEBURY,
}


@dataclasses.dataclass(frozen=True)
class Source(data_sources.Source):
  """Pairs, whose path is the folder of a data set, as published."""

  kind: Dataset
  of_path = Dataset.AUTOFLOW
  needs_path = tuple(set(Dataset) - {Dataset.SYNTHETIC})
  advice = "AutoFlow is at https://autoflow-google.github.io."


SYNTHETIC = Source(Dataset.SYNTHETIC)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """Data sets for training and evaluation, and the augmentation.

  Attributes:
    source: data set for training.
    evaluate_on: data set for evaluation.
    test_part: evaluate on a benchmark's test part, whose flow is not published:
      no metrics are computed then, but flow can be submitted.
    allow_partial: accept other numbers of examples than the official ones.
    synthetic: synthetic pairs for training. Those for evaluation have the
      model's size and the next seed.
    num_eval: number of synthetic pairs for evaluation.
    augmentation: changes of training pairs at full strength.
    curriculum: phases of the training.
  """

  source: Source = SYNTHETIC
  evaluate_on: Source = SYNTHETIC
  test_part: bool = False
  allow_partial: bool = False
  synthetic: synthetic_generator.GeneratorConfig = (
    synthetic_generator.GeneratorConfig()
  )
  num_eval: int = 256
  augmentation: augment.AugmentationConfig = augment.AugmentationConfig()
  curriculum: augmentation_curriculum.CurriculumConfig = (
    augmentation_curriculum.CurriculumConfig()
  )

  def __post_init__(self) -> None:
    if self.source.kind is Dataset.FRAMES:
      raise ValueError(
        "DataConfig: source is frames, whose flow is unknown; expected "
        "another data set."
      )
    bounds.check_ranges(self, "num_eval")
    test = (self.evaluate_on.kind, datasets.Part.TEST)
    if self.test_part and test not in datasets.COUNTS:
      raise ValueError(
        f"DataConfig: evaluate_on is {self.evaluate_on}, which has no "
        "test part; set test_part to False."
      )


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
  if config.source.is_synthetic:
    source = synthetic_generator.Generator(config.synthetic)
  else:
    source = _open(config, config.source, _TRAIN)
  transform = augmentation_curriculum.TrainTransform(
    source=source,
    curriculum=config.curriculum,
    augmentation=config.augmentation,
    size=size,
  )
  return loader.Split(
    range(len(source)),
    transform,
    f"{config.source.kind.value} train",
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
  if config.evaluate_on.is_synthetic:
    held_out = dataclasses.replace(
      config.synthetic,
      size=size,
      num_examples=config.num_eval,
      seed=config.synthetic.seed + 1,
    )
    source = synthetic_generator.Generator(held_out)
  else:
    whole = datasets.Part.TEST if config.test_part else _TRAIN
    is_chairs = config.evaluate_on.kind is Dataset.FLYING_CHAIRS
    read = datasets.Part.VALIDATION if is_chairs else whole
    source = _open(config, config.evaluate_on, read, "--data.evaluate-on")
  name = loader.split_name(
    config.evaluate_on.kind.value, part, official=not config.allow_partial
  )
  return loader.Split(source, _whole, name)


def _whole(
  example: examples.FlowExample, generator: np.random.Generator
) -> dict[str, np.ndarray]:
  del generator  # Evaluation is deterministic.
  return augmentation_curriculum.to_entries(example)


def _open(
  config: DataConfig,
  source: Source,
  part: datasets.Part,
  option: str = "--data.source",
) -> pairs.PairSource:
  """Opens the folder of a data set."""
  folder = source.folder(option)
  if source.kind is Dataset.FRAMES:
    return pairs.consecutive([folder])
  return datasets.open_dataset(
    datasets.DatasetConfig(
      dataset=source.kind,
      data_dir=folder,
      part=part,
      allow_partial=config.allow_partial,
    )
  )
