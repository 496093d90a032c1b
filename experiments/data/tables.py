r"""Text files and tables of other programs.

They are in UTF-8, with or without a byte-order mark. Lines end with \n or \r\n,
or with \r in a file that has no \n, and with nothing else. Names of columns may
differ in case, and in spaces, hyphens and underscores.
"""

import codecs
from collections.abc import Sequence
import csv
import io
import pathlib
import re
from typing import NamedTuple

from experiments.data import files


class Row(NamedTuple):
  """A row of a table."""

  line: int  # its last one in the file, counted from 1
  fields: list[str]


def read_bytes(path: pathlib.Path) -> bytes:
  """Reads a text file, without its byte-order mark.

  Raises:
    files.InputError: if it cannot be read.
  """
  return files.read_bytes(path).removeprefix(codecs.BOM_UTF8)


def read_text(path: pathlib.Path, errors: str = "strict") -> str:
  r"""Reads a text file, with \n at the end of every line.

  Args:
    path: the file.
    errors: treatment of what is not UTF-8, as in `bytes.decode`.

  Raises:
    files.InputError: if it cannot be read, or is not UTF-8.
  """
  content = read_bytes(path)
  try:
    text = content.decode("utf-8", errors)
  except UnicodeDecodeError as error:
    line = content.count(b"\n", 0, error.start) + 1
    raise files.InputError(
      f"{path}, line {line}: it is not text in UTF-8: {error}"
    ) from error
  text = text.replace("\r\n", "\n")
  return text if "\n" in text else text.replace("\r", "\n")


def read_lines(path: pathlib.Path, errors: str = "strict") -> list[str]:
  """Reads the lines of a text file; otherwise like `read_text`."""
  lines = read_text(path, errors).split("\n")
  return lines[: len(lines) - (not lines[-1])]


def read_csv(path: pathlib.Path) -> list[Row]:
  """Reads the rows of a table with commas, without empty rows.

  Spaces around fields and quotation marks are left out.

  Raises:
    files.InputError: if it cannot be read, or is no table.
  """
  reader = csv.reader(io.StringIO(read_text(path)), skipinitialspace=True)
  try:
    rows = [Row(reader.line_num, [x.strip() for x in row]) for row in reader]
  except csv.Error as error:
    raise files.InputError(f"{path} is no table: {error}") from error
  return [row for row in rows if any(row.fields)]


def columns(header: Sequence[str]) -> list[str]:
  """Returns names of columns in one spelling, such as youtube_id."""
  words = (re.split(r"[\s_-]+", name.strip(" _-")) for name in header)
  return ["_".join(each).lower() for each in words]
