"""Checksums of the files of a folder, in a list beside them.

A disk that returns other bytes than it was given does not report it, and a
model whose parameters have one wrong bit trains on.
"""

import hashlib
import json
import pathlib

from experiments.data import files

NAME = "digests.json"  # the name in older runs, too


def write(folder: pathlib.Path) -> None:
  """Writes the checksum of every data file of a folder into the list.

  A folder without a list was left by a program that was killed.

  Raises:
    files.InputError: if it cannot be written.
  """
  checksums = {
    path.relative_to(folder).as_posix(): _checksum(path)
    for path in files.list_files(folder, recursive=True)
    if path != folder / NAME
  }
  text = json.dumps(checksums, indent=0, sort_keys=True)
  files.write_text(folder / NAME, text + "\n")


def exist(folder: pathlib.Path) -> bool:
  """Returns whether a folder has a list."""
  return (folder / NAME).exists()


def find_damage(folder: pathlib.Path) -> str:
  """Returns the damage to a folder's files in words; empty if there is none.

  Files that are not in the list do not count.
  """
  if not exist(folder):
    return ""
  try:
    expected = json.loads((folder / NAME).read_bytes())
  except (OSError, RecursionError, ValueError) as error:
    return f"{NAME} cannot be read: {error}"
  if not isinstance(expected, dict) or not expected:
    return f"{NAME} is not a list of checksums"
  for name in sorted(expected):
    try:
      if _checksum(folder / name) != expected[name]:
        return f"{name} is not as it was written"
    except (FileNotFoundError, NotADirectoryError):
      return f"{name} is missing"
    except (OSError, ValueError) as error:
      return f"{name} cannot be read: {error}"
  return ""


def _checksum(path: pathlib.Path) -> str:
  with path.open("rb") as file:
    return hashlib.file_digest(file, "sha256").hexdigest()
