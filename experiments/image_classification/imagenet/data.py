"""ImageNet in the format of TensorFlow Datasets, without TensorFlow."""

from collections.abc import Collection, Mapping
import dataclasses
import enum
import functools
import sys
from typing import Any

import numpy as np
from PIL import Image

from experiments.data import files
from experiments.data import loader
from experiments.data import tfds_reader
from experiments.image_classification.imagenet import crop
from experiments.image_classification.imagenet import painted_digits
from experiments.image_classification.imagenet import pixels
from experiments.image_classification.imagenet import rand_augment
from experiments.image_classification.imagenet import sources
from perceiver import bounds

# Splits for evaluation, the first choice first.
_HELD_OUT = ("validation", "test")

# Images of ILSVRC 2012.
OFFICIAL_COUNTS = {
  "imagenet2012": {"train": 1_281_167, "validation": 50_000},
}
_ARCHIVES = (
  "ARCHIVES holds ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar from "
  "https://image-net.org. "
)


class TrainSplit(enum.Enum):
  """Images for training.

  TRAIN excludes the first 10,000 training images, which are VALID.
  TRAIN_AND_VALID is all 1,281,167, as for the released models.
  """

  TRAIN = "train"
  TRAIN_AND_VALID = "train_and_valid"


class EvalSplit(enum.Enum):
  """Images for evaluation.

  VALID is the first 10,000 training images, for choosing between settings.
  TEST is the 50,000 images of the official validation set, which the papers
  report; of another data set its validation split, or its test split if it has
  no other.
  """

  VALID = "valid"
  TEST = "test"


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
  """Augmentation of training images, in this order.

  Attributes:
    random_crop: the Inception crop.
    horizontal_flip: whether half of the images are flipped.
    randaugment: RandAugment, which changes colours too; off if `num_layers` is
      0, as it should be where colours tell the classes apart.
  """

  random_crop: crop.RandomCropConfig = dataclasses.field(
    default_factory=crop.RandomCropConfig
  )
  horizontal_flip: bool = True
  randaugment: rand_augment.RandAugmentConfig = dataclasses.field(
    default_factory=rand_augment.RandAugmentConfig
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """The data set, its splits and the preparation of its images.

  Attributes:
    source: the data set, which needs the split "train" and the features "image"
      and "label".
    version: a version of the data set such as 5.1.0, or a pattern such as
      5.*.*; the newest one on disk that matches is read.
    train_split: images for training.
    eval_split: images for evaluation.
    num_valid: number of the first training images that are VALID; 10,000 for
      ImageNet.
    allow_partial: accept fewer or more images than the official numbers. Only
      imagenet2012 is checked.
    max_labels: the most labels of an image that count; of data with one label
      for each, 1.
    image_size: height and width of the prepared images, in pixels; None for
      those of the model.
    augmentation: augmentation of training images.
    eval_crop: centre crop for evaluation, and for training where no random crop
      fits.
  """

  source: sources.Source = sources.Source(sources.Kind.IMAGENET2012)
  version: str = "*"
  train_split: TrainSplit = TrainSplit.TRAIN_AND_VALID
  eval_split: EvalSplit = EvalSplit.TEST
  num_valid: int = 10_000
  allow_partial: bool = False
  max_labels: int = 1
  image_size: int | None = None
  augmentation: AugmentationConfig = dataclasses.field(
    default_factory=AugmentationConfig
  )
  eval_crop: crop.CentreCropConfig = dataclasses.field(
    default_factory=crop.CentreCropConfig
  )

  def __post_init__(self) -> None:
    if (self.train_split, self.eval_split) == (
      TrainSplit.TRAIN_AND_VALID,
      EvalSplit.VALID,
    ):
      raise ValueError(
        "DataConfig: eval_split is valid, a part of train_split "
        "train_and_valid; expected another. Train on train, or evaluate on "
        "test."
      )
    bounds.check_ranges(self, "image_size", "max_labels", "num_valid")

  @property
  def num_examples(self) -> int | None:
    """Training images, where their number is known without them."""
    whole = OFFICIAL_COUNTS.get(self.source.name, {}).get("train")
    if whole is None or self.train_split is TrainSplit.TRAIN_AND_VALID:
      return whole
    return whole - self.num_valid


def splits(
  config: DataConfig, expected_classes: int | None = None, pairs: bool = False
) -> tuple[loader.Split, loader.Split]:
  """Opens the training and the evaluation split.

  Batches of both have "images", float32 [B, size, size, 3], normalised with
  `pixels.MEAN` and `pixels.STDDEV` and not clipped, and "labels", int32 [B],
  or, with several labels for each, [B, max_labels], which -1 fills up.

  Args:
    config: the data set and the preparation of its images.
    expected_classes: those of the model; any number if None.
    pairs: whether a training batch also has "partner_images" and
      "partner_labels": as many further training images, sampled at random,
      cropped and augmented independently.

  Returns:
    The training split, which augments, and the evaluation split, which crops
    the centre.

  Raises:
    files.InputError: the data set is missing or incomplete, in another format,
      not as large as it should be, or has another number of classes.
  """
  dataset = open_dataset(config)
  classes = _count_classes(dataset)
  if expected_classes not in (None, classes):
    raise files.InputError(
      f"model: the decoder's output_channels is {expected_classes}; "
      f"{config.source.name} has {classes} classes"
    )
  valid = config.num_valid
  train, evaluation = config.train_split, config.eval_split
  if TrainSplit.TRAIN is train or EvalSplit.VALID is evaluation:
    _check_larger(dataset.info.splits["train"].num_examples, config)
  train_part = f"train[{valid}:]" if train is TrainSplit.TRAIN else "train"
  eval_part = f"train[:{valid}]"
  if evaluation is EvalSplit.TEST:
    eval_part = _held_out(config, dataset.info.splits)
  train_source = _source(dataset, train_part)
  partners = train_source if pairs else None
  train_transform = TrainTransform(config, partners)
  return (
    _split(train_source, config, train_part, train_transform),
    _split(
      _source(dataset, eval_part), config, eval_part, EvalTransform(config)
    ),
  )


def _held_out(config: DataConfig, splits: Collection[str]) -> str:
  """Returns the split for evaluation; says so if it is not the first choice."""
  for name in _HELD_OUT:
    if name in splits:
      if name != _HELD_OUT[0]:
        _say(
          f"{config.source.name} has no split validation: {name} is evaluated"
        )
      return name
  raise files.InputError(
    f"{config.source.name} has the splits {sorted(splits)}; expected "
    "validation or test among them. Or hold out the first "
    f"{config.num_valid} images: --data.train-split train --data.eval-split "
    "valid --data.num-valid N."
  )


@functools.cache
def _say(text: str) -> None:
  """Prints a line on standard error, once."""
  print(text, file=sys.stderr, flush=True)


def _check_larger(count: int, config: DataConfig) -> None:
  if count <= config.num_valid:
    raise files.InputError(
      f'{config.source.name} has {count} examples in "train"; expected more '
      f"than the first {config.num_valid}, which are for validation. Choose a "
      "smaller num_valid, or train on train_and_valid and evaluate on test."
    )


def num_classes(config: DataConfig) -> int:
  """Returns the data set's number of classes (1000 for ImageNet)."""
  return _count_classes(open_dataset(config))


def class_names(config: DataConfig) -> tuple[str, ...]:
  """Returns the data set's names of its classes (WordNet's for ImageNet)."""
  return tuple(open_dataset(config).info.features["label"].names)


def _count_classes(dataset: Any) -> int:
  return int(dataset.info.features["label"].num_classes)


def open_dataset(config: DataConfig) -> Any:
  """Finds the data set on disk and checks it; the errors are `splits`'s.

  The synthetic data set is made first.
  """
  source = config.source
  if source.is_synthetic:
    painted_digits.prepare(source.root)
  is_original = source.name == "imagenet2012"
  counts = {} if config.allow_partial else OFFICIAL_COUNTS.get(source.name)
  return tfds_reader.open_dataset(
    source.name,
    splits=("train", "validation") if is_original else ("train",),
    optional_splits=_HELD_OUT,
    features=("image", "label"),
    version=config.version,
    data_dir=source.root,
    counts=counts,
    build_options=" --manual_dir=ARCHIVES" if is_original else "",
    advice=_ARCHIVES * is_original + source.remedy,
  )


def _source(dataset: Any, part: str) -> loader.Source:
  import tensorflow_datasets as tfds

  decoders = {"image": tfds.decode.SkipDecoding()}  # bytes of the file
  source: loader.Source = dataset.as_data_source(split=part, decoders=decoders)
  return source


def _split(
  source: loader.Source,
  config: DataConfig,
  part: str,
  transform: "TrainTransform | EvalTransform",
) -> loader.Split:
  name = loader.split_name(
    config.source.name, part, official=not config.allow_partial
  )
  return loader.Split(source, transform, name)


@dataclasses.dataclass(frozen=True)
class TrainTransform:
  """Decodes, crops, flips, augments, resizes and normalises an example.

  Attributes:
    config: the preparation.
    partners: raw examples, of which one is prepared with each; none if None.
  """

  config: DataConfig
  partners: loader.Source | None = None

  def __call__(
    self, example: Mapping[str, Any], generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    """Returns "images" [size, size, 3] and "labels" of one raw example."""
    found = self._prepare(example, generator)
    if self.partners is None:
      return found
    number = int(generator.integers(len(self.partners)))
    partner = self._prepare(self.partners[number], generator)
    return found | {f"partner_{name}": x for name, x in partner.items()}

  def _prepare(
    self, example: Mapping[str, Any], generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    augmentation = self.config.augmentation
    image = pixels.decode(example, upright=self.config.source.is_upright)
    box = crop.random_box(
      image.height,
      image.width,
      generator,
      augmentation.random_crop,
      self.config.eval_crop,
    )
    image = pixels.cut(image, box)
    if augmentation.horizontal_flip and generator.integers(2):
      image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image = rand_augment.augment(image, generator, augmentation.randaugment)
    return _finish(image, example, self.config)


@dataclasses.dataclass(frozen=True)
class EvalTransform:
  """Decodes an example, crops its centre, resizes and normalises it."""

  config: DataConfig

  def __call__(
    self, example: Mapping[str, Any], generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    """Returns "images" [size, size, 3] and "labels" of one raw example."""
    image = pixels.decode(example, upright=self.config.source.is_upright)
    box = crop.centre_box(image.height, image.width, self.config.eval_crop)
    return _finish(pixels.cut(image, box), example, self.config)


def _finish(
  image: Image.Image, example: Mapping[str, Any], config: DataConfig
) -> dict[str, np.ndarray]:
  size = config.image_size
  assert size is not None  # An experiment replaces it by the model's.
  resized = crop.resize_bicubic(np.asarray(image), size, size)
  labels = np.asarray(example["label"], np.int32)  # [] or [labels]
  if config.max_labels > 1:
    labels = np.atleast_1d(labels)[: config.max_labels]
    padding = (0, config.max_labels - len(labels))
    labels = np.pad(labels, padding, constant_values=-1)  # [max_labels]
  return {"images": pixels.normalise(resized), "labels": labels}
