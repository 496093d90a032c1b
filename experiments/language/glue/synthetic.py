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
import itertools
import pathlib
import re
from typing import Annotated
import zlib

import numpy as np
import tyro

from experiments.data import files
from experiments.language.glue import glue_tasks
from experiments.language.text import topics

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
    for name in ("train", "dev", "test", "words"):
      if getattr(self, name) < 2:
        raise ValueError(
          f"SyntheticConfig: {name} is {getattr(self, name)}; expected at "
          "least 2"
        )


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
    splits = [(split.dev_file, split.test_file) for split in task.eval_splits]
    for file in ("train.tsv", *itertools.chain(*splits)):
      write_file(folder / task.folder / file, config, task)


def write_file(
  path: pathlib.Path, config: SyntheticConfig, task: glue_tasks.Task
) -> None:
  """Writes a file of a task; its name begins with train, dev or test.

  Raises:
    files.InputError: if it cannot be written.
  """
  kind = re.split(r"[._]", path.name)[0]
  is_test = kind == "test"
  columns = _columns(task, is_test)
  headerless = not is_test and task.headerless
  lines = [] if headerless else ["\t".join(columns)]
  found = examples(config, task, path.name, getattr(config, kind))
  for number, (texts, label) in enumerate(found):
    row = dict(zip(task.texts, texts)) | {task.label: label}
    row |= {task.test_index: str(number)}
    lines.append("\t".join(row.get(name, "-") for name in columns))
  files.write_text(path, "\n".join(lines) + "\n")


def _columns(task: glue_tasks.Task, is_test: bool) -> tuple[str, ...]:
  if is_test:
    return (task.test_index, *task.texts)
  return task.headerless or ("index", *task.texts, task.label)


def examples(
  config: SyntheticConfig, task: glue_tasks.Task, file: str, count: int
) -> list[tuple[tuple[str, ...], str]]:
  """Returns texts and labels, all labels in turn.

  Args:
    config: gives seed and length.
    task: the task, which has a rule.
    file: the name of the file; development and test sentences are from other
      topics than training sentences.
    count: number of examples.
  """
  stream = zlib.crc32(f"{task.folder}/{file}".encode())
  generator = np.random.default_rng([config.seed, stream])
  held_out = file != "train.tsv"
  prose = _Prose(generator, held_out, config.words)
  rule = _RULES[task.name]
  found = []
  for number in range(count):
    choice = number % (len(task.classes) or 6)
    label = task.classes[choice] if task.classes else f"{choice:.3f}"
    found.append((rule(prose, choice), label))
  return found


class _Prose:
  """Samples consecutive words, and words of the rules."""

  def __init__(
    self, generator: np.random.Generator, held_out: bool, words: int
  ) -> None:
    self._generator, self._words = generator, words
    self._prose = prose_words(held_out)

  def row(self) -> list[str]:
    """Returns some consecutive words of the prose."""
    last = len(self._prose) - self._words
    start = int(self._generator.integers(last))
    return list(self._prose[start : start + self._words])

  def pick(self, choices: Sequence[str]) -> str:
    """Returns a random word of some."""
    return choices[int(self._generator.integers(len(choices)))]

  def number(self, end: int) -> int:
    """Returns a random number from 0 to `end` - 1."""
    return int(self._generator.integers(end))

  def shuffled(self, items: Sequence[str]) -> list[str]:
    """Returns the same in another order."""
    if len(set(items)) == 1:
      return list(items)
    while True:
      order = self._generator.permutation(len(items))
      if (found := [items[i] for i in order]) != list(items):
        return found

  def with_word(self, word: str) -> str:
    """Returns a row with a word inserted at a random position."""
    row = self.row()
    row.insert(self.number(len(row) + 1), word)
    return " ".join(row)


def _spelling(prose: _Prose, choice: int) -> tuple[str, ...]:
  row = prose.row()
  if not choice:
    row = ["".join(prose.shuffled(word)) for word in row]
  return (" ".join(row),)


def _praise(prose: _Prose, choice: int) -> tuple[str, ...]:
  return (prose.with_word(prose.pick(_GOOD if choice else _BAD)),)


def _same_kind(prose: _Prose, choice: int) -> tuple[str, ...]:
  first = prose.number(2)
  second = first if choice else 1 - first
  return tuple(prose.with_word(prose.pick(_KINDS[k])) for k in (first, second))


def _same_question(prose: _Prose, choice: int) -> tuple[str, ...]:
  first = prose.number(2)
  second = first if choice else 1 - first
  return tuple(" ".join([_QUESTIONS[k], *prose.row()]) for k in (first, second))


def _question_and_kind(prose: _Prose, choice: int) -> tuple[str, ...]:
  expected = prose.number(2)
  kind = expected if choice == 0 else 1 - expected
  question = f"{('what container', 'what code')[expected]} is it"
  return question, prose.with_word(prose.pick(_KINDS[kind]))


def _degree(prose: _Prose, choice: int) -> tuple[str, ...]:
  good = [prose.pick(_GOOD) for _ in range(choice)]
  bad = [prose.pick(_BAD) for _ in range(5 - choice)]
  return " ".join(prose.row()), " ".join(prose.shuffled([*good, *bad]))


def _with_marker(
  prose: _Prose, choice: int, words: Sequence[str]
) -> tuple[str, ...]:
  return " ".join(prose.row()), prose.with_word(words[choice])


_RULES: dict[str, Callable[[_Prose, int], tuple[str, ...]]] = {
  "cola": _spelling,
  "sst2": _praise,
  "mrpc": _same_kind,
  "stsb": _degree,
  "qqp": _same_question,
  "mnli": functools.partial(_with_marker, words=("also", "perhaps", "never")),
  "qnli": _question_and_kind,
  "rte": functools.partial(_with_marker, words=("also", "never")),
  "wnli": functools.partial(_with_marker, words=("without", "with")),
}


@functools.cache
def prose_words(held_out: bool) -> tuple[str, ...]:
  """Returns the prose's words without the rules' own, in lower case."""
  text = b" ".join(topics.documents(held_out)).decode("utf-8").lower()
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
