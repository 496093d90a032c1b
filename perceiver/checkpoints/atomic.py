"""The one atomic writer: files and folders are complete or not there."""

from collections.abc import Iterator
import contextlib
import os
import pathlib
import re
import shutil
import uuid

from perceiver import errors

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}(\..*)?")


@contextlib.contextmanager
def file(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
  """Yields a path of the same suffix, which becomes `path` on success.

  Raises:
    WriteError: if it cannot be written.
  """
  path = pathlib.Path(path)
  temporary = _beside(path)
  with _naming(path), contextlib.ExitStack() as stack:
    path.parent.mkdir(parents=True, exist_ok=True)
    stack.callback(temporary.unlink, missing_ok=True)
    yield temporary
    sync(temporary)
    os.replace(temporary, path)
    sync_folder(path.parent)


@contextlib.contextmanager
def folder(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
  """Yields a folder to fill, which becomes `path` on success.

  Raises:
    FileExistsError: if there is something at `path` already.
    WriteError: if it cannot be written.
  """
  path = pathlib.Path(path)
  if path.exists():
    raise FileExistsError(
      f"Checkpoint: there is something at {path} already; expected none."
    )
  temporary = _beside(path)
  with _naming(path), contextlib.ExitStack() as stack:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.mkdir()
    stack.callback(shutil.rmtree, temporary, ignore_errors=True)
    yield temporary
    for written in temporary.iterdir():
      sync(written)
    sync_folder(temporary)
    os.replace(temporary, path)
    sync_folder(path.parent)


def remove_unfinished(folder: pathlib.Path) -> None:
  """Removes what killed writers left in a folder and the folders in it.

  Raises:
    OSError: if it cannot be removed.
  """
  for path in folder.rglob(".*"):
    if _TEMPORARY.fullmatch(path.name) and path.is_file():
      path.unlink()


@contextlib.contextmanager
def _naming(path: pathlib.Path) -> Iterator[None]:
  try:
    yield
  except OSError as error:
    raise errors.WriteError(
      f"{path} cannot be written: {errors.reason(error)}"
    ) from error


def _beside(path: pathlib.Path) -> pathlib.Path:
  """Returns an unused hidden path in the same folder."""
  return path.with_name(f".{path.stem}.{uuid.uuid4().hex}{path.suffix}")


def sync(path: pathlib.Path) -> None:
  """Waits until the content of a file is on the disk, safe from a power cut."""
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)


def sync_folder(path: pathlib.Path) -> None:
  """Waits until a folder's names are on the disk, if its file system can."""
  with contextlib.suppress(OSError):
    sync(path)
