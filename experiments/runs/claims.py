"""Claims of folders in buckets, for one run at a time.

A claim is an object in the folder, which its owner renews. It is written only
where nothing else was written since it was read, and taken over if it was given
up, if it is not renewed for a while, or at once on the machine that wrote it,
where a lock shows that its owner has ended. No clocks are compared.
"""

from collections.abc import Collection
import contextlib
import json
import pathlib
import threading
import time
from typing import Any

from experiments.data import buckets
from experiments.runs import occupancy
from experiments.runs import progress

NAME = occupancy.NAME  # in the bucket; on this machine it is `occupancy`'s
_RENEWED_SECONDS = 15.0
_LEASE_SECONDS = 90.0  # for which a claim holds that is not renewed
_PAUSE_SECONDS = 3.0


class Claim:
  """A claim of a folder in a bucket, to be released.

  Attributes:
    word: of this claim alone.
    is_own: whether the claim before was one of those that have ended.
  """

  def __init__(self, folder: pathlib.Path, ended: Collection[str]) -> None:
    """Reads the claim that there is, and waits for its end if need be.

    Args:
      folder: its address.
      ended: words of claims whose owners have ended for certain.

    Raises:
      occupancy.InUseError: if it is renewed.
      buckets.BucketError: if the bucket cannot be used.
    """
    self._owner = occupancy.owner()
    self.word = self._owner["word"]
    self._shown, self._path = buckets.shown(folder), folder / NAME
    self._lock, self._end = threading.Lock(), threading.Event()
    self._thread = threading.Thread(target=self._renew_on, daemon=True)
    item = buckets.find_item(self._path)
    content = buckets.read(self._path) if item else b""
    before = _parse(content)
    self.is_own = before.get("word") in ended
    if item and not self.is_own and not before.get("is_released"):
      item = self._wait_for_end(item, occupancy.describe(content))
    self._generation = item.generation if item else 0
    self._is_lost = False

  def begin(self) -> None:
    """Writes the claim, and renews it until it is released.

    Raises:
      occupancy.InUseError: if another run was faster.
      buckets.BucketError: if it cannot be written.
    """
    self.renew()
    self._thread.start()

  def renew(self, **more: object) -> None:
    """Writes the claim anew.

    Raises:
      occupancy.InUseError: if another run has claimed the folder meanwhile.
      buckets.BucketError: if it cannot be written.
    """
    content = json.dumps(self._owner | more).encode()
    with self._lock:
      try:
        if self._is_lost:
          raise buckets.ChangedError
        item = buckets.write(self._path, content, self._generation)
      except buckets.ChangedError as error:
        self._is_lost = True
        raise occupancy.InUseError(
          f"{self._shown} was claimed by another run; nothing more of this one "
          "is written there."
        ) from error
      self._generation = item.generation

  def release(self) -> None:
    """Gives the claim up, if the bucket can be reached."""
    self._end.set()
    if self._thread.is_alive():
      self._thread.join()
    with contextlib.suppress(buckets.BucketError, occupancy.InUseError):
      self.renew(is_released=True)

  def _renew_on(self) -> None:
    while not self._end.wait(_RENEWED_SECONDS):
      with contextlib.suppress(buckets.BucketError, occupancy.InUseError):
        self.renew()

  def _wait_for_end(self, item: buckets.Item, by: str) -> buckets.Item | None:
    """Returns the claim, None if it is gone, unless it is renewed.

    Args:
      item: the claim.
      by: its owner.
    """
    progress.write(
      f"{self._shown} is claimed by {by}; this run goes on if the claim is not "
      f"renewed within {_LEASE_SECONDS:g} seconds."
    )
    end = time.monotonic() + _LEASE_SECONDS
    while time.monotonic() < end:
      time.sleep(_PAUSE_SECONDS)
      now = buckets.find_item(self._path)
      if now is None or now.generation != item.generation:
        if now and not _parse(buckets.read(self._path)).get("is_released"):
          raise occupancy.in_use(self._shown, by)
        return now
    return item


def _parse(content: bytes) -> dict[str, Any]:
  try:
    found = json.loads(content)
  except ValueError:
    return {}
  return found if isinstance(found, dict) else {}
