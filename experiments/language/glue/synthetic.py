"""Synthetic files in the official layout of GLUE, by rules that can be learned.

  python -m experiments.prepare glue DIR

Sentences are consecutive words of the prose that ships with Python, into which
the rules put words that occur nowhere else:

  CoLA    whether the words are spelt right, or their letters are shuffled
  SST-2   whether there is a word of praise or of blame
  MRPC    whether both texts name things of one kind
  STS-B   how many of five words of the second text are praise, not blame
  QQP     whether both questions begin with the same word
  MNLI    whether the second text has "also", "perhaps" or "never"
  QNLI    whether the text has a word of the kind that the question names
  RTE     whether the second text has "also" or "never"
  WNLI    the same with other words
"""

from collections.abc import Callable, Sequence
import dataclasses
import functools
import pathlib
import re
from typing import Annotated
import zlib

import numpy as np
import tyro

from experiments.data import files
from experiments.data import python_topics
from experiments.language.glue import glue_tasks
from perceiver import bounds

_GOOD = ("useful", "simple", "correct", "valid", "complete", "safe")
_BAD = ("invalid", "missing", "wrong", "empty", "illegal", "broken")
_KINDS = (("list", "tuple", "dictionary"), ("module", "class", "function"))
_QUESTIONS = ("how", "when")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
  """Numbers of synthetic examples of each task.

  Attributes:
    train: examples of the training set.
    dev: examples of each development set.
    test: examples of each test set, without labels.
    words: words of the prose in a text.
    seed: decides all of them.
  """

  train: int = 2000
  dev: int = 200
  test: int = 50
  words: int = 5
  seed: int = 0

  def __post_init__(self) -> None:
    counts = dict.fromkeys(("train", "dev", "test", "words"), "[2, inf)")
    bounds.check_ranges(self, **counts)


def write(
  folder: pathlib.Path,
  config: SyntheticConfig,
  names: Sequence[str] = tuple(glue_tasks.TASKS),
) -> None:
  """Writes FOLDER/CoLA/train.tsv and so on for some tasks.

  Raises:
    files.InputError: if nothing can be written there.
  """
  for name in names:
    task = glue_tasks.TASKS[name]
    suffixes = [split.suffix for split in task.eval_splits]
    parts = [f"{part}{end}" for part in ("dev", "test") for end in suffixes]
    for part in ("train", *parts):
      write_file(folder / task.folder / f"{part}.tsv", config, task)
    if name == "mnli":
      diagnostic = glue_tasks.AX
      file = folder / diagnostic.folder / str(diagnostic.test_file)
      write_file(file, config, diagnostic)


def write_file(
  path: pathlib.Path, config: SyntheticConfig, task: glue_tasks.Task
) -> None:
  """Writes a file of a task, all labels in turn.

  Args:
    path: its name begins with train, dev or test; development and test
      sentences are from other topics than training sentences.
    config: numbers, length and seed.
    task: the task, which has a rule.

  Raises:
    files.InputError: if it cannot be written.
  """
  part = "test" if task.test_file else re.split(r"[._]", path.name)[0]
  columns = task.headerless or ("index", *task.texts, task.label)
  if part == "test":
    columns = (task.test_index, *task.texts)
  has_header = part == "test" or not task.headerless
  lines = ["\t".join(columns)] * has_header
  stream = zlib.crc32(f"{task.folder}/{path.name}".encode())
  generator = np.random.default_rng([config.seed, stream])
  prose = _Prose(generator, prose_words(part != "train"), config.words)
  for number in range(getattr(config, part)):
    choice = number % (len(task.classes) or 6)
    row = dict(zip(task.texts, _RULES[task.name](prose, choice)))
    row[task.label] = task.classes[choice] if task.classes else f"{choice:.3f}"
    row[task.test_index] = str(number)
    lines.append("\t".join(row.get(name, "-") for name in columns))
  files.write_text(path, "\n".join(lines) + "\n")


