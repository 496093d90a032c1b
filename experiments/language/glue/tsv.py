"""Examples from the official files of GLUE, tab-separated and unquoted."""

from collections.abc import Sequence
import pathlib
from typing import NamedTuple

from experiments.data import files
from experiments.data import tables
from experiments.language.glue import glue_tasks

UNKNOWN = -1.0  # the label of an example of a test set


class Example(NamedTuple):
  """A sentence or a pair of them, and its label.

  `label` is the number of a class, a degree from 0 to 5, or `UNKNOWN`. `number`
  identifies the example to the test server.
  """

  texts: tuple[str, ...]
  label: float
  number: str


class Table(NamedTuple):
  """The examples of a file or a split."""

  name: str  # of the file or split, for messages
  examples: Sequence[Example]
  skipped: tuple[str, ...]  # position and reason of each line left out


class _BadLine(ValueError):
  """A line that is no example; the message gives the reason."""


def read(task: glue_tasks.Task, path: pathlib.Path, *, is_test: bool) -> Table:
  """Reads a file of a task.

  Quotation marks are ordinary characters. Lines of training and development
  files that are no examples (too few or too many columns, no UTF-8, an empty
  text, no label or "-") are left out and listed; in a test file, every line of
  which needs a prediction, they are errors.

  Args:
    task: defines the columns.
    path: the file.
    is_test: whether it is a test file, which has no labels but an index.

  Raises:
    files.InputError: if the file cannot be read, has no examples, lacks a
      column, or has a label that the task has not; names file and line.
  """
  lines = tables.read_lines(path, "surrogateescape")
  has_header = is_test or not task.headerless
  columns: Sequence[str] = task.headerless
  if has_header:
    columns = lines[0].split("\t") if lines else ()
  reader = _Reader(task, columns, path, is_test)
  examples: list[Example] = []
  skipped: list[str] = []
  for number, line in enumerate(lines[has_header:], 1 + has_header):
    try:
      examples.append(reader.example(line, number))
    except _BadLine as error:
      problem = f"{path}, line {number}: {error}"
      if is_test:
        raise files.InputError(problem) from error
      skipped.append(problem)
  if not examples:
    raise files.InputError(
      f"{path} has no examples among {len(lines)} lines"
      + "".join(f"; the first: {each}" for each in skipped[:1])
      + f" ({files.commonest(skipped)})" * bool(skipped)
    )
  return Table(str(path), examples, tuple(skipped))


def parse_label(task: glue_tasks.Task, text: str) -> float:
  """Returns the number of a class, or a degree.

  Raises:
    ValueError: if the task has no such label.
  """
  if task.classes:
    if text in task.classes:
      return float(task.classes.index(text))
    expected = f"one of {', '.join(task.classes)}"
  else:
    expected = f"a number from 0 to {glue_tasks.MAX_DEGREE:g}"
    try:
      if 0 <= (degree := float(text)) <= glue_tasks.MAX_DEGREE:
        return degree
    except ValueError:
      pass  # refused below, as a number out of range is
  raise ValueError(f"{task.label} is {text!r}; expected {expected}")


class _Reader:
  """Turns lines of one file into examples."""

  def __init__(
    self,
    task: glue_tasks.Task,
    columns: Sequence[str],
    path: pathlib.Path,
    is_test: bool,
  ) -> None:
    self._task, self._path, self._is_test = task, path, is_test
    self._columns = tables.columns(columns)
    needed = (*task.texts, task.test_index if is_test else task.label)
    *self._texts, self._last = tables.columns(needed)
    missing = [
      name
      for name, column in zip(needed, (*self._texts, self._last))
      if column not in self._columns
    ]
    if missing:
      raise files.InputError(
        f"{path}, line 1: there is no column {', '.join(map(repr, missing))}, "
        f"only {', '.join(map(repr, columns))}"
      )

  def example(self, line: str, number: int) -> Example:
    """Returns the example of a line.

    Raises:
      _BadLine: if it is none.
      files.InputError: if the label is not one of the task's.
    """
    try:
      line.encode()
    except UnicodeEncodeError as error:
      raise _BadLine("it is not UTF-8") from error
    fields = line.split("\t")
    if len(fields) != len(self._columns):
      raise _BadLine(
        f"it has {len(fields)} columns; expected {len(self._columns)}"
      )
    row = dict(zip(self._columns, fields))
    texts = tuple(row[name] for name in self._texts)
    if self._is_test:
      return Example(texts, UNKNOWN, row[self._last])
    if not all(text.strip() for text in texts):
      raise _BadLine("a text is empty")
    label_text = row[self._last].strip()
    if label_text in ("", "-"):
      raise _BadLine("it has no label")
    try:
      label = parse_label(self._task, label_text)
    except ValueError as error:
      line = f"{self._path}, line {number}"
      raise files.InputError(f"{line}: {error}") from error
    return Example(texts, label, str(number))
