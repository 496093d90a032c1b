"""Training and development sets of a model's tasks."""

from collections.abc import Sequence
import dataclasses
import enum
import functools
import pathlib
import sys
import tempfile
from typing import NamedTuple

import numpy as np

from experiments.cli import paths
from experiments.data import files
from experiments.data import loader
from experiments.data import sources as data_sources
from experiments.language.glue import glue_tasks
from experiments.language.glue import synthetic as synthetic_tables
from experiments.language.glue import texts
from experiments.language.glue import tfds_tables
from experiments.language.glue import tsv
from experiments.language.text import sentencepiece

_MAX_SHOWN = 3  # skipped lines of a file


class Kind(enum.Enum):
  """The kind of examples.

  FILES: the official folders, CoLA/train.tsv and so on. TFDS: data sets
  "glue/cola" and so on that TensorFlow Datasets has prepared. SYNTHETIC: made
  by the rules of `synthetic`.
  """

  FILES = "files"
  TFDS = "glue"
  SYNTHETIC = "synthetic"


@dataclasses.dataclass(frozen=True)
class Source(data_sources.Source):
  """The examples, whose path is the folder of the tasks or of data sets."""

  kind: Kind
  of_path = Kind.FILES
  needs_path = (Kind.FILES,)
  takes_path = (Kind.TFDS,)
  advice = (
    "The tasks' folders, CoLA and so on, are at https://gluebenchmark.com."
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """The examples of the tasks.

  Attributes:
    source: the source of the examples.
    sentencepiece_model: the file of a SentencePiece model; None for bytes.
    allow_partial: skip the comparison with the official numbers of examples.
    synthetic: numbers and lengths of synthetic examples.
  """

  source: Source = Source(Kind.TFDS)
  sentencepiece_model: paths.Fetched | None = None
  allow_partial: bool = False
  synthetic: synthetic_tables.SyntheticConfig = (
    synthetic_tables.SyntheticConfig()
  )


class TaskExample(NamedTuple):
  """An example, the number of its task, and that of its development set."""

  example: tsv.Example
  task: int
  eval_split: int


@dataclasses.dataclass(frozen=True)
class Transform:
  """Turns an example into arrays; nothing is random."""

  encoder: texts.Encoder

  def __call__(
    self, raw: TaskExample, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    """Returns the text's, "label" float32, "task" and "eval_split" int32."""
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
  unknown = sorted(set(names) - set(glue_tasks.ALL))
  if unknown:
    raise ValueError(f"There is no task {unknown}, only {list(glue_tasks.ALL)}")
  found = [glue_tasks.ALL[name] for name in names]
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


@functools.lru_cache(maxsize=2)
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
  train: list[TaskExample] = []
  for number, name in enumerate(names):
    task = glue_tasks.ALL[name]
    table = _read(config, task, "train", task.train_count, encoding)
    train += (TaskExample(example, number, 0) for example in table.examples)
  dev: list[TaskExample] = []
  for number, (task, split) in enumerate(eval_splits(names)):
    part = f"dev{split.suffix}"
    table = _read(config, task, part, split.dev_count, encoding)
    index = names.index(task.name)
    dev += (TaskExample(example, index, number) for example in table.examples)
  transform = Transform(encoding)
  return (
    loader.Split(train, transform, split_name(config, names, "train")),
    loader.Split(dev, transform, split_name(config, names, "dev")),
  )


def split_name(config: DataConfig, names: Sequence[str], part: str) -> str:
  """Returns the name of a part of some tasks, of GLUE or synthetic."""
  label = " ".join(names) if len(names) < 4 else f"{len(names)} tasks"
  is_synthetic = config.source.is_synthetic
  dataset = "rated" if set(names) <= set(glue_tasks.RATED) else "glue"
  return loader.split_name(
    "synthetic" if is_synthetic else dataset,
    f"{label} {part}",
    official=is_synthetic or not config.allow_partial,
  )


def read_test(
  config: DataConfig,
  task: glue_tasks.Task,
  split: glue_tasks.EvalSplit,
  encoding: texts.Encoder,
) -> tsv.Table:
  """Reads a test set, all of it.

  Raises:
    files.InputError: if it is missing or cannot be used.
  """
  part = f"test{split.suffix}"
  return _read(config, task, part, split.test_count, encoding)


def _read(
  config: DataConfig,
  task: glue_tasks.Task,
  part: str,
  count: int | None,
  encoding: texts.Encoder,
) -> tsv.Table:
  """Reads and reports a part of a task, such as "dev", of `count` examples."""
  is_test, file = part.startswith("test"), task.test_file or f"{part}.tsv"
  if config.source.is_synthetic:
    with tempfile.TemporaryDirectory() as scratch:
      path = pathlib.Path(scratch) / file
      synthetic_tables.write_file(path, config.synthetic, task)
      table = tsv.read(task, path, is_test=is_test)
    table = table._replace(name=f"synthetic {task.folder}/{file}")
  elif config.source.kind is Kind.TFDS:
    split = part.replace("dev", "validation")
    table = tfds_tables.read(task, split, config.source.path)
  else:
    path = config.source.folder() / task.folder / file
    table = tsv.read(task, path, is_test=is_test)
  found = len(table.examples) + len(table.skipped)
  is_checked = not config.source.is_synthetic and count is not None
  if is_checked and not config.allow_partial and found != count:
    raise files.InputError(
      f"{table.name} has {found:,} examples where the official data set has "
      f"{count:,}; set data.allow_partial to use it as it is"
    )
  _report(table, encoding)
  return table


def _report(table: tsv.Table, encoding: texts.Encoder) -> None:
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