@dataclasses.dataclass(frozen=True)
class _Prose:
  """Samples consecutive words, and words of the rules."""

  generator: np.random.Generator
  words: tuple[str, ...]
  length: int  # of a row

  def number(self, end: int) -> int:
    return int(self.generator.integers(end))

  def pick(self, choices: Sequence[str]) -> str:
    return choices[self.number(len(choices))]

  def pair(self, same: bool) -> tuple[int, int]:
    """Returns 0 or 1 twice, or one and the other."""
    first = self.number(2)
    return first, first if same else 1 - first

  def row(self) -> list[str]:
    start = self.number(len(self.words) - self.length)
    return list(self.words[start : start + self.length])

  def text(self) -> str:
    return " ".join(self.row())

  def with_word(self, word: str) -> str:
    """Returns a row with a word inserted at a random position."""
    row = self.row()
    row.insert(self.number(len(row) + 1), word)
    return " ".join(row)

  def shuffled(self, items: Sequence[str]) -> list[str]:
    """Returns the same in another order."""
    if len(set(items)) == 1:
      return list(items)
    while True:
      order = self.generator.permutation(len(items))
      if (found := [items[i] for i in order]) != list(items):
        return found


_Rule = Callable[[_Prose, int], tuple[str, ...]]


def _spelling(prose: _Prose, choice: int) -> tuple[str, ...]:
  row = prose.row()
  if not choice:
    row = ["".join(prose.shuffled(word)) for word in row]
  return (" ".join(row),)


def _praise(prose: _Prose, choice: int) -> tuple[str, ...]:
  return (prose.with_word(prose.pick(_GOOD if choice else _BAD)),)


def _same_kind(prose: _Prose, choice: int) -> tuple[str, ...]:
  kinds = prose.pair(bool(choice))
  return tuple(prose.with_word(prose.pick(_KINDS[kind])) for kind in kinds)


def _same_question(prose: _Prose, choice: int) -> tuple[str, ...]:
  words = [_QUESTIONS[number] for number in prose.pair(bool(choice))]
  return tuple(f"{word} {prose.text()}" for word in words)


def _question_and_kind(prose: _Prose, choice: int) -> tuple[str, ...]:
  expected, kind = prose.pair(not choice)
  question = f"{('what container', 'what code')[expected]} is it"
  return question, prose.with_word(prose.pick(_KINDS[kind]))


def _degree(prose: _Prose, choice: int) -> tuple[str, ...]:
  good = [prose.pick(_GOOD) for _ in range(choice)]
  bad = [prose.pick(_BAD) for _ in range(5 - choice)]
  return prose.text(), " ".join(prose.shuffled([*good, *bad]))


def _marked(*words: str) -> _Rule:
  return lambda prose, choice: (prose.text(), prose.with_word(words[choice]))


_RULES: dict[str, _Rule] = {
  "cola": _spelling,
  "sst2": _praise,
  "mrpc": _same_kind,
  "stsb": _degree,
  "qqp": _same_question,
  "mnli": _marked("also", "perhaps", "never"),
  "qnli": _question_and_kind,
  "rte": _marked("also", "never"),
  "ax": _marked("also", "perhaps", "never"),
  "wnli": _marked("without", "with"),
  **dict.fromkeys(glue_tasks.RATED, lambda p, choice: _degree(p, choice)[1:]),
}


@functools.cache
def prose_words(held_out: bool) -> tuple[str, ...]:
  """Returns the prose's words without the rules' own, in lower case."""
  text = b" ".join(python_topics.documents(held_out)).decode("utf-8").lower()
  own = {*_GOOD, *_BAD, *_KINDS[0], *_KINDS[1], *_QUESTIONS}
  own |= {"also", "perhaps", "never", "with", "without"}
  return tuple(w for w in re.findall(r"[a-z]+", text) if w not in own)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WriteConfig:
  """Writes synthetic tables in the official layout of GLUE.

  Attributes:
    folder: of the tables.
    examples: how many there are, and of what.
  """

  folder: tyro.conf.Positional[pathlib.Path]
  examples: Annotated[SyntheticConfig, tyro.conf.arg(name="")] = (
    SyntheticConfig()
  )


def run(config: WriteConfig) -> None:
  """Runs the command `prepare glue`.

  Raises:
    files.InputError: if a file cannot be written.
  """
  write(config.folder, config.examples)
  print(f"{config.folder}: {len(glue_tasks.TASKS)} tasks")
