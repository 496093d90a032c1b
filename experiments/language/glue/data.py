"""Training and development sets of the tasks that a model answers."""

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
from experiments.language.text import tokenizers

_MAX_SHOWN = 3  # skipped lines of a file


class Source(enum.Enum):
  """Where examples come from.

  `FILES`: the official folders, CoLA/train.tsv and so on. `TFDS`: data sets
  "glue/cola" and so on that TensorFlow Datasets has prepared. `SYNTHETIC`:
  made by the rules of `synthetic`.
  """

  FILES = "files"
  TFDS = "tfds"
  SYNTHETIC = "synthetic"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """Which examples there are.

  Attributes:
    source: where they come from.
    data_dir: the folder of the tasks' folders, or of TensorFlow Datasets,
      which has a default.
    sentencepiece: a model of the SentencePiece library; bytes if None.
    allow_partial: skip the comparison with the official numbers of examples.
    synthetic: the number of examples that are made by rules.
  """

  source: Source = Source.FILES
  data_dir: pathlib.Path | None = None
  sentencepiece: pathlib.Path | None = None
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
        "holds CoLA, SST-2 and so on, or data.source to SYNTHETIC"
      )
    return self.data_dir.expanduser()


@dataclasses.dataclass(frozen=True)
class Numbered:
  """An example and which task and development set of the model it is of."""

  example: tsv.Example
  task: int
  part: int


class Mixed:
  """Examples of several tables, one table after the other."""

  def __init__(self, tables: Sequence[tuple[int, int, tsv.Table]]) -> None:
    """Joins tables, each with the numbers of its task and part."""
    self._tables = list(tables)
    counts = (len(table.examples) for _, _, table in self._tables)
    self._ends = list(itertools.accumulate(counts))

  def __len__(self) -> int:
    return self._ends[-1] if self._ends else 0

  def __getitem__(self, index: int) -> Numbered:
    if not 0 <= index < len(self):
      raise IndexError(index)
    number = bisect.bisect_right(self._ends, index)
    task, part, table = self._tables[number]
    start = self._ends[number] - len(table.examples)
    return Numbered(table.examples[index - start], task, part)


