"""Documents in files, found through an index that is mapped into memory.

An index costs 48 bytes of disk per document, and no process more memory than
it reads of it. It is in a temporary folder, together with what compressed files
hold, and both end with the process that made them.
"""

import array
from collections.abc import Iterator, Sequence
import functools
import gzip
import json
import pathlib
import re
import shutil
import sys
import tempfile
from types import TracebackType
from typing import Any, NamedTuple
import zlib

import numpy as np

from experiments.data import files
from perceiver import errors

_COLUMNS = 6
_SPACE = re.compile(r"\s*")
_AT_ONCE = 1 << 16  # numbers that are held back


class File(NamedTuple):
  """A file of documents."""

  path: pathlib.Path  # as it is named in messages
  content: pathlib.Path  # what it holds, uncompressed
  is_json: bool


class Location(NamedTuple):
  """A document's bytes within a file."""

  file: int  # its number
  line: int  # counted from 1
  start: int
  end: int
  first: int = 0  # and last byte of its text that count
  last: int = sys.maxsize


class Documents(Sequence[bytes]):
  """Documents, in UTF-8; they survive pickling while their index exists."""

  def __init__(self, opened: Sequence[File], index: pathlib.Path) -> None:
    """Opens an index.

    Args:
      opened: the files, by number.
      index: `Location`s, _COLUMNS numbers of 64 bits each.
    """
    self.files, self._path = tuple(opened), index

  def __reduce__(self) -> tuple[Any, ...]:
    return Documents, (self.files, self._path)

  @functools.cached_property
  def _rows(self) -> np.ndarray:  # [documents, columns] int64
    if not self._path.stat().st_size:
      return np.zeros((0, _COLUMNS), np.int64)
    return np.memmap(self._path, np.int64, "r").reshape(-1, _COLUMNS)

  def __len__(self) -> int:
    return len(self._rows)

  def location(self, index: Any) -> Location:
    """Returns a document's bytes within its file."""
    return Location(*map(int, self._rows[index]))

  def describe(self, index: int) -> str:
    """Returns FILE, line LINE of a document."""
    found = self.location(index)
    return f"{self.files[found.file].path}, line {found.line}"

  def __getitem__(self, index: Any) -> Any:
    if not -len(self) <= index < len(self):
      raise IndexError(index)
    found = self.location(index)
    file = self.files[found.file]
    with file.content.open("rb") as stream:
      stream.seek(found.start)
      content = stream.read(found.end - found.start)
    return to_text(file, found.line, content)[found.first : found.last]


class Writer:
  """Writes an index, as a context."""

  def __init__(self) -> None:
    self._rows = array.array("q")

  def __enter__(self) -> "Writer":
    with tempfile.NamedTemporaryFile(dir=_scratch(), delete=False) as file:
      self._path = pathlib.Path(file.name)
    self._stream = self._path.open("wb")
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
  ) -> None:
    with self._stream:
      if error is None:
        self._rows.tofile(self._stream)

  def add(self, location: Location) -> None:
    """Adds a document."""
    self._rows.extend(location)
    if len(self._rows) >= _AT_ONCE:
      self._rows.tofile(self._stream)
      del self._rows[:]

  def documents(self, opened: Sequence[File]) -> Documents:
    """Returns the documents, once the context has ended."""
    return Documents(opened, self._path)


@functools.cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
  return tempfile.TemporaryDirectory(prefix="perceiver_texts_")


def _scratch() -> pathlib.Path:
  """Returns the temporary folder of this process."""
  return pathlib.Path(_folder().name)


def unpacked(path: pathlib.Path) -> pathlib.Path:
  """Decompresses a .gz file into the temporary folder.

  Raises:
    files.InputError: if it is damaged, or there is no room.
  """
  with tempfile.NamedTemporaryFile(dir=_scratch(), delete=False) as target:
    try:
      with gzip.open(path) as source:
        shutil.copyfileobj(source, target)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
      raise files.InputError(f"{path} is damaged: {error}") from error
    except OSError as error:
      raise files.InputError(
        f"{path} cannot be unpacked into {_scratch()}: {errors.reason(error)}. "
        "TMPDIR names another folder for it"
      ) from error
    return pathlib.Path(target.name)


def to_text(file: File, line: int, content: bytes) -> bytes:
  """Returns the text of a document, in UTF-8.

  Args:
    file: of the document.
    line: its line, counted from 1.
    content: its bytes in the file.

  Raises:
    files.InputError: naming file and line, if it is no UTF-8, no JSON or has
      no "text".
  """
  try:
    content.decode("utf-8")
  except UnicodeDecodeError as error:
    line += content.count(b"\n", 0, error.start)
    raise files.InputError(
      f"{file.path}, line {line}: byte 0x{content[error.start]:02x} is not "
      f"UTF-8 ({error.reason})"
    ) from error
  if not file.is_json or not content.strip():
    return content
  where = f"{file.path}, line {line}"
  try:
    row = json.loads(content)
  except (RecursionError, ValueError) as error:
    raise files.InputError(f"{where} is not JSON: {error}") from error
  if not isinstance(row, dict) or not isinstance(row.get("text"), str):
    raise files.InputError(
      f"{where} is {content[:40]!r}…; expected an object whose "
      '"text" is a string'
    )
  try:
    return row["text"].encode("utf-8")
  except UnicodeEncodeError as error:
    raise files.InputError(
      f'{where}: "text" has half of a surrogate pair, which has no bytes in '
      "UTF-8"
    ) from error


def json_values(text: str) -> Iterator[tuple[int, int]]:
  """Yields first and last character of the values of an array of JSON.

  Raises:
    ValueError: if it is none.
  """
  decoder = json.JSONDecoder()
  after_space = lambda at: _SPACE.match(text, at).end()  # type: ignore[union-attr]
  at = after_space(0)
  if text[at : at + 1] != "[":
    raise ValueError("no array")
  while True:
    start = after_space(at + 1)
    _, end = decoder.raw_decode(text, start)
    yield start, end
    at = after_space(end)
    if text[at : at + 1] != ",":
      break
  if text[at:].strip() != "]":
    raise ValueError("the array does not end")
