"""Documents from text and JSON files, or a folder of them.

A .txt file is one document. Every line of a .jsonl file is an object with the
entry "text", which is one. A .json file is written like that too, or is one
such object, or an array of them. Each may be compressed, with .gz after its
name. Texts stay on disk until they are read.
"""

import codecs
from collections.abc import Callable, Generator, Iterator
import contextlib
import json
import pathlib
import sys
import zlib

from experiments.data import files
from experiments.data import text_index

_SUFFIXES = (".txt", ".jsonl", ".json")
_PATTERNS = [f"*{x}{gz}" for x in _SUFFIXES for gz in ("", ".gz")]
_EXPECTED = ".txt, .jsonl and .json files, also with .gz"
_HELD_OUT_ONE_OF = 20
# Of fewer, one in twenty would be none, or by chance one that is not like them.
_FEWEST_WHOLE = 2 * _HELD_OUT_ONE_OF
_MOST_NAMED = 5

Documents = text_index.Documents
# Line, start, end and text of a document.
_Found = tuple[int, int, int, bytes]


class _NoDocumentsError(Exception):
  """A .json file holds something else, such as the settings of a program."""


def read(folder: pathlib.Path) -> tuple[Documents, Documents]:
  """Finds all documents below a folder, checks them and divides them.

  One in twenty, chosen by a checksum of its text, is held out, so that equal
  documents are on the same side. Of fewer than forty, or if a side got none,
  the last twentieth of each is held out. Empty documents and other files are
  left out, and their numbers are printed.

  Args:
    folder: of .txt, .jsonl and .json files, or one file.

  Returns:
    Documents for training, and documents for evaluation.

  Raises:
    FileNotFoundError: if there is no such folder.
    files.InputError: naming file and line, if something is no UTF-8, no JSON or
      has no "text", or there are no documents, or none long enough.
  """
  is_held_out = lambda text: zlib.crc32(text) % _HELD_OUT_ONE_OF == 0
  train, held_out = _scan(folder, is_held_out)
  count = len(train) + len(held_out)
  if count and (count < _FEWEST_WHOLE or not train or not held_out):
    train, held_out = _divided(train, held_out)
    print(
      f"{folder}: too few documents, {count}, to hold out whole ones: the last "
      f"{_HELD_OUT_ONE_OF}th of each is held out",
      file=sys.stderr,
    )
  if not train or not held_out:
    raise files.InputError(
      f"{folder} has {count} documents in {_EXPECTED}, none of them long "
      "enough to hold out a part; expected more text"
    )
  return train, held_out


def read_all(folder: pathlib.Path) -> Documents:
  """Finds and checks all documents, as `read`, and holds out none."""
  found, _ = _scan(folder, lambda text: False)
  if not found:
    raise files.InputError(
      f"{folder} has no documents in {_EXPECTED}; expected some"
    )
  return found


def _scan(
  folder: pathlib.Path, is_second: Callable[[bytes], bool]
) -> tuple[Documents, Documents]:
  """Returns the documents of which a function is False, and the others."""
  if not folder.exists():
    raise FileNotFoundError(
      f"There is no folder {folder}; expected one of {_EXPECTED}, or such a "
      "file."
    )
  paths, others = _list(folder)
  opened: list[text_index.File] = []
  empty: list[str] = []
  with text_index.Writer() as first, text_index.Writer() as second:
    for path in paths:
      file = _open(path)
      try:
        for line, start, end, text in _documents(file):
          if not text.strip():
            empty.append(f"{path}, line {line}")
            continue
          side = second if is_second(text) else first
          side.add(text_index.Location(len(opened), line, start, end))
      except _NoDocumentsError as error:
        if path == folder:
          raise files.InputError(str(error)) from error
        others.append(path)
      opened.append(file)
  sides = first.documents(opened), second.documents(opened)
  _report(folder, sum(map(len, sides)), empty, others)
  return sides


def _report(
  folder: pathlib.Path, count: int, empty: list[str], others: list[pathlib.Path]
) -> None:
  if empty:
    print(
      f"{folder}: skipped {len(empty)} of {count + len(empty)} documents, "
      f"which are empty; the first is {empty[0]}",
      file=sys.stderr,
    )
  if others:
    names = [str(path.relative_to(folder)) for path in others[:_MOST_NAMED]]
    names += ["…"] * (len(others) > len(names))
    print(
      f"{folder}: {len(others)} files are not read: {', '.join(names)}; texts "
      f"are {_EXPECTED}",
      file=sys.stderr,
    )


