"""Files in buckets of Google Cloud Storage: addresses and objects.

An address is a path that begins with "gs:", as pathlib makes it of gs://a/b.
"""

import base64
from collections.abc import Iterator
import contextlib
import functools
import os
import pathlib
from typing import Any, NamedTuple

from experiments.data import files
from perceiver import errors

_REQUEST_SECONDS = 60
# For how long a network that does not answer is tried again.
_READING_SECONDS = 30.0
_WRITING_SECONDS = 300.0
_ADVICE = (
  "Give a key's file in GOOGLE_APPLICATION_CREDENTIALS, or sign in with "
  "`gcloud auth application-default login`."
)
_GONE = "it was removed meanwhile"


class BucketError(files.InputError):
  """A bucket, or what is in it, cannot be used."""


class ChangedError(BucketError):
  """Something else has been written in a bucket than was expected there."""


class Item(NamedTuple):
  """An object of a bucket, without its content."""

  generation: int  # another one after each writing
  size: int
  checksum: str  # CRC32C, big-endian, in base 64
  time: int  # of writing, in nanoseconds since 1970


def is_address(path: pathlib.Path) -> bool:
  """Returns whether a path is the address of something in a bucket."""
  return path.parts[:1] == ("gs:",)


def shown(path: pathlib.Path) -> str:
  """Returns an address as people write it, and any other path as it is."""
  return f"gs://{'/'.join(path.parts[1:])}" if is_address(path) else str(path)


def list_items(path: pathlib.Path) -> dict[str, Item]:
  """Returns the objects below an address, by their names relative to it.

  Args:
    path: of a folder; an object that is there itself has the name ".".

  Raises:
    BucketError: if they cannot be listed, or one has a name unfit for a file.
  """
  if (alone := find_item(path)) is not None:
    return {".": alone}
  name, found = _name(path), dict[str, Item]()
  prefix = f"{name}/" if name else ""
  fields = "items(name,generation,size,crc32c,updated),nextPageToken"
  with _explaining(path):
    for blob in _client().list_blobs(
      path.parts[1],
      prefix=prefix,
      fields=fields,
      **_limits(_READING_SECONDS),
    ):
      inside = blob.name.removeprefix(prefix)
      if inside.endswith("/") or not inside:
        continue  # It stands for a folder.
      if {"", ".", ".."} & {*inside.split("/")}:
        raise BucketError(
          f"{shown(path)} has {blob.name!r}, no name of a file."
        )
      found[inside] = _item(blob)
  return found


def find_item(path: pathlib.Path) -> Item | None:
  """Returns the object of an address, None if there is none.

  Raises:
    BucketError: if that cannot be found out.
  """
  name = _name(path)
  if not name:
    return None
  with _explaining(path):
    blob = _bucket(path).get_blob(name, **_limits(_READING_SECONDS))
  return _item(blob) if blob is not None else None


def read(path: pathlib.Path) -> bytes:
  """Returns the content of an object.

  Raises:
    BucketError: if it cannot be read.
  """
  with _explaining(path, _GONE):
    limits = _limits(_READING_SECONDS)
    return bytes(_blob(path).download_as_bytes(**limits))


def download(path: pathlib.Path, file: pathlib.Path, generation: int) -> None:
  """Reads an object into a file.

  Raises:
    BucketError: if it cannot be read, or is of another generation by now.
  """
  with _explaining(path, _GONE):
    limits = _limits(_READING_SECONDS)
    _blob(path, generation).download_to_filename(str(file), **limits)


def write(
  path: pathlib.Path, content: bytes | pathlib.Path, generation: int
) -> Item:
  """Writes an object.

  Args:
    path: its address.
    content: its bytes, or a file.
    generation: that of the object that is there, 0 for none.

  Raises:
    ChangedError: if something else is there.
    BucketError: if it cannot be written.
  """
  expected = checksum(content)
  settings = {
    "content_type": "application/octet-stream",
    "if_generation_match": generation,
    **_limits(_WRITING_SECONDS),
  }
  try:
    with _explaining(path):
      blob = _blob(path)
      if isinstance(content, pathlib.Path):
        blob.upload_from_filename(str(content), **settings)
      else:
        blob.upload_from_string(content, **settings)
      return _item(blob)
  except ChangedError:
    # A first try may have succeeded, and its answer was lost.
    item = find_item(path)
    if item is None or item.checksum != expected:
      raise
    return item


