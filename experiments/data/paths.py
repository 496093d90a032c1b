"""Paths as people write them: on this machine, with `~` expanded.

Run folders need locks, renamed folders and files that grow, and data files are
mapped into memory, all of which object stores lack. Addresses of buckets are
therefore taken only where there can be a copy on this machine, and all others
refused, where a path would read s3://a/b as the folder ./s3:/a/b.
"""

import pathlib
import re

from perceiver import errors

# Schemes have two letters at least; shells and paths may have cut a slash.
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/+(.*)", re.IGNORECASE)


class PathError(errors.PerceiverError):
  """A text is no path on this machine.

  It is no ValueError, after which tyro would try other readings of the text.

  Attributes:
    text: the text.
    reason: what was expected, and a remedy.
  """

  def __init__(self, text: str, reason: str) -> None:
    super().__init__(f"a path is {text!r}; {reason}")
    self.text, self.reason = text, reason


def local(text: str) -> pathlib.Path:
  """Returns a path, with ~ and ~USER expanded.

  Raises:
    PathError: if it is empty, the address of something elsewhere, or there is
      no such home folder.
  """
  if not text:
    raise PathError(text, "expected a path on this machine.")
  if address := _ADDRESS.fullmatch(text):
    raise PathError(text, _refusal(address[1].lower(), address[2]))
  try:
    return pathlib.Path(text).expanduser()
  except RuntimeError as error:
    home = text.partition("/")[0]
    raise PathError(
      text, f"this machine has no home folder {home}; expected a whole path."
    ) from error


def place(text: str) -> pathlib.Path:
  """Returns a path, or the address of something in a bucket, gs://….

  Raises:
    PathError: if it is neither.
  """
  address = _ADDRESS.fullmatch(text)
  if address and address[1].lower() == "gs":
    parts = [part for part in address[2].split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
      raise PathError(text, "expected gs://BUCKET/PATH.")
    return pathlib.Path("gs:", *parts)
  path = local(text)  # One that looks like an address is written in full.
  return path.absolute() if path.parts[:1] == ("gs:",) else path


def mounting(bucket: str) -> str:
  """Returns the command that mounts a bucket, for messages."""
  options = "--implicit-dirs --rename-dir-limit 100000"
  return f"`gcsfuse {options} {bucket} DIR`"


def _refusal(scheme: str, rest: str) -> str:
  expected = "expected a path on this machine"
  if scheme == "file":
    return f"{expected}, without file://: /{rest}"
  if scheme in ("gs", "gcs"):
    bucket, _, inside = rest.partition("/")
    mount = mounting(bucket)
    return f"{expected}. Mount the bucket, {mount}, and give DIR/{inside}"
  return f"{expected}, such as a folder where {scheme}:// is mounted."
