"""The one atomic writer: files and folders are complete or not there."""

from collections.abc import Iterator
import contextlib
import os
import pathlib
import shutil
import uuid


@contextlib.contextmanager
def file(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
  """Yields a path of the same suffix, which becomes `path` on success."""
  path = pathlib.Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  temporary = _beside(path)
  try:
    yield temporary
    _sync(temporary)
    os.replace(temporary, path)
  except BaseException:
    temporary.unlink(missing_ok=True)
    raise


@contextlib.contextmanager
def folder(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
  """Yields a folder to fill, which becomes `path` on success.

  Raises:
    FileExistsError: if there is something at `path` already.
  """
  path = pathlib.Path(path)
  if path.exists():
    raise FileExistsError(
      f"Checkpoint: there is something at {path} already; expected none."
    )
  path.parent.mkdir(parents=True, exist_ok=True)
  temporary = _beside(path)
  temporary.mkdir()
  try:
    yield temporary
    for written in temporary.iterdir():
      _sync(written)
    os.replace(temporary, path)
  except BaseException:
    shutil.rmtree(temporary, ignore_errors=True)
    raise


def _beside(path: pathlib.Path) -> pathlib.Path:
  """Returns an unused hidden path in the same folder."""
  return path.with_name(f".{path.stem}.{uuid.uuid4().hex}{path.suffix}")


def _sync(path: pathlib.Path) -> None:
  with open(path, "rb") as written:
    os.fsync(written.fileno())
