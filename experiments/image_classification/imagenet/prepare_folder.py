"""Turns a folder of images into a data set, without TensorFlow.

  python -m experiments.prepare images FOLDER --name NAME --data-dir DIR

The data set has the features of imagenet2012.
"""

from collections.abc import Iterator
import dataclasses
import os
import pathlib
import re
import tempfile
from typing import Any, NamedTuple

import tensorflow_datasets as tfds
import tyro

from experiments.data import files
from experiments.data import tfds_reader

# Splits, and the names that their folders may have.
_SPLITS = {
  "train": ("train",),
  "validation": ("validation", "val", "valid", "test"),
}
_SUFFIXES = (".jpg", ".jpeg", ".png")
_VERSION = "1.0.0"
_NUM_SHOWN = 10  # of the images left out


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
  """Turns a folder of images into a data set, without TensorFlow.

  The folder holds train/CLASS/*.jpg and validation/CLASS/*.jpg (or .jpeg,
  .png); val, valid or test stand for validation if it is not there. The data
  set is read with --data.dataset NAME --data.data-dir DIR.

  Attributes:
    folder: holds train/CLASS/*.jpg and validation/CLASS/*.jpg.
    name: name of the data set: lower-case letters, digits and underscores.
    data_dir: the folder of data sets; None is $TFDS_DATA_DIR, or else
      ~/tensorflow_datasets.
    skip_corrupt: leave images out that cannot be decoded, and count them,
      instead of stopping at the first.
  """

  folder: tyro.conf.Positional[pathlib.Path]
  name: str
  data_dir: pathlib.Path | None = None
  skip_corrupt: bool = False

  def __post_init__(self) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
      raise ValueError(
        "PrepareConfig.name must be lower-case letters, digits and "
        f"underscores, not {self.name!r}"
      )


class Prepared(NamedTuple):
  """A data set that was written."""

  folder: pathlib.Path
  counts: dict[str, int]  # examples in each split
  # Images left out, relative to the folder of images, a colon and the reason.
  corrupt: list[str]


class _Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
  """Hands the images over as they are, once each has been decoded."""

  VERSION = tfds.core.Version(_VERSION)

  def __init__(self, config: PrepareConfig, data_dir: pathlib.Path):
    self.name = config.name
    self._images = config
    self._classes = _classes(config.folder)
    self.corrupt: list[str] = []
    super().__init__(data_dir=data_dir, file_format="array_record")

  def _info(self) -> tfds.core.DatasetInfo:
    features = tfds.features.FeaturesDict(
      {
        "image": tfds.features.Image(),
        "label": tfds.features.ClassLabel(names=self._classes),
        "file_name": tfds.features.Text(),
      }
    )
    return tfds.core.DatasetInfo(
      builder=self, features=features, supervised_keys=("image", "label")
    )

  def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
    return {split: self._generate_examples(split) for split in _SPLITS}

  def _generate_examples(
    self, split: str
  ) -> Iterator[tuple[str, dict[str, Any]]]:
    root, empty = _root(self._images.folder, split), True
    for label in self._classes:
      for path in _images(root / label):
        name = f"{label}/{path.name}"
        if self._can_be_decoded(path):
          example = {"image": path, "label": label, "file_name": name}
          yield name, example
          empty = False
    if empty:
      raise files.InputError(
        f"{root} has no image that can be decoded: "
        f"{files.commonest(self.corrupt)}."
      )

  def _can_be_decoded(self, path: pathlib.Path) -> bool:
    try:
      files.decode_image(files.read_bytes(path))
    except ValueError as error:
      if not self._images.skip_corrupt:
        raise files.InputError(
          f"{path}: {error}. Remove it, or leave such images out with "
          "--skip-corrupt."
        ) from error
      name = path.relative_to(self._images.folder)
      self.corrupt.append(f"{name}: {error}")
      return False
    return True


def prepare(config: PrepareConfig) -> Prepared:
  """Writes the data set; it appears only when it is complete.

  Args:
    config: the images and the name of the data set.

  Raises:
    files.InputError: if there already is a data set of that name, a folder or
      its images are missing, an image cannot be decoded, or the two splits
      have different classes.
  """
  root = config.data_dir or tfds_reader.default_data_dir()
  target = root / config.name / _VERSION
  if target.exists():
    raise files.InputError(f"{target} is there already; remove it first.")
  _classes(config.folder)
  root.mkdir(parents=True, exist_ok=True)
  with tempfile.TemporaryDirectory(dir=root, prefix=".preparing_") as scratch:
    builder = _Builder(config, pathlib.Path(scratch))
    builder.download_and_prepare()
    counts = {s: builder.info.splits[s].num_examples for s in _SPLITS}
    target.parent.mkdir(exist_ok=True)
    os.rename(builder.data_path, target)
  return Prepared(target, counts, builder.corrupt)


def _classes(folder: pathlib.Path) -> list[str]:
  """Returns the classes, sorted; both splits must have the same."""
  found = {}
  for split in _SPLITS:
    root = _root(folder, split)
    found[split] = [p.name for p in files.list_folders(root)]
    empty = [c for c in found[split] if not _images(root / c)]
    if empty or not found[split]:
      where = root / empty[0] if empty else root / "CLASS"
      raise files.InputError(f"{where} has no .jpg, .jpeg or .png images.")
  different = set(found["train"]) ^ set(found["validation"])
  if different:
    raise files.InputError(
      f"{folder}: these classes are not in both splits: "
      f"{', '.join(sorted(different))}."
    )
  return found["train"]


def _root(folder: pathlib.Path, split: str) -> pathlib.Path:
  for name in _SPLITS[split]:
    if (folder / name).is_dir():
      return folder / name
  root = folder / split
  raise files.InputError(f"{root} is missing; images go to {root}/CLASS/.")


def _images(folder: pathlib.Path) -> list[pathlib.Path]:
  return files.list_files(folder, *(f"*{suffix}" for suffix in _SUFFIXES))


def run(config: PrepareConfig) -> None:
  """Runs the command `prepare images`.

  Raises:
    files.InputError: see `prepare`.
  """
  prepared = prepare(config)
  for name in prepared.corrupt[:_NUM_SHOWN]:
    print(f"left out: {name}")
  if prepared.corrupt:
    print(f"reasons: {files.commonest(prepared.corrupt)}")
  counts = ", ".join(f"{n:,} {s}" for s, n in prepared.counts.items())
  print(f"{prepared.folder}: {counts} images, {len(prepared.corrupt)} left out")
