"""A run's folder has one run at a time, and all processes of it see the folder.

The operating system drops the lock of a process that has ended, for whatever
reason. NFS, Lustre with `-o flock` and the like do so too, after the minute or
so in which a whole machine is missed; where a file system has no locks, a line
warns of it.
"""

from collections.abc import Iterator
import contextlib
import datetime
import fcntl
import json
import os
import pathlib
import secrets
import socket
import time
from typing import Any, TextIO

from experiments.cluster import processes
from experiments.data import files
from experiments.runs import progress
from perceiver import errors

NAME = "in-use.json"
# Somebody may look whether a folder is in use, at this very moment.
_LOCK_SECONDS = 1.0
# Network file systems show new files late.
_SHARED_SECONDS = 15.0
_PAUSE_SECONDS = 0.1


class InUseError(errors.PerceiverError, RuntimeError):
  """Another run is using the folder."""


class ApartError(errors.PerceiverError, RuntimeError):
  """The processes of a run do not see the same folder."""


@contextlib.contextmanager
def occupied(workdir: pathlib.Path) -> Iterator[None]:
  """Occupies a run's folder, which is made if need be; for all processes.

  Raises:
    InUseError: in process 0, if another run does so.
    processes.PeerError: in the others then.
    ApartError: in every process, if one does not find what process 0 wrote.
    files.InputError: if nothing can be written there.
  """
  with contextlib.ExitStack() as stack:
    found = processes.from_process_zero(
      lambda: stack.enter_context(_locked(workdir))
    )
    _check_shared(workdir, found)
    yield


def is_occupied(workdir: pathlib.Path) -> bool:
  """Returns whether a run is using a folder."""
  try:
    with (workdir / NAME).open() as file:
      fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
  except BlockingIOError:
    return True
  except OSError:  # Without locks, by the file; without a file, not.
    return (workdir / NAME).exists()
  return False


def owner() -> dict[str, Any]:
  """Returns the record of this process as the owner of a folder."""
  now = datetime.datetime.now(datetime.UTC).isoformat(" ", "seconds")
  record = {"host": socket.gethostname(), "pid": os.getpid(), "time": now}
  return record | {"word": secrets.token_hex(16)}


def describe(content: str | bytes) -> str:
  """Returns words for the owner of a folder, by its record as JSON."""
  try:
    record = json.loads(content)
    return "process {pid} on {host}, since {time}".format(**record)
  except (KeyError, TypeError, ValueError):
    return "another process"


def in_use(folder: str, by: str) -> InUseError:
  """Returns the error of a folder that another run uses."""
  return InUseError(
    f"{folder} is in use by {by}. Wait for its end, or choose another "
    "--workdir."
  )


@contextlib.contextmanager
def _locked(workdir: pathlib.Path) -> Iterator[dict[str, Any]]:
  """Locks a folder; yields what it wrote there."""
  is_new = not workdir.exists()
  record = owner() | {"folder": str(workdir.resolve())}
  with _lock(workdir) as file:
    try:
      with files.explaining(workdir):
        file.truncate(0)
        file.write(json.dumps(record) + "\n")
        file.flush()
      yield record
    finally:
      with contextlib.suppress(OSError):
        if _is_at(file, workdir / NAME):  # Else the folder was moved.
          (workdir / NAME).unlink()
          if is_new:  # It stays as soon as anything else is in it.
            workdir.rmdir()


def _lock(workdir: pathlib.Path) -> TextIO:
  path, end = workdir / NAME, time.monotonic() + _LOCK_SECONDS
  while True:
    with files.explaining(workdir):
      workdir.mkdir(parents=True, exist_ok=True)
      file = path.open("a+", encoding="utf-8", errors="replace")
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
      with contextlib.suppress(FileNotFoundError):
        if _is_at(file, path):
          return file
      # Its owner has just removed it.
    except BlockingIOError:
      if time.monotonic() > end:
        content = ""
        with file, contextlib.suppress(OSError):
          file.seek(0)
          content = file.read()
        raise in_use(str(workdir), describe(content)) from None
    except OSError as error:
      progress.write(
        f"{workdir} cannot be locked ({errors.reason(error)}): see to it that "
        "no other run uses it."
      )
      return file
    file.close()
    time.sleep(_PAUSE_SECONDS)


def _is_at(file: TextIO, path: pathlib.Path) -> bool:
  return os.path.samestat(os.fstat(file.fileno()), path.stat())


def _check_shared(workdir: pathlib.Path, record: dict[str, Any]) -> None:
  found = processes.all_gather(_is_seen(workdir / NAME, record["word"]))
  apart = [str(number) for number, is_seen in enumerate(found) if not is_seen]
  if apart:
    raise ApartError(
      f"Process 0 works in {record['folder']} on {record['host']}; not so "
      f"process {', '.join(apart)}. All need the same --workdir, on a file "
      f"system that they share: here it is {workdir.resolve()} on "
      f"{socket.gethostname()}."
    )


def _is_seen(path: pathlib.Path, word: str) -> bool:
  end = time.monotonic() + _SHARED_SECONDS
  while True:
    with contextlib.suppress(OSError):
      os.listdir(path.parent)  # A network file system then looks anew.
      if word in path.read_text(encoding="utf-8"):
        return True
    if time.monotonic() > end:
      return False
    time.sleep(_PAUSE_SECONDS)
