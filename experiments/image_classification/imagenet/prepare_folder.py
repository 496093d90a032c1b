"""Turns a folder of images into a data set, without TensorFlow.

  python -m experiments.prepare images FOLDER --name NAME --data-dir DIR

The data set has the features of imagenet2012.
"""

import collections
from collections.abc import Iterator
import dataclasses
import pathlib
import re
import sys
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds
import tyro

from experiments.data import files
from experiments.data import growing
from experiments.data import tfds_reader
from experiments.runs import progress
from perceiver import bounds

# Splits, and the names that their folders may have.
_SPLITS = {
  "train": ("train",),
  "validation": ("validation", "val", "valid", "test"),
}
_VERSION = "1.0.0"
_IMAGES_PER_FILE = 1024  # ImageNet's are 110 KB each
_NUM_SHOWN = 10  # of the images left out


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
  """Turns a folder of images into a data set, without TensorFlow.

  The folder holds train/CLASS/*.jpg and validation/CLASS/*.jpg (or .png, .webp,
  .gif, .tiff, .bmp, .ppm); val, valid or test stand for validation if it is not
  there. With --hold-out it holds CLASS/*.jpg. The data set is read with
  --data.source DIR/NAME, images being turned upright by their EXIF orientation.

  Attributes:
    folder: holds train/CLASS/*.jpg and validation/CLASS/*.jpg.
    hold_out: share of the images of each class of a folder CLASS/*.jpg, chosen
      at random, that become the validation split; the same ones each time.
    name: name of the data set: lower-case letters, digits and underscores.
    data_dir: the folder of data sets; None is $TFDS_DATA_DIR, or else
      ~/tensorflow_datasets.
    skip_corrupt: leave images out that cannot be decoded, and count them,
      instead of stopping at the first.
  """

  folder: tyro.conf.Positional[pathlib.Path]
  name: str
  hold_out: float | None = None
  data_dir: pathlib.Path | None = None
  skip_corrupt: bool = False

  def __post_init__(self) -> None:
    bounds.check_ranges(self, hold_out="(0, 1)")
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
  # Numbers of the other things in the classes' folders, by suffix.
  others: dict[str, int]


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
  classes = _classes(config)
  unfinished = root / f"{config.name}.unfinished"
  growing.claim(unfinished, repr(classes))
  features = tfds.features.FeaturesDict(
    {
      "image": tfds.features.Image(),
      "label": tfds.features.ClassLabel(names=classes),
      "file_name": tfds.features.Text(),
    }
  )
  splits = [
    growing.Split(
      unfinished,
      split,
      features,
      dataset=config.name,
      examples_per_file=_IMAGES_PER_FILE,
    )
    for split in _SPLITS
  ]
  corrupt: list[str] = []
  for split in splits:
    _write(config, split, corrupt)
  growing.finish(unfinished, target, splits, supervised_keys=("image", "label"))
  counts = {s.name: len(s.notes) for s in splits}
  return Prepared(target, counts, corrupt, _others(config))


def _write(
  config: PrepareConfig, finished: growing.Split, corrupt: list[str]
) -> None:
  """Writes the images of a split that are not finished, and notes corrupt ones.

  They are handed over as they are, once each has been decoded. Notes on the
  finished ones are their sizes in bytes.
  """
  root = _root(config, finished.name)
  paths = {
    f"{folder.name}/{path.name}": path
    for folder in files.list_folders(root)
    for path in _images(config, finished.name, folder)
  }
  if there := finished.notes:
    print(f"{finished.name}: {len(there):,} images are there", file=sys.stderr)
  for key, size in there.items():
    if key not in paths or paths[key].stat().st_size != size:
      raise files.InputError(
        f"{root / key} has changed since an earlier command wrote it; remove "
        f"what that left, {finished.folder}, to begin anew"
      )
  left = finished.missing(paths)
  show = progress.counter(finished.name, unit=" images")

  def images() -> Iterator[growing.Example]:
    for number, key in enumerate(left, 1):
      encoded = files.read_bytes(paths[key])
      try:
        files.decode_image(encoded)
      except ValueError as error:
        if not config.skip_corrupt:
          raise files.InputError(
            f"{paths[key]}: {error}. Remove it, or leave such images out with "
            "--skip-corrupt; then the same command goes on."
          ) from error
        name = paths[key].relative_to(config.folder)
        corrupt.append(f"{name}: {error}")
      else:
        label = key.partition("/")[0]
        example = {"image": encoded, "label": label, "file_name": key}
        yield key, example, len(encoded)
      show(number, len(left))

  finished.add_all(images())
  if not finished.lists:
    raise files.InputError(
      f"{root} has no image that can be decoded: {files.commonest(corrupt)}."
    )