@dataclasses.dataclass(frozen=True)
class Arrays:
  """Makes an example's arrays; nothing about it is random."""

  encoder: texts.Encoder

  def __call__(
    self, raw: Numbered, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    """Returns "ids", "length", "label" float32, "task" and "part" int32."""
    del generator
    return {
      **self.encoder.padded(raw.example.texts),
      "label": np.asarray(raw.example.label, np.float32),
      "task": np.asarray(raw.task, np.int32),
      "part": np.asarray(raw.part, np.int32),
    }


def parts_of(
  names: Sequence[str],
) -> list[tuple[glue_tasks.Task, glue_tasks.Part]]:
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
  return [(task, part) for task in found for part in task.parts]


def encoder(
  config: DataConfig, max_length: int, vocab_size: int
) -> texts.Encoder:
  """Returns what turns texts into ids of a model.

  Args:
    config: says whether they are bytes or pieces.
    max_length: the longest text that the model reads.
    vocab_size: of the model.

  Raises:
    files.InputError: if the model of the pieces cannot be used, or has another
      number of them.
  """
  tokenizer: tokenizers.Tokenizer = tokenizers.Bytes()
  if config.sentencepiece is not None:
    tokenizer = sentencepiece.load(config.sentencepiece)
  if tokenizer.vocab_size != vocab_size:
    what = config.sentencepiece or "the vocabulary of bytes"
    raise files.InputError(
      f"{what} has {tokenizer.vocab_size} tokens; expected the {vocab_size} of "
      "the model"
    )
  return texts.Encoder(tokenizer, max_length)


def splits(
  config: DataConfig, names: tuple[str, ...], encoding: texts.Encoder
) -> tuple[loader.Split, loader.Split]:
  """Returns all examples to learn from and all to judge by.

  Tasks are mixed in proportion to their numbers of examples. What was skipped
  or had to be cut is told on standard error, once.

  Args:
    config: which examples there are.
    names: of the model's tasks, in their order.
    encoding: how they become arrays.

  Raises:
    files.InputError: if a file or data set is missing or cannot be used.
  """
  train, dev = _tables(config, names, encoding)
  what = " ".join(names) if len(names) < 4 else f"{len(names)} tasks"
  arrays = Arrays(encoding)
  return (
    loader.Split(Mixed(train), arrays, f"{what} train"),
    loader.Split(Mixed(dev), arrays, f"{what} dev"),
  )


_Tables = list[tuple[int, int, tsv.Table]]


@functools.lru_cache(maxsize=2)
def _tables(
  config: DataConfig, names: tuple[str, ...], encoding: texts.Encoder
) -> tuple[_Tables, _Tables]:
  train: _Tables = []
  dev: _Tables = []
  with tempfile.TemporaryDirectory() as scratch:
    if config.source is Source.SYNTHETIC:
      synthetic_tables.write(pathlib.Path(scratch), config.synthetic, names)
    for number, name in enumerate(names):
      task = glue_tasks.TASKS[name]
      table = _read(config, task, None, pathlib.Path(scratch))
      train.append((number, 0, table))
    for number, (task, part) in enumerate(parts_of(names)):
      table = _read(config, task, part, pathlib.Path(scratch))
      dev.append((names.index(task.name), number, table))
  for _, _, table in (*train, *dev):
    tell(table, encoding)
  return train, dev


def read_test(
  config: DataConfig, task: glue_tasks.Task, part: glue_tasks.Part
) -> tsv.Table:
  """Reads a test set, all of it.

  Raises:
    files.InputError: if it is missing or cannot be used.
  """
  if config.source is Source.TFDS:
    table = tfds_tables.read(task, part.test_split, config.data_dir)
  elif config.source is Source.FILES:
    path = config.folder() / task.folder / part.test_file
    table = tsv.read(task, path, is_test=True)
  else:
    with tempfile.TemporaryDirectory() as scratch:
      synthetic_tables.write(
        pathlib.Path(scratch), config.synthetic, [task.name]
      )
      path = pathlib.Path(scratch) / task.folder / part.test_file
      return tsv.read(task, path, is_test=True)
  if not config.allow_partial:
    check_count(table, part.test_count)
  return table


def _read(
  config: DataConfig,
  task: glue_tasks.Task,
  part: glue_tasks.Part | None,
  scratch: pathlib.Path,
) -> tsv.Table:
  """Reads a development set, or the training set if `part` is None."""
  if config.source is Source.TFDS:
    split = part.dev_split if part else "train"
    table = tfds_tables.read(task, split, config.data_dir)
  else:
    is_synthetic = config.source is Source.SYNTHETIC
    file = part.dev_file if part else "train.tsv"
    folder = scratch if is_synthetic else config.folder()
    table = tsv.read(task, folder / task.folder / file, is_test=False)
    if is_synthetic:
      return table._replace(name=f"synthetic {task.folder}/{file}")
  if not config.allow_partial:
    check_count(table, part.dev_count if part else task.train_count)
  return table


def check_count(table: tsv.Table, expected: int | None) -> None:
  """Refuses a table that has not the official number of lines.

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


def tell(table: tsv.Table, encoding: texts.Encoder) -> None:
  """Says on standard error what was read, left out and cut."""
  cut = sum(encoding.is_cut(example.texts) for example in table.examples)
  line = (
    f"{table.name}: {len(table.examples):,} examples, {len(table.skipped)} "
    f"lines skipped, {cut} cut to {encoding.max_length} tokens"
  )
  shown = table.skipped[:_MAX_SHOWN]
  print("\n  ".join([line, *shown]), file=sys.stderr, flush=True)
