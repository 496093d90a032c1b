"""Finds data sets of TensorFlow Datasets on disk, and says what is wrong.

Nothing is ever downloaded or built here, and TensorFlow is not needed.
"""

from collections.abc import Sequence
import dataclasses
import fnmatch
import os
import pathlib
import re
from typing import Any

import tensorflow_datasets as tfds

# Images of ILSVRC 2012.
OFFICIAL_COUNTS = {
  "imagenet2012": {"train": 1_281_167, "validation": 50_000},
}


@dataclasses.dataclass(frozen=True)
class Dataset:
  """A prepared data set of labelled images.

  Attributes:
    name: its name.
    builder: what TensorFlow Datasets knows about it.
  """

  name: str
  builder: Any

  @property
  def num_classes(self) -> int:
    """How many classes the labels have."""
    return int(self.builder.info.features["label"].num_classes)

  def count(self, split: str) -> int:
    """Returns the number of examples in a split."""
    return int(self.builder.info.splits[split].num_examples)

  def source(self, part: str) -> Sequence[Any]:
    """Opens a split or a slice of one, such as "train[:100]".

    Examples are dictionaries; "image" is the encoded file's bytes.
    """
    decoders = {"image": tfds.decode.SkipDecoding()}
    return self.builder.as_data_source(split=part, decoders=decoders)

  def check_larger(self, split: str, number: int) -> None:
    """Raises ValueError unless a split has more than `number` examples."""
    if self.count(split) <= number:
      raise ValueError(
        f'{self.name}: the first {number} examples of "{split}" are meant for '
        f"validation, but it has {self.count(split)}; choose a smaller "
        "num_valid, or train on TRAIN_AND_VALID and evaluate on TEST"
      )


def open_dataset(
  name: str,
  *,
  version: str = "*",
  data_dir: pathlib.Path | None = None,
  allow_partial: bool = False,
) -> Dataset:
  """Opens a data set that is on disk, and checks that all of it is there.

  Args:
    name: the data set's name, also NAME/CONFIG.
    version: a version or a pattern; the newest that fits is opened.
    data_dir: the folder of data sets; None is $TFDS_DATA_DIR, or else
      ~/tensorflow_datasets.
    allow_partial: skip the comparison with the official numbers of examples.

  Returns:
    The data set.

  Raises:
    FileNotFoundError: there is no such data set, or files of it are missing.
    ValueError: it is in a format that cannot be read at random, lacks a
      feature or a split, or has another size than the official one.
  """
  root = (data_dir or default_data_dir()).expanduser()
  folder = _newest_version(root / name, version)
  if folder is None:
    wanted = "" if version == "*" else f" of version {version}"
    raise FileNotFoundError(
      f"No data set {name}{wanted} in {root / name}. {_how_to_get(name, root)}"
    )
  builder = tfds.builder_from_directory(folder)
  _check_format(builder, folder, _how_to_get(name, root))
  _check_files(builder, folder)
  dataset = Dataset(name, builder)
  if not allow_partial:
    _check_counts(dataset, folder)
  return dataset


def default_data_dir() -> pathlib.Path:
  """Returns the folder in which TensorFlow Datasets keeps data sets."""
  return pathlib.Path(
    os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
  ).expanduser()


def _newest_version(folder: pathlib.Path, version: str) -> pathlib.Path | None:
  found = {}
  for path in folder.glob("*/dataset_info.json"):
    candidate = path.parent.name
    is_version = re.fullmatch(r"\d+\.\d+\.\d+", candidate)
    if is_version and fnmatch.fnmatchcase(candidate, version):
      found[tuple(int(n) for n in candidate.split("."))] = path.parent
  return found[max(found)] if found else None


def _how_to_get(name: str, root: pathlib.Path) -> str:
  """Says in a few sentences how the data set is made."""
  build = (
    f"`tfds build {name} --file_format=array_record --data_dir={root}"
    + (" --manual_dir=ARCHIVES" if name == "imagenet2012" else "")
    + "`"
  )
  archives = (
    ", where ARCHIVES holds ILSVRC2012_img_train.tar and "
    "ILSVRC2012_img_val.tar from https://image-net.org"
    if name == "imagenet2012"
    else ""
  )
  return (
    'To make it, install the extra for preparing data, `pip install -e ".[tf]"`'
    f", and run {build}{archives}. Or turn a folder of images, "
    "FOLDER/{train,validation}/CLASS/*.jpg, into a data set without TensorFlow "
    "by `python -m experiments.image_classification.imagenet.prepare_folder "
    f"FOLDER --name my_images --data-dir {root}` and use it "
    f"with `--data.dataset my_images --data.data-dir {root}`."
  )


def _check_format(builder: Any, folder: pathlib.Path, advice: str) -> None:
  formats = builder.info.available_file_formats()
  if tfds.core.FileFormat.ARRAY_RECORD not in formats:
    stored = ", ".join(sorted(f.value for f in formats))
    raise ValueError(
      f"The data set in {folder} is stored as {stored}, which "
      "cannot be read in random order; it must be stored as array_record. "
      f"Delete it or choose another folder. {advice}"
    )
  features = builder.info.features
  for feature in ("image", "label"):
    if feature not in features:
      raise ValueError(
        f'The data set in {folder} has no feature "{feature}", only '
        f"{sorted(features)}"
      )
  for split in ("train", "validation"):
    if split not in builder.info.splits:
      raise ValueError(
        f'The data set in {folder} has no split "{split}", only '
        f"{sorted(builder.info.splits)}"
      )


def _check_files(builder: Any, folder: pathlib.Path) -> None:
  for split in ("train", "validation"):
    paths = [pathlib.Path(p) for p in builder.info.splits[split].filepaths]
    missing = [path.name for path in paths if not path.exists()]
    if missing:
      raise FileNotFoundError(
        f"The data set in {folder} lacks {len(missing)} of {len(paths)} files "
        f'of its split "{split}", the first being {missing[0]}'
      )


def _check_counts(dataset: Dataset, folder: pathlib.Path) -> None:
  for split, official in OFFICIAL_COUNTS.get(dataset.name, {}).items():
    count = dataset.count(split)
    if count != official:
      raise ValueError(
        f'{dataset.name} in {folder} has {count:,} examples in "{split}" '
        f"where the official data set has {official:,}; build it again, or "
        "set allow_partial to use it as it is"
      )