def _list(
  folder: pathlib.Path,
) -> tuple[list[pathlib.Path], list[pathlib.Path]]:
  """Returns the files of texts in a folder, and the others."""
  if not folder.is_dir():
    return [folder], []
  paths = files.list_files(folder, *_PATTERNS, recursive=True)
  known = set(paths)
  others = files.list_files(folder, recursive=True)
  return paths, [path for path in others if path not in known]


def _open(path: pathlib.Path) -> text_index.File:
  is_packed = path.name.lower().endswith(".gz")
  content = text_index.unpacked(path) if is_packed else path
  return text_index.File(path, content, _suffix(path) in (".json", ".jsonl"))


def _suffix(path: pathlib.Path) -> str:
  """Returns the suffix in lower case, that before .gz if there is one."""
  return pathlib.Path(path.name.lower().removesuffix(".gz")).suffix


def _divided(*sides: Documents) -> tuple[Documents, Documents]:
  """Divides every document into its beginning and its end, between words."""
  with text_index.Writer() as first, text_index.Writer() as second:
    for documents in sides:
      for number, text in enumerate(documents):
        location, at = documents.location(number), _near_the_end(text)
        for side, low, high in ((first, 0, at), (second, at, len(text))):
          if text[low:high].strip():
            side.add(location._replace(first=low, last=high))
  opened = sides[0].files
  return first.documents(opened), second.documents(opened)


def _near_the_end(text: bytes) -> int:
  """Returns the beginning of about the last twentieth of a text."""
  length = len(text) // _HELD_OUT_ONE_OF
  at = len(text) - length - 1
  low = max(0, at - length - 8)
  ends = (text.rfind(sign, low, at) for sign in (b" ", b"\n"))
  at = max(ends) + 1 or at
  while at < len(text) and text[at] & 0xC0 == 0x80:  # within a character
    at += 1
  return at


def _documents(file: text_index.File) -> Iterator[_Found]:
  """Returns the documents of a file."""
  if not file.is_json:
    return _text_document(file)
  if _suffix(file.path) == ".jsonl" or _has_lines(file):
    return _line_documents(file)
  return _json_documents(file)


def _text_document(file: text_index.File) -> Iterator[_Found]:
  content = files.read_bytes(file.content)
  start = len(codecs.BOM_UTF8) * content.startswith(codecs.BOM_UTF8)
  text = text_index.to_text(file, 1, content[start:])
  yield 1, start, len(content), text


def _line_documents(file: text_index.File) -> Iterator[_Found]:
  start = 0
  for number, line in enumerate(_lines(file), 1):
    end = start + len(line)
    if number == 1:
      line = line.removeprefix(codecs.BOM_UTF8)
    yield number, end - len(line), end, text_index.to_text(file, number, line)
    start = end


def _lines(file: text_index.File) -> Generator[bytes, None, None]:
  """Yields the lines of a file, one in memory at a time."""
  try:
    with file.content.open("rb") as stream:
      yield from stream
  except OSError as error:
    raise files.InputError(
      f"{file.path} cannot be read: {error.strerror}"
    ) from error


def _has_lines(file: text_index.File) -> bool:
  """Returns whether the first line of a .json file is a whole object."""
  with contextlib.closing(_lines(file)) as lines:
    first = next(filter(bytes.strip, lines), b"")
  try:
    row = json.loads(first.removeprefix(codecs.BOM_UTF8))
  except (RecursionError, ValueError):
    return False
  if isinstance(row, dict) and "text" not in row:
    raise _NoDocumentsError(f'{file.path} is an object without "text"')
  return isinstance(row, dict)


def _json_documents(file: text_index.File) -> Iterator[_Found]:
  """Yields the documents of a .json file that is an object, or an array."""
  content = files.read_bytes(file.content)
  start = len(codecs.BOM_UTF8) * content.startswith(codecs.BOM_UTF8)
  line, before = 1, 0
  try:
    whole = content[start:].decode("utf-8")
    is_array = whole.lstrip().startswith("[")
    parts = text_index.json_values(whole) if is_array else [(0, len(whole))]
    for first, last in parts:
      start += len(whole[before:first].encode())
      line += whole.count("\n", before, first)
      text = whole[first:last].encode()
      yield line, start, start + len(text), text_index.to_text(file, line, text)
      start, before = start + len(text), last
      line += whole.count("\n", first, last)
  except (RecursionError, ValueError) as error:
    message = f"{file.path} is not all documents: {error}"
    if before:
      raise files.InputError(message) from error
    raise _NoDocumentsError(message) from error