def _classes(config: PrepareConfig) -> list[str]:
  """Returns the classes, sorted; both splits must have the same."""
  found = {}
  for split in _SPLITS:
    root = _root(config, split)
    found[split] = [p.name for p in files.list_folders(root)]
    empty = [c for c in found[split] if not _images(config, split, root / c)]
    if empty or not found[split]:
      where = root / empty[0] if empty else root / "CLASS"
      if empty and (count := len(_listed(where))):
        raise files.InputError(
          f"{where} has {count} image{'s' * (count > 1)}, none of which "
          f"--hold-out {config.hold_out:g} leaves for training. Add images, or "
          "take a smaller share."
        )
      raise files.InputError(
        f"{where} has no images ({', '.join(files.IMAGE_SUFFIXES)}) for the "
        f"{split} split."
      )
  different = set(found["train"]) ^ set(found["validation"])
  if different:
    raise files.InputError(
      f"{config.folder}: these classes are not in both splits: "
      f"{', '.join(sorted(different))}."
    )
  return found["train"]


def _root(config: PrepareConfig, split: str) -> pathlib.Path:
  """Returns the folder of a split's classes."""
  folder, names = config.folder, _SPLITS[split]
  if config.hold_out:
    return folder
  for name in names:
    if (folder / name).is_dir():
      return folder / name
  raise files.InputError(
    f"{folder / split} is missing; images go to {folder}/train/CLASS/ and "
    f"{folder}/validation/CLASS/. Or put all into {folder}/CLASS/ and give "
    "--hold-out 0.2 for a fifth of each class to be the validation split."
  )


def _images(
  config: PrepareConfig, split: str, folder: pathlib.Path
) -> list[pathlib.Path]:
  """Returns a class's images of a split."""
  found = _listed(folder)
  if not config.hold_out:
    return found
  order = np.random.default_rng(0).permutation(len(found))
  held_out = set(order[: max(1, round(config.hold_out * len(found)))])
  is_held_out = split != "train"
  return [x for i, x in enumerate(found) if (i in held_out) == is_held_out]


def _listed(folder: pathlib.Path) -> list[pathlib.Path]:
  """Returns a class's images."""
  patterns = (f"*{suffix}" for suffix in files.IMAGE_SUFFIXES)
  return files.list_files(folder, *patterns)


def _others(config: PrepareConfig) -> dict[str, int]:
  """Counts what is in the classes' folders beside images, commonest first.

  Returns:
    Numbers by suffix, such as {".heic": 3, "folder": 1}.
  """
  found = collections.Counter[str]()
  for root in {_root(config, split) for split in _SPLITS}:
    for folder in files.list_folders(root):
      found["folder"] += len(files.list_folders(folder))
      suffixes = [path.suffix.lower() for path in files.list_files(folder)]
      found.update(s for s in suffixes if s not in files.IMAGE_SUFFIXES)
  return {name: count for name, count in found.most_common() if count}


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
  if prepared.others:
    kinds = (
      (n, name or "without a suffix") for name, n in prepared.others.items()
    )
    found = "; ".join(f"{n} × {name}" for n, name in kinds)
    print(f"not read, as no images of a known kind: {found}")
  counts = ", ".join(f"{n:,} {s}" for s, n in prepared.counts.items())
  print(f"{prepared.folder}: {counts} images, {len(prepared.corrupt)} left out")
  print(
    "to train on it, at a small size:\n  python -m experiments.train imagenet "
    f"--mini --data.source {prepared.folder.parent}"
  )
  print(
    "if colours tell its classes apart, add "
    "--data.augmentation.randaugment.num-layers 0"
  )
  names = prepared.folder / "label.labels.txt"  # of TensorFlow Datasets
  print(f"names of its classes, for predict classify --labels: {names}")
