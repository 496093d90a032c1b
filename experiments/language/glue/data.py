"""Training and development sets of a model's tasks."""

import bisect
from collections.abc import Sequence
import dataclasses
import enum
import functools
import itertools
import pathlib
import sys
import tempfile

import numpy as np

from experiments.data import files
from experiments.data import loader
from experiments.language.glue import glue_tasks
from experiments.language.glue import synthetic as synthetic_tables
from experiments.language.glue import texts
from experiments.language.glue import tfds_tables
from experiments.language.glue import tsv
from experiments.language.text import sentencepiece

_MAX_SHOWN = 3  # skipped lines of a file


class Source(enum.Enum):
  """The source of the examples.

  `FILES`: the official folders, CoLA/train.tsv and so on. `TFDS`: data sets
  "glue/cola" and so on that TensorFlow Datasets has prepared. `SYNTHETIC`:
  made by the rules of `synthetic`.
  """

  FILES = "files"
  TFDS = "tfds"
  SYNTHETIC = "synthetic"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """The examples of the tasks.

  Attributes:
    source: the source of the examples.
    data_dir: the folder of the tasks' folders, or of TensorFlow Datasets,
      which has a default.
    sentencepiece_model: the file of a SentencePiece model; None for bytes.
    allow_partial: skip the comparison with the official numbers of examples.
    synthetic: numbers and lengths of synthetic examples.
  """

  source: Source = Source.FILES
  data_dir: pathlib.Path | None = None
  sentencepiece_model: pathlib.Path | None = None
  allow_partial: bool = False
  synthetic: synthetic_tables.SyntheticConfig = (
    synthetic_tables.SyntheticConfig()
  )

  def folder(self) -> pathlib.Path:
    """Returns the folder of the official files.

    Raises:
      files.InputError: if none is given.
    """
    if self.data_dir is None:
      raise files.InputError(
        "The tasks are read from a folder: set data.data_dir to the one that "
        "holds CoLA, SST-2 and so on, or data.source to synthetic"
      )
    return self.data_dir.expanduser()


@dataclasses.dataclass(frozen=True)
class TaskExample:
  """An example, the number of its task, and that of its development set."""

  example: tsv.Example
  task: int
  eval_split: int


class Mixture:
  """Examples of several tables, one table after the other."""

  def __init__(self, tables: Sequence[tuple[int, int, tsv.Table]]) -> None:
    """Joins tables, each with the numbers of its task and split."""
    self._tables = list(tables)
    counts = (len(table.examples) for _, _, table in self._tables)
    self._ends = list(itertools.accumulate(counts))

  def __len__(self) -> int:
    return self._ends[-1] if self._ends else 0

  def __getitem__(self, index: int) -> TaskExample:
    if not 0 <= index < len(self):
      raise IndexError(index)
    number = bisect.bisect_right(self._ends, index)
    task, split, table = self._tables[number]
    start = self._ends[number] - len(table.examples)
    return TaskExample(table.examples[index - start], task, split)