def delete(path: pathlib.Path, generation: int) -> None:
  """Removes an object, if it is there.

  Raises:
    ChangedError: if it is of another generation.
    BucketError: if it cannot be removed.
  """
  from google.api_core import exceptions

  with _explaining(path), contextlib.suppress(exceptions.NotFound):
    limits = _limits(_WRITING_SECONDS)
    _blob(path).delete(if_generation_match=generation, **limits)


def checksum(content: bytes | pathlib.Path) -> str:
  """Returns the checksum of bytes, or of a file, as an `Item` has it."""
  import google_crc32c

  found = google_crc32c.Checksum()
  if isinstance(content, pathlib.Path):
    with content.open("rb") as file:
      while block := file.read(1 << 20):
        found.update(block)
  else:
    found.update(content)
  return base64.b64encode(found.digest()).decode()


def _item(blob: Any) -> Item:
  seconds = blob.updated.timestamp() if blob.updated else 0
  return Item(
    int(blob.generation), int(blob.size), blob.crc32c, int(seconds * 1e9)
  )


def _name(path: pathlib.Path) -> str:
  return "/".join(path.parts[2:])


def _bucket(path: pathlib.Path) -> Any:
  return _client().bucket(path.parts[1])


def _blob(path: pathlib.Path, generation: int | None = None) -> Any:
  return _bucket(path).blob(_name(path), generation=generation)


def _limits(seconds: float) -> dict[str, Any]:
  """Returns the arguments of requests that are tried again for a while."""
  from google.cloud.storage import retry

  found = retry.DEFAULT_RETRY.with_timeout(seconds)
  return {"timeout": _REQUEST_SECONDS, "retry": found}


def _client() -> Any:
  return _client_of(os.environ.get("STORAGE_EMULATOR_HOST"))


@functools.lru_cache(maxsize=1)
def _client_of(emulator: str | None) -> Any:
  """Returns the client, without credentials if there are none."""
  import google.auth
  from google.auth import credentials
  from google.auth import exceptions
  from google.cloud import storage

  if emulator:
    return storage.Client(project=None)
  try:
    found, _ = google.auth.default(scopes=storage.Client.SCOPE)
  except exceptions.DefaultCredentialsError as error:
    if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
      raise BucketError(f"Credentials: {error}") from error
    found = credentials.AnonymousCredentials()
  return storage.Client(project=None, credentials=found)


@contextlib.contextmanager
def _explaining(path: pathlib.Path, missing: str = "") -> Iterator[None]:
  """Turns errors of the client into `BucketError`, of one line.

  Args:
    path: the address.
    missing: the meaning of "not found", if it is not that of a bucket.
  """
  place = shown(path)
  try:
    from google.api_core import exceptions
    from google.auth import exceptions as auth_exceptions
    from google.cloud.storage import exceptions as storage_exceptions
    import requests
  except ImportError as error:
    raise BucketError(
      f"{place} needs google-cloud-storage: `pip install "
      f"-e '.[gcs]'` ({error})."
    ) from error
  try:
    yield
  except exceptions.PreconditionFailed as error:
    raise ChangedError(f"{place} was changed by somebody else.") from error
  except exceptions.NotFound as error:
    found = missing or f"there is no bucket {path.parts[1]}"
    raise BucketError(f"{place}: {found}.") from error
  except (exceptions.Unauthorized, exceptions.Forbidden) as error:
    advice = "" if _has_credentials() else f" {_ADVICE}"
    raise BucketError(
      f"{place}: no permission: {_reason(error)}{advice}"
    ) from error
  except auth_exceptions.GoogleAuthError as error:
    reason = "no permission without credentials."  # It has tried to renew them.
    if _has_credentials():
      reason = _reason(error)
    raise BucketError(f"{place}: {reason} {_ADVICE}") from error
  except (
    exceptions.GoogleAPIError,
    requests.RequestException,
    storage_exceptions.DataCorruption,
    storage_exceptions.InvalidResponse,
    ValueError,
  ) as error:
    if isinstance(error, errors.PerceiverError):
      raise
    raise BucketError(f"{place} cannot be reached: {_reason(error)}") from error


def _has_credentials() -> bool:
  from google.auth import credentials

  found = _client()._credentials
  return not isinstance(found, credentials.AnonymousCredentials)


def _reason(error: Exception) -> str:
  """Returns the message of the server, or the first cause of an error."""
  response = getattr(error, "response", None)
  with contextlib.suppress(AttributeError, LookupError, TypeError, ValueError):
    return str(response.json()["error"]["message"])  # type: ignore[union-attr]
  while isinstance(cause := error.__cause__ or error.__context__, Exception):
    error = cause
  return " ".join(str(error).split())[:300] or type(error).__name__
