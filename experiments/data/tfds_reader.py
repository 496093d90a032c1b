"""Data sets of TensorFlow Datasets on disk, read without TensorFlow.

Data sets are neither downloaded nor built here: one that is missing or unfit is
refused with the command that makes it.
"""

from collections.abc import Mapping, Sequence
import fnmatch
import os
import pathlib
from typing import Any

from experiments.data import bucket_copies
from experiments.data import buckets
from experiments.data import files
from experiments.data import paths


def open_dataset(
  name: str,
  *,
  splits: Sequence[str],
  optional_splits: Sequence[str] = (),
  features: Sequence[str],
  data_dir: pathlib.Path | None = None,
  version: str = "*",
  counts: Mapping[str, int] | None = None,
  build_options: str = "",
  advice: str = "",
) -> Any:
  """Opens a data set and checks that all the caller needs of it is there.

  Args:
    name: NAME or NAME/CONFIG, such as "c4/en".
    splits: splits that are needed; slices such as "train[99%:]" count as their
      split.
    optional_splits: further splits that are checked if they are there.
    features: features that are needed.
    data_dir: folder of data sets; None is `default_data_dir()`.
    version: a version or a pattern such as "5.*"; the newest match is opened.
    counts: {split: official number of examples}, to be compared.
    build_options: further options of `tfds build` for this data set.
    advice: further sentence on how to get the data set.

  Returns:
    The builder of TensorFlow Datasets: `builder.info`, and
    `builder.as_data_source(split)`, a random-access sequence of dictionaries.

  Raises:
    files.InputError: there is no such data set, it is in a format without
      random access, lacks a split, a feature or a file, or has another number
      of examples than the official one.
  """
  root = data_dir or default_data_dir()
  advice = (
    "To make it, install the extra for preparing data, `pip install -e '.[tf]'`"
    f", and run `tfds build {name} --file_format=array_record "
    f"--data_dir={buckets.shown(root)}{build_options}`. {advice}"
  ).rstrip()
  folder = _newest_version(bucket_copies.local(root / name), version)
  if folder is None:
    wanted = "" if version == "*" else f" of version {version}"
    raise files.InputError(
      f"{root / name} has no data set{wanted}; expected one made by TensorFlow "
      f"Datasets. {advice}"
    )
  import tensorflow_datasets as tfds

  builder = tfds.builder_from_directory(folder)
  _check_format(builder, folder, advice)
  _check_names("features", builder.info.features, features, folder)
  splits = list(dict.fromkeys(split.partition("[")[0] for split in splits))
  _check_names("splits", builder.info.splits, splits, folder)
  more = builder.info.splits.keys() & optional_splits
  for split in {*splits, *more}:
    _check_split(builder.info.splits[split], folder, (counts or {}).get(split))
  return builder


def default_data_dir() -> pathlib.Path:
  """Returns $TFDS_DATA_DIR, or else ~/tensorflow_datasets.

  Raises:
    files.InputError: if it is no folder on this machine.
  """
  name = "TFDS_DATA_DIR"
  folder = os.environ.get(name) or "~/tensorflow_datasets"
  try:
    return paths.place(folder)
  except paths.PathError as error:
    raise files.InputError(
      f"the folder of data sets, ${name} or that of --data.source, is "
      f"{folder!r}; {error.reason}"
    ) from error


def _newest_version(folder: pathlib.Path, version: str) -> pathlib.Path | None:
  import tensorflow_datasets as tfds

  found = [
    path.parent
    for path in folder.glob("*/dataset_info.json")
    if tfds.core.Version.is_valid(path.parent.name)
    and fnmatch.fnmatchcase(path.parent.name, version)
  ]
  return max(found, key=lambda path: tfds.core.Version(path.name), default=None)


def _check_format(builder: Any, folder: pathlib.Path, advice: str) -> None:
  import tensorflow_datasets as tfds

  formats = builder.info.available_file_formats()
  if tfds.core.FileFormat.ARRAY_RECORD not in formats:
    stored = ", ".join(sorted(each.value for each in formats))
    raise files.InputError(
      f"The data set in {folder} is stored as {stored}; expected array_record, "
      f"which allows random access. Delete it first. {advice}"
    )


def _check_names(
  kind: str, found: Any, expected: Sequence[str], folder: pathlib.Path
) -> None:
  missing = [name for name in expected if name not in found]
  if missing:
    raise files.InputError(
      f"The data set in {folder} has the {kind} {sorted(found)}; expected "
      f"{missing} among them."
    )


def _check_split(info: Any, folder: pathlib.Path, official: int | None) -> None:
  paths = [pathlib.Path(path) for path in info.filepaths]
  missing = [path.name for path in paths if not path.exists()]
  if missing:
    raise files.InputError(
      f"The data set in {folder} lacks {len(missing)} of {len(paths)} files of "
      f'its split "{info.name}", the first being {missing[0]}. Build it again.'
    )
  if official not in (None, info.num_examples):
    raise files.InputError(
      f'The data set in {folder} has {info.num_examples:,} examples in "'
      f'{info.name}"; expected {official:,}, as in the official one. Build it '
      "again, or set allow_partial to use it as it is."
    )
