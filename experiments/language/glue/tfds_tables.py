"""Examples from data sets that TensorFlow Datasets has prepared.

Nothing is ever downloaded or built here, and TensorFlow is not needed.
"""

import os
import pathlib
import re
from typing import Any

import tensorflow_datasets as tfds

from experiments.data import files
from experiments.language.glue import glue_tasks
from experiments.language.glue import tsv


def read(
  task: glue_tasks.Task, split: str, data_dir: pathlib.Path | None
) -> tsv.Table:
  """Reads a whole split, in the order of the official files.

  Args:
    task: says which data set it is, "glue/" and its name.
    split: its name.
    data_dir: the folder of data sets; None is $TFDS_DATA_DIR, or else
      ~/tensorflow_datasets.

  Raises:
    files.InputError: if there is no such data set, it cannot be read at
      random, or lacks a split, a feature or a class.
  """
  default = os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
  root = (data_dir or pathlib.Path(default)).expanduser()
  folder = _newest(root / "glue" / task.name)
  builder = tfds.builder_from_directory(folder)
  _check(builder, task, split, folder, root)
  names = builder.info.features["label"].names if task.classes else ()
  examples = []
  for number, row in enumerate(builder.as_data_source(split=split)):
    texts = tuple(_text(row[name]) for name in task.tfds_texts)
    place = f"{folder} {split}, example {number}"
    label = tsv.UNKNOWN
    if not split.startswith("test"):
      label = _label(task, row["label"], names, place)
    examples.append(tsv.Example(texts, label, str(int(row["idx"]))))
  if not examples:
    raise files.InputError(f"{folder} has no examples in {split!r}")
  examples.sort(key=lambda example: int(example.number))
  return tsv.Table(f"{folder} {split}", examples, ())


def _newest(folder: pathlib.Path) -> pathlib.Path:
  found = {
    tuple(map(int, path.parent.name.split("."))): path.parent
    for path in folder.glob("*/dataset_info.json")
    if re.fullmatch(r"\d+\.\d+\.\d+", path.parent.name)
  }
  if not found:
    name = f"glue/{folder.name}"
    raise files.InputError(
      f"There is no data set {name} in {folder}. To make it, install the extra "
      'for preparing data, `pip install -e ".[tf]"`, and run `tfds build '
      f"{name} --file_format=array_record --data_dir={folder.parent.parent}`; "
      "or set data.source to FILES and data.data_dir to the official folders"
    )
  return found[max(found)]


def _check(
  builder: Any,
  task: glue_tasks.Task,
  split: str,
  folder: pathlib.Path,
  root: pathlib.Path,
) -> None:
  formats = builder.info.available_file_formats()
  if tfds.core.FileFormat.ARRAY_RECORD not in formats:
    stored = ", ".join(sorted(f.value for f in formats))
    raise files.InputError(
      f"The data set in {folder} is stored as {stored}; expected array_record: "
      f"delete it and run `tfds build glue/{task.name} "
      f"--file_format=array_record --data_dir={root}`"
    )
  features = builder.info.features
  missing = [n for n in (*task.tfds_texts, "label", "idx") if n not in features]
  if missing or split not in builder.info.splits:
    raise files.InputError(
      f"The data set in {folder} lacks "
      + (f"the features {missing}" if missing else f"the split {split!r}")
      + f"; it has {sorted(features)} in {sorted(builder.info.splits)}"
    )
  if task.classes and features["label"].num_classes != len(task.classes):
    raise files.InputError(
      f"The data set in {folder} has {features['label'].num_classes} classes; "
      f"expected {len(task.classes)}"
    )


def _label(
  task: glue_tasks.Task, stored: Any, names: tuple[str, ...], place: str
) -> float:
  """Returns our number of a label; theirs are in the same order or named."""
  label = float(stored)
  if not task.classes:
    inside = 0 <= label <= glue_tasks.MAX_DEGREE
    expected = f"from 0 to {glue_tasks.MAX_DEGREE:g}"
  else:
    inside = 0 <= label < len(names)
    expected = f"0 to {len(task.classes) - 1}"
  if not inside:
    raise files.InputError(f"{place}: label is {label:g}; expected {expected}")
  if task.classes and set(names) == set(task.classes):
    return float(task.classes.index(names[int(label)]))
  return label


def _text(value: Any) -> str:
  return value.decode("utf-8") if isinstance(value, bytes) else str(value)
