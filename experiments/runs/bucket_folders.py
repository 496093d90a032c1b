"""Runs whose folder is in a bucket, at gs://….

Such a run works in a folder on this machine. It is fetched at the start, and
uploaded after each checkpoint, after each evaluation and at the end. An upload
can end anywhere: what is read from the bucket afterwards is the folder of a run
that was killed.
"""

from collections.abc import Iterable, Iterator
import contextlib
import fcntl
import os
import pathlib
import urllib.parse

from experiments.cluster import signals
from experiments.data import bucket_copies
from experiments.data import buckets
from experiments.data import files
from experiments.runs import claims
from experiments.runs import occupancy
from experiments.runs import progress

_WORDS = ".claims.txt"  # here: the claims of those who worked in the folder
# Those of this command, at most one, by the folder on this machine.
_open: dict[pathlib.Path, "BucketFolder"] = {}


class BucketFolder:
  """A run's folder on this machine, and in a bucket.

  Attributes:
    folder: on this machine.
  """

  def __init__(self, address: pathlib.Path) -> None:
    """Claims the bucket's folder and fetches it.

    If this machine was the last to write there, checkpoints and files that it
    has not uploaded yet are kept. Otherwise the folder becomes as it is in the
    bucket.

    Raises:
      occupancy.InUseError: if another run is using the folder.
      buckets.BucketError: if the bucket cannot be used.
      files.InputError: if nothing can be written on this machine.
    """
    self._address = address
    name = urllib.parse.quote("/".join(address.parts[1:]), safe="")
    self.folder = bucket_copies.cache() / "runs" / name.replace("%2F", "+")
    self._failure: buckets.BucketError | None = None
    self._known: dict[str, int] = {}  # {name: generation in the bucket}
    self._sent: dict[str, tuple[int, int]] = {}  # {name: size and time here}
    with contextlib.ExitStack() as stack:
      stack.enter_context(self._lock())
      words = self.folder / _WORDS
      ended = words.read_text().split() if words.exists() else []
      self._claim = claims.Claim(address, ended)
      if self._claim.is_own:  # It stays so if this process ends right now.
        files.write_text(words, " ".join([*ended, self._claim.word]))
      self._claim.begin()
      stack.callback(self._claim.release)
      self._fetch(is_newer=self._claim.is_own)
      files.write_text(words, self._claim.word)
      self._stack = stack.pop_all()
    progress.write(f"{buckets.shown(address)}: the run works in {self.folder}")

  @contextlib.contextmanager
  def _lock(self) -> Iterator[None]:
    """Locks the folder on this machine."""
    with bucket_copies.lock_file(self.folder) as file:
      try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
      except BlockingIOError:
        by = "another process on this machine"
        raise occupancy.in_use(buckets.shown(self._address), by) from None
      except OSError as error:
        raise files.InputError(
          f"{file.name} cannot be locked: {error.strerror}. Set "
          "PERCEIVER_CACHE to a folder on a disk."
        ) from error
      yield

  def _fetch(self, is_newer: bool) -> None:
    """Makes the folder as it is in the bucket, unless it is newer."""
    found = buckets.list_items(self._address)
    found.pop(claims.NAME, None)
    self._known = {name: item.generation for name, item in found.items()}
    whole = bucket_copies.complete(found)
    here = self._files()
    wanted = whole
    if is_newer and not _has_lost_checkpoints(whole, here):
      is_new = lambda n: n not in here and not bucket_copies.step_of(n)
      wanted = {name: item for name, item in whole.items() if is_new(name)}
    else:
      bucket_copies.prune(self.folder, whole)
    bucket_copies.download(self._address, self.folder, wanted)
    for name, item in whole.items():
      if bucket_copies.is_same(self.folder / name, item):
        self._sent[name] = _signature(self.folder / name)

  def push(self) -> None:
    """Makes the bucket's folder as it is here.

    Raises:
      occupancy.InUseError: if another run has claimed it meanwhile.
      buckets.BucketError: if that is not possible.
    """
    if self._failure is not None:  # It is not waited for again.
      raise self._failure
    try:
      self._claim.renew()
      self._push()
    except buckets.BucketError as error:
      self._failure = error
      raise

  def _push(self) -> None:
    here = self._files()
    gone = self._known.keys() - here.keys()
    # What is left of a checkpoint that is being removed is none.
    broken = {bucket_copies.step_of(name) for name in gone} - {""}
    gone |= {n for n in self._known if bucket_copies.step_of(n) in broken}
    if _has_lost_checkpoints(self._known, here.keys() - gone):
      gone = set()
    new = [n for n in here.keys() - gone if self._sent.get(n) != here[n]]
    for rank in range(_NOTES):
      bucket_copies.at_once(self._upload, [n for n in new if _rank(n) == rank])
    for is_rest in (False, True):  # Without its marker a checkpoint is none.
      some = [n for n in gone if (_rank(n) != _MARKERS) == is_rest]
      bucket_copies.at_once(self._delete, some)
    bucket_copies.at_once(self._upload, [n for n in new if _rank(n) == _NOTES])

  def _files(self) -> dict[str, tuple[int, int]]:
    """Returns the files for the bucket, by name, with sizes and times."""
    found = dict[str, tuple[int, int]]()
    for folder, _, names in os.walk(self.folder):
      for path in (pathlib.Path(folder, name) for name in names):
        # One in the background may remove a checkpoint right now.
        with contextlib.suppress(FileNotFoundError):
          name = path.relative_to(self.folder).as_posix()
          found[name] = _signature(path)
    return {
      name: signature
      for name, signature in bucket_copies.complete(found).items()
      if name != claims.NAME
      and "/." not in f"/{name}"
      and (bucket_copies.step_of(name) or not name.startswith("checkpoints/"))
    }

  def _upload(self, name: str) -> None:
    path = self.folder / name
    before = _signature(path)
    item = buckets.write(self._address / name, path, self._known.get(name, 0))
    self._known[name], self._sent[name] = item.generation, before

  def _delete(self, name: str) -> None:
    buckets.delete(self._address / name, self._known[name])
    del self._known[name]
    self._sent.pop(name, None)

  def close(self) -> None:
    """Gives up the claim."""
    self._stack.close()


