"""Tables of GLUE from data sets that TensorFlow Datasets has prepared."""

import pathlib
from typing import Any

from experiments.data import files
from experiments.data import tfds_reader
from experiments.language.glue import glue_tasks
from experiments.language.glue import tsv


def read(
  task: glue_tasks.Task, split: str, data_dir: pathlib.Path | None
) -> tsv.Table:
  """Reads a whole split, in the order of the official files.

  Args:
    task: the task; its data set is "glue/" and its name.
    split: name of the split.
    data_dir: the folder of data sets; None is $TFDS_DATA_DIR, or else
      ~/tensorflow_datasets.

  Raises:
    files.InputError: if the data set is missing or incomplete, or has other
      classes or labels than the task.
  """
  columns = task.tfds_texts or task.texts
  builder = tfds_reader.open_dataset(
    f"glue/{task.name}",
    splits=(split,),
    features=(*columns, "label", "idx"),
    data_dir=data_dir,
    advice="Or give --data.source PATH, the folder of the official files, of "
    "https://gluebenchmark.com, or --data.source synthetic.",
  )
  folder = builder.data_path
  names: tuple[str, ...] = ()
  if task.classes:
    names = tuple(builder.info.features["label"].names)
    if len(names) != len(task.classes):
      raise files.InputError(
        f"The data set in {folder} has {len(names)} classes; expected "
        f"{len(task.classes)}."
      )
  examples, skipped = [], []
  for number, row in enumerate(builder.as_data_source(split=split)):
    texts = tuple(_text(row[name]) for name in columns)
    source = f"{folder} {split}, example {number}"
    label = tsv.UNKNOWN
    if not split.startswith("test"):
      if row["label"] == tsv.UNKNOWN:
        skipped.append(f"{source}: it has no label")
        continue
      label = _label(task, row["label"], names, source)
    examples.append(tsv.Example(texts, label, str(int(row["idx"]))))
  if not examples:
    raise files.InputError(
      f"{folder} has no examples in {split!r}: {files.commonest(skipped)}"
    )
  examples.sort(key=lambda example: int(example.number))
  return tsv.Table(f"{folder} {split}", examples, tuple(skipped))


def _label(
  task: glue_tasks.Task, stored: Any, names: tuple[str, ...], source: str
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
    raise files.InputError(f"{source}: label is {label:g}; expected {expected}")
  if task.classes and set(names) == set(task.classes):
    return float(task.classes.index(names[int(label)]))
  return label


def _text(value: Any) -> str:
  return value.decode("utf-8") if isinstance(value, bytes) else str(value)
