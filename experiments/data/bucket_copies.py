"""Copies of what is in buckets, on this machine.

They are in a cache, $PERCEIVER_CACHE or ~/.cache/perceiver, and are made again
only where the bucket has changed. A run's checkpoint that was not uploaded to
its end is left out.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent import futures
import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import sys
from typing import Any, TextIO

from experiments.data import buckets
from experiments.data import files
from experiments.data import paths

# In every folder checkpoints/STEP of a run; its list of files comes last.
MARKER = "digests.json"
_STEP = re.compile(r"((?:.*/)?checkpoints/\d+)/.+")
_AT_ONCE = 8
_LARGE = 100_000_000  # bytes of which copying is announced
# Those made by this command, which reads the same files throughout.
_copies: dict[pathlib.Path, pathlib.Path] = {}


def cache() -> pathlib.Path:
  """Returns the folder of all copies.

  Raises:
    files.InputError: if it is no path on this machine.
  """
  given = os.environ.get("PERCEIVER_CACHE") or "~/.cache/perceiver"
  try:
    return paths.local(given).absolute()
  except paths.PathError as error:
    raise files.InputError(
      f"the folder of copies, $PERCEIVER_CACHE, is {given!r}; {error.reason}"
    ) from error


def local(path: pathlib.Path) -> pathlib.Path:
  """Returns a path on this machine: the copy of an address, or the path.

  With a run's checkpoint, RUN/checkpoints/STEP, the run is copied, too, but for
  its other checkpoints.

  Raises:
    buckets.BucketError: if there is no such thing, or it cannot be read.
    files.InputError: if the copy cannot be written.
  """
  if not buckets.is_address(path):
    return path
  if path not in _copies:
    _copies[path] = _copied(path)
  return _copies[path]


def forget() -> None:
  """Lets `local` look into buckets anew."""
  _copies.clear()


def is_copy(path: pathlib.Path) -> bool:
  """Returns whether a path is in one of the copies that `local` has made."""
  return bool(_copies) and path.absolute().is_relative_to(cache() / "gs")


def _copied(path: pathlib.Path) -> pathlib.Path:
  is_step = path.name.isdecimal() and path.parent.name == "checkpoints"
  source = path.parents[1] if is_step else path
  inside = path.relative_to(source).as_posix()
  found = complete(buckets.list_items(source))
  wanted = {
    name: item
    for name, item in found.items()
    if not is_step or step_of(name) in ("", inside)
  }
  if not wanted or (is_step and inside not in map(step_of, wanted)):
    raise buckets.BucketError(f"There is nothing at {buckets.shown(path)}.")
  target = cache().joinpath("gs", *source.parts[1:])
  with lock_file(target) as file:
    with contextlib.suppress(OSError):  # Some file systems have no locks.
      fcntl.flock(file, fcntl.LOCK_EX)
    prune(target, found)
    download(source, target, wanted)
  return target / inside


@contextlib.contextmanager
def lock_file(folder: pathlib.Path) -> Iterator[TextIO]:
  """Yields an open file beside a folder, to be locked while that is used.

  Raises:
    files.InputError: if it cannot be written.
  """
  path = folder.with_name(f".{folder.name}.lock")
  with files.explaining(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a")
  with file:
    yield file


def step_of(name: str) -> str:
  """Returns the folder of the checkpoint that a file is of, or ""."""
  found = _STEP.fullmatch(name)
  return found[1] if found else ""


def complete(names: Mapping[str, Any]) -> dict[str, Any]:
  """Returns files, by name, but for those of unfinished checkpoints."""
  marked = {step_of(name) for name in names if name.endswith(f"/{MARKER}")}
  return {
    name: x for name, x in names.items() if step_of(name) in {"", *marked}
  }


def prune(folder: pathlib.Path, names: Collection[str]) -> None:
  """Removes the files of a folder that have none of the names.

  Args:
    folder: the folder; a file has the name ".".
    names: relative to it.

  Raises:
    files.InputError: if one cannot be removed.
  """
  with files.explaining(folder):
    if folder.is_file() and "." not in names:
      folder.unlink()
    elif folder.is_dir() and "." in names:
      shutil.rmtree(folder)
    for path in sorted(folder.rglob("*"), reverse=True):  # Folders come last.
      if path.is_dir() and not path.is_symlink():
        with contextlib.suppress(OSError):  # It is not empty.
          path.rmdir()
      elif path.relative_to(folder).as_posix() not in names:
        path.unlink()


def download(
  path: pathlib.Path,
  folder: pathlib.Path,
  items: Mapping[str, buckets.Item],
) -> None:
  """Copies objects into a folder, but for those that are there.

  Args:
    path: address of the bucket's folder.
    folder: on this machine.
    items: the objects, by their names relative to both.

  Raises:
    buckets.BucketError: if one cannot be read, or there is no room for all.
    files.InputError: if one cannot be written.
  """
  wanted = [n for n, item in items.items() if not is_same(folder / n, item)]
  if not wanted:
    return
  size = sum(items[name].size for name in wanted)
  text = f"{buckets.shown(path)}: {len(wanted)} files, {size / 1e9:.3g} GB"
  with files.explaining(folder):
    folder.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder.parent).free
  if size > free:
    raise buckets.BucketError(
      f"{text}, do not fit into {cache()}, where {free / 1e9:.3g} GB are free. "
      "Set PERCEIVER_CACHE to a folder on a larger disk, or mount the bucket."
    )
  if size > _LARGE:
    print(f"{text}, are copied to {folder}", file=sys.stderr, flush=True)

  def copy(name: str) -> None:
    time = items[name].time
    with files.writing(folder / name) as file:
      buckets.download(path / name, file, items[name].generation)
      os.utime(file, ns=(time, time))

  at_once(copy, wanted)


def is_same(path: pathlib.Path, item: buckets.Item) -> bool:
  """Returns whether a file has the content of an object.

  A copy that has not been written since is not read for it.
  """
  try:
    stat = path.stat()
    return stat.st_size == item.size and (
      stat.st_mtime_ns == item.time or buckets.checksum(path) == item.checksum
    )
  except OSError:
    return False


def at_once(action: Callable[[str], Any], names: Collection[str]) -> None:
  """Calls a function of names in threads; raises the first error there is."""
  with futures.ThreadPoolExecutor(_AT_ONCE) as pool:
    waiting = [pool.submit(action, name) for name in names]
    try:
      for each in waiting:
        each.result()
    finally:
      pool.shutdown(cancel_futures=True)