@dataclasses.dataclass(frozen=True)
class Transform:
  """Turns an example into arrays; nothing is random."""

  encoder: texts.Encoder

  def __call__(
    self, raw: TaskExample, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    """Returns "ids", "length", "label" float32, "task", "eval_split" int32."""
    del generator
    return {
      **self.encoder.padded(raw.example.texts),
      "label": np.asarray(raw.example.label, np.float32),
      "task": np.asarray(raw.task, np.int32),
      "eval_split": np.asarray(raw.eval_split, np.int32),
    }


def eval_splits(
  names: Sequence[str],
) -> list[tuple[glue_tasks.Task, glue_tasks.EvalSplit]]:
  """Returns the development sets of some tasks, in the order of their numbers.

  Raises:
    ValueError: if there is no such task.
  """
  unknown = sorted(set(names) - set(glue_tasks.TASKS))
  if unknown:
    raise ValueError(
      f"GLUE has no task {unknown}, only {list(glue_tasks.TASKS)}"
    )
  found = [glue_tasks.TASKS[name] for name in names]
  return [(task, split) for task in found for split in task.eval_splits]


def encoder(
  config: DataConfig, max_length: int, vocab_size: int
) -> texts.Encoder:
  """Returns the encoder of texts for a model.

  Args:
    config: names the SentencePiece model, if any.
    max_length: the model's longest text, in ids.
    vocab_size: the model's number of ids.

  Raises:
    files.InputError: if the SentencePiece model cannot be used, or has another
      number of pieces.
  """
  tokenizer = sentencepiece.tokenizer(config.sentencepiece_model, vocab_size)
  return texts.Encoder(tokenizer, max_length)


def splits(
  config: DataConfig, names: tuple[str, ...], encoding: texts.Encoder
) -> tuple[loader.Split, loader.Split]:
  """Returns the training split and the development split of all tasks.

  Tasks are mixed in proportion to their numbers of examples. Numbers of skipped
  and of cut examples are printed on standard error, once.

  Args:
    config: the examples.
    names: of the model's tasks, in their order.
    encoding: turns texts into ids.

  Raises:
    files.InputError: if a file or data set is missing or cannot be used.
  """
  train, dev = _tables(config, names, encoding)
  label = " ".join(names) if len(names) < 4 else f"{len(names)} tasks"
  transform = Transform(encoding)
  return (
    loader.Split(Mixture(train), transform, f"{label} train"),
    loader.Split(Mixture(dev), transform, f"{label} dev"),
  )


_Tables = list[tuple[int, int, tsv.Table]]


@functools.lru_cache(maxsize=2)
def _tables(
  config: DataConfig, names: tuple[str, ...], encoding: texts.Encoder
) -> tuple[_Tables, _Tables]:
  train: _Tables = []
  for number, name in enumerate(names):
    task = glue_tasks.TASKS[name]
    table = _read(config, task, "train", "train.tsv", task.train_count)
    train.append((number, 0, table))
  dev: _Tables = []
  for number, (task, split) in enumerate(eval_splits(names)):
    table = _read(
      config, task, split.dev_split, split.dev_file, split.dev_count
    )
    dev.append((names.index(task.name), number, table))
  for _, _, table in (*train, *dev):
    report(table, encoding)
  return train, dev


def read_test(
  config: DataConfig, task: glue_tasks.Task, split: glue_tasks.EvalSplit
) -> tsv.Table:
  """Reads a test set, all of it.

  Raises:
    files.InputError: if it is missing or cannot be used.
  """
  return _read(
    config, task, split.test_split, split.test_file, split.test_count
  )


def _read(
  config: DataConfig,
  task: glue_tasks.Task,
  tfds_split: str,
  file: str,
  count: int | None,
) -> tsv.Table:
  """Reads a split of a task, by its name or file, of `count` examples."""
  is_test = file.startswith("test")
  if config.source is Source.SYNTHETIC:
    with tempfile.TemporaryDirectory() as scratch:
      path = pathlib.Path(scratch) / file
      synthetic_tables.write_file(path, config.synthetic, task)
      table = tsv.read(task, path, is_test=is_test)
    return table._replace(name=f"synthetic {task.folder}/{file}")
  if config.source is Source.TFDS:
    table = tfds_tables.read(task, tfds_split, config.data_dir)
  else:
    path = config.folder() / task.folder / file
    table = tsv.read(task, path, is_test=is_test)
  if not config.allow_partial:
    check_count(table, count)
  return table


def check_count(table: tsv.Table, expected: int | None) -> None:
  """Refuses a table with another number of lines than the official one.

  Args:
    table: its skipped lines count as well.
    expected: the number; None if it is not certain, which is never refused.

  Raises:
    files.InputError: naming both numbers.
  """
  found = len(table.examples) + len(table.skipped)
  if expected is not None and found != expected:
    raise files.InputError(
      f"{table.name} has {found:,} examples where the official data set has "
      f"{expected:,}; set data.allow_partial to use it as it is"
    )


def report(table: tsv.Table, encoding: texts.Encoder) -> None:
  """Prints numbers of read, skipped and cut examples on standard error."""
  cut = sum(encoding.is_cut(example.texts) for example in table.examples)
  line = (
    f"{table.name}: {len(table.examples):,} examples, {len(table.skipped)} "
    f"lines skipped, {cut} cut to {encoding.max_length} tokens"
  )
  lines = [line, *(f"  {each}" for each in table.skipped[:_MAX_SHOWN])]
  if table.skipped:
    lines.append(f"skipped: {files.commonest(table.skipped)}")
  print("\n".join(lines), file=sys.stderr, flush=True)