_OTHERS, _LOGS, _PARTS, _MARKERS, _NOTES = range(5)


def _rank(name: str) -> int:
  """Returns the number of a file in the order of uploads.

  A file is uploaded after those that it speaks of: a row of the log after the
  best model that was found there, the marker after the whole checkpoint. Notes
  that a run has had checkpoints, or has gone back to one, follow what is
  removed.
  """
  if bucket_copies.step_of(name):
    is_marker = name.endswith(f"/{bucket_copies.MARKER}")
    return _MARKERS if is_marker else _PARTS
  if name.endswith(".txt"):
    return _NOTES
  return _LOGS if name.endswith((".jsonl", "config.json")) else _OTHERS


def _has_lost_checkpoints(before: Iterable[str], now: Iterable[str]) -> bool:
  """Returns whether somebody has removed all checkpoints there were."""
  is_any = lambda names: any(map(bucket_copies.step_of, names))
  return is_any(before) and not is_any(now)


def open_folder(address: pathlib.Path) -> pathlib.Path:
  """Claims and fetches the folder of a run; returns it on this machine.

  Until the end of `closing`.

  Raises:
    occupancy.InUseError: if another run is using it.
    buckets.BucketError: if the bucket cannot be used.
    files.InputError: if nothing can be written on this machine.
  """
  found = BucketFolder(address)
  _open[found.folder] = found
  return found.folder


def push(workdir: pathlib.Path) -> None:
  """Uploads what is new in a run's folder, if that is in a bucket.

  Raises:
    occupancy.InUseError: if another run has claimed it meanwhile.
    buckets.BucketError: if that is not possible.
  """
  if found := _open.get(workdir):
    found.push()


def is_in_bucket(workdir: pathlib.Path) -> bool:
  """Returns whether the folder of a run is in a bucket."""
  return workdir in _open


@contextlib.contextmanager
def closing() -> Iterator[None]:
  """Uploads the rest at a command's end, and gives up what it has claimed.

  Raises:
    occupancy.InUseError: as `push`, if all else has succeeded.
    buckets.BucketError: as `push`, if all else has succeeded.
  """
  bucket_copies.forget()
  try:
    yield
    for folder in _open:
      push(folder)
  except signals.Ended:  # At once.
    raise
  except BaseException:
    for folder in _open:
      with contextlib.suppress(buckets.BucketError, occupancy.InUseError):
        push(folder)
    raise
  finally:
    while _open:
      _open.popitem()[1].close()


def _signature(path: pathlib.Path) -> tuple[int, int]:
  stat = path.stat()
  return stat.st_size, stat.st_mtime_ns
