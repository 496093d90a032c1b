"""Checksums of the files of a folder, in a list beside them.

A disk that returns other bytes than it was given does not report it, and a
model whose parameters have one wrong bit trains on.
"""

from collections.abc import Iterator
from concurrent import futures
import contextlib
import hashlib
import json
import pathlib
import tempfile

from experiments.data import bucket_copies
from experiments.data import files
from perceiver.checkpoints import atomic

NAME = bucket_copies.MARKER  # the name in older runs, too
_AT_ONCE = 16


def write(folder: pathlib.Path) -> None:
  """Writes the checksum of every data file of a folder into the list.

  A folder without a list was left by a program that was killed; what is listed
  outlives a loss of power.

  Raises:
    files.InputError: if it cannot be written.
  """
  checksums = {name: _checksum(folder / name) for name in _data_files(folder)}
  below = [path for path in folder.rglob("*") if path.is_dir()]
  # Together they take a file system hardly longer than one does.
  with files.explaining(folder), futures.ThreadPoolExecutor(_AT_ONCE) as pool:
    list(pool.map(atomic.sync, [folder / name for name in checksums]))
    list(pool.map(atomic.sync_folder, (*below, folder, folder.parent)))
  text = json.dumps(checksums, indent=0, sort_keys=True)
  files.write_text(folder / NAME, text + "\n")


@contextlib.contextmanager
def without_foreign_files(folder: pathlib.Path) -> Iterator[pathlib.Path]:
  """Yields a folder of links to the files of a folder that is not damaged.

  Those are the listed ones: Orbax takes "process_0~" for a part of its own.
  """
  names = _data_files(folder)
  if exist(folder):
    names = sorted(json.loads((folder / NAME).read_bytes()))
  with tempfile.TemporaryDirectory() as links:
    for name in names:
      link = pathlib.Path(links) / name
      link.parent.mkdir(parents=True, exist_ok=True)
      link.symlink_to((folder / name).absolute())
    yield pathlib.Path(links)


def _data_files(folder: pathlib.Path) -> list[str]:
  paths = files.list_files(folder, recursive=True)
  names = [path.relative_to(folder).as_posix() for path in paths]
  return [name for name in names if name != NAME]


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
