"""Documents from a folder of text files and JSON-lines files.

A .txt file is one document; every line of a .jsonl file is an object with the
entry "text", which is one. Texts stay on disk until they are read.
"""

import codecs
from collections.abc import Iterator, Sequence
import dataclasses
import json
import pathlib
import sys
from typing import Any, NamedTuple
import zlib

from experiments.data import files

_HELD_OUT_ONE_OF = 20


class Location(NamedTuple):
  """A document's bytes within a file."""

  path: pathlib.Path
  line: int  # counted from 1
  start: int
  end: int

  def describe(self) -> str:
    """Returns FILE, line LINE."""
    return f"{self.path}, line {self.line}"


@dataclasses.dataclass(frozen=True)
class TextFiles(Sequence[bytes]):
  """Documents of a folder, in UTF-8."""

  locations: tuple[Location, ...]

  def __len__(self) -> int:
    return len(self.locations)

  def __getitem__(self, index: Any) -> Any:
    location = self.locations[index]
    with location.path.open("rb") as file:
      file.seek(location.start)
      return _text(location, file.read(location.end - location.start))


def read(folder: pathlib.Path) -> tuple[TextFiles, TextFiles]:
  """Finds all documents below a folder, checks them and divides them.

  One in twenty, chosen by a checksum of its text, is held out, so that equal
  documents are on the same side. Empty documents are left out, and their number
  is printed.

  Returns:
    Documents for training, and documents for evaluation.

  Raises:
    FileNotFoundError: if there is no such folder.
    files.InputError: naming file and line, if something is no UTF-8, no JSON or
      has no "text", or there are no documents on one of the sides.
  """
  if not folder.is_dir():
    raise FileNotFoundError(
      f"There is no folder {folder}; expected one of .txt and .jsonl files."
    )
  sides: tuple[list[Location], list[Location]] = ([], [])
  empty = []
  for path in files.list_files(folder, "*.txt", "*.jsonl", recursive=True):
    for location, text in _documents(path):
      if not text.strip():
        empty.append(location)
      else:
        sides[zlib.crc32(text) % _HELD_OUT_ONE_OF == 0].append(location)
  count = sum(map(len, sides))
  if empty:
    print(
      f"{folder}: skipped {len(empty)} of {count + len(empty)} documents, "
      f"which are empty; the first is {empty[0].describe()}",
      file=sys.stderr,
    )
  if not all(sides):
    raise files.InputError(
      f"{folder} has {count} documents in .txt and .jsonl files, and "
      f"{len(sides[1])} of them, one in {_HELD_OUT_ONE_OF} by its text, are "
      "held out; expected some on both sides"
    )
  return TextFiles(tuple(sides[0])), TextFiles(tuple(sides[1]))


def _documents(path: pathlib.Path) -> Iterator[tuple[Location, bytes]]:
  """Yields the documents of a .txt or .jsonl file."""
  content = files.read_bytes(path)
  start = len(codecs.BOM_UTF8) * content.startswith(codecs.BOM_UTF8)
  content = content[start:]
  if path.suffix.lower() == ".txt":
    location = Location(path, 1, start, start + len(content))
    yield location, _text(location, content)
    return
  for number, line in enumerate(content.splitlines(keepends=True), 1):
    location = Location(path, number, start, start + len(line))
    yield location, _text(location, line)
    start += len(line)


def _text(location: Location, content: bytes) -> bytes:
  """Returns the text of a document, in UTF-8."""
  try:
    content.decode("utf-8")
  except UnicodeDecodeError as error:
    line = location.line + content.count(b"\n", 0, error.start)
    raise files.InputError(
      f"{location.path}, line {line}: byte 0x{content[error.start]:02x} is not "
      f"UTF-8 ({error.reason})"
    ) from error
  if location.path.suffix.lower() == ".txt" or not content.strip():
    return content
  try:
    row = json.loads(content)
  except (RecursionError, ValueError) as error:
    raise files.InputError(
      f"{location.describe()} is not JSON: {error}"
    ) from error
  if not isinstance(row, dict) or not isinstance(row.get("text"), str):
    raise files.InputError(
      f"{location.describe()} is {content[:40]!r}…; expected an object whose "
      '"text" is a string'
    )
  try:
    return row["text"].encode("utf-8")
  except UnicodeEncodeError as error:
    raise files.InputError(
      f'{location.describe()}: "text" has half of a surrogate pair, which has '
      "no bytes in UTF-8"
    ) from error
