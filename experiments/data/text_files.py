"""Documents from text files and JSON-lines files, or a folder of them.

Every line of a .jsonl file is an object with the entry "text", which is one
document; any other file is one. Texts stay on disk until they are read.
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
  first: int = 0  # and last byte of its text that count
  last: int | None = None

  def describe(self) -> str:
    """Returns FILE, line LINE."""
    return f"{self.path}, line {self.line}"


@dataclasses.dataclass(frozen=True)
class TextFiles(Sequence[bytes]):
  """Documents, in UTF-8."""

  locations: tuple[Location, ...]

  def __len__(self) -> int:
    return len(self.locations)

  def __getitem__(self, index: Any) -> Any:
    location = self.locations[index]
    with location.path.open("rb") as file:
      file.seek(location.start)
      content = file.read(location.end - location.start)
    return _text(location, content)[location.first : location.last]


def read(folder: pathlib.Path) -> tuple[TextFiles, TextFiles]:
  """Finds all documents below a folder, checks them and divides them.

  One in twenty, chosen by a checksum of its text, is held out, so that equal
  documents are on the same side. Of so few documents that a side gets none, the
  last twentieth of each is held out. Empty documents are left out, and their
  number is printed.

  Args:
    folder: of .txt and .jsonl files, or one file.

  Returns:
    Documents for training, and documents for evaluation.

  Raises:
    FileNotFoundError: if there is no such folder.
    files.InputError: naming file and line, if something is no UTF-8, no JSON or
      has no "text", or there are no documents, or none long enough.
  """
  if not folder.exists():
    raise FileNotFoundError(
      f"There is no folder {folder}; expected one of .txt and .jsonl files, or "
      "such a file."
    )
  sides: tuple[list[Location], list[Location]] = ([], [])
  empty = []
  paths = [folder]
  if folder.is_dir():
    paths = files.list_files(folder, "*.txt", "*.jsonl", recursive=True)
  for path in paths:
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
  if count and not all(sides):
    sides = _divided(TextFiles((*sides[0], *sides[1])))
    print(
      f"{folder}: too few documents, {count}, to hold out whole ones: the last "
      f"{_HELD_OUT_ONE_OF}th of each is held out",
      file=sys.stderr,
    )
  if not all(sides):
    raise files.InputError(
      f"{folder} has {count} documents in .txt and .jsonl files, none of them "
      "long enough to hold out a part; expected more text"
    )
  return TextFiles(tuple(sides[0])), TextFiles(tuple(sides[1]))


def _divided(documents: TextFiles) -> tuple[list[Location], list[Location]]:
  """Divides every document into its beginning and its end, between words."""
  sides: tuple[list[Location], list[Location]] = ([], [])
  for location, text in zip(documents.locations, documents):
    length = len(text) // _HELD_OUT_ONE_OF
    at = len(text) - length - 1
    low = max(0, at - length - 8)
    ends = (text.rfind(sign, low, at) for sign in (b" ", b"\n"))
    at = max(ends) + 1 or at
    while at < len(text) and text[at] & 0xC0 == 0x80:  # within a character
      at += 1
    for side, first, last in zip(sides, (0, at), (at, None)):
      if text[first:last].strip():
        side.append(location._replace(first=first, last=last))
  return sides


def _documents(path: pathlib.Path) -> Iterator[tuple[Location, bytes]]:
  """Yields the documents of a .txt or .jsonl file."""
  content = files.read_bytes(path)
  start = len(codecs.BOM_UTF8) * content.startswith(codecs.BOM_UTF8)
  content = content[start:]
  if path.suffix.lower() != ".jsonl":
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
  if location.path.suffix.lower() != ".jsonl" or not content.strip():
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
