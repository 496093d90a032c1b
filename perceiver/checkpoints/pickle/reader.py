"""Reads pickled mappings of arrays without running what a pickle asks for.

A pickle is a program, and Python's own reader runs it: it imports what is
named, calls it, and makes room for what is declared. This reader is a small
machine of its own, in `pickle_machine`. It knows the instructions that arrays
and mappings are made with, imports nothing, and represents the few functions
it admits by stand-ins of ours. Room is made only for what is in the file.
"""

import dataclasses
import hashlib
import os
import pathlib
from typing import Any

from perceiver.checkpoints import errors
from perceiver.checkpoints.pickle import arrays
from perceiver.checkpoints.pickle import unpickler

_MAX_BYTES = 4 * 2**30
_MAX_DEPTH = 8  # of mappings in mappings
_CHUNK = 2**20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Description:
  """What a file is, for comparison with what was published.

  Attributes:
    size: in bytes.
    sha256: of its content, 64 hexadecimal digits.
  """

  size: int
  sha256: str


def describe(path: str | os.PathLike[str]) -> Description:
  """Returns size and SHA-256 of a file without interpreting it."""
  digest, size = hashlib.sha256(), 0
  with open(path, "rb") as file:
    while chunk := file.read(_CHUNK):
      digest.update(chunk)
      size += len(chunk)
  return Description(size=size, sha256=digest.hexdigest())


def is_pickle(path: pathlib.Path) -> bool:
  """Tells whether a file begins as a pickle of protocol 2 to 5 does."""
  with open(path, "rb") as file:
    start = file.read(2)
  return len(start) == 2 and start[0] == 0x80 and 2 <= start[1] <= 5


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
  """Returns a pickled mapping, of strings to arrays or to more mappings.

  Mappings are returned as dicts, whatever they were. Arrays of NumPy, and of
  JAX before and after 2023, are returned as NumPy's, each with memory of its
  own.

  Raises:
    FileNotFoundError: if there is no such file.
    CheckpointError: if the file is damaged, too large, or holds anything else.
  """
  path = pathlib.Path(path)
  if not path.is_file():
    raise FileNotFoundError(
      f"Checkpoint: there is no file {path}; expected a pickle."
    )
  size = path.stat().st_size
  try:
    if size > _MAX_BYTES:
      raise errors.CheckpointError(
        f"it has {size} bytes; expected at most {_MAX_BYTES}"
      )
    with open(path, "rb") as file:
      content = file.read(size)  # reserves what it is asked for
    found = unpickler.run(content)
    if type(found) is not dict:
      raise errors.CheckpointError(
        f"it holds {_kind(found)}; expected a mapping"
      )
    return _copy(found, depth=1, copies={})
  except errors.CheckpointError as error:
    raise errors.CheckpointError(
      f"Checkpoint: {path} cannot be read as a pickle of arrays: {error}."
    ) from None


def _copy(found: Any, depth: int, copies: dict[int, Any]) -> Any:
  """Returns a tree of dicts and arrays, and refuses anything else.

  What stands in several places is copied once, so that no small file can stand
  for a large tree.
  """
  if depth > _MAX_DEPTH:
    raise errors.CheckpointError(
      f"mappings are nested more than {_MAX_DEPTH} times"
    )
  if id(found) in copies:
    return copies[id(found)]
  if type(found) is dict:
    result: Any = {}
    for key, value in found.items():
      if type(value) not in (dict, arrays.Array):
        raise errors.CheckpointError(
          f"entry {errors.shorten(key)} is {_kind(value)}; expected an array "
          "or a mapping"
        )
      result[key] = _copy(value, depth + 1, copies)
  elif found.content is None:
    raise errors.CheckpointError("an array has no content")
  else:
    native = found.content.dtype.newbyteorder("=")
    result = found.content.astype(native, order="C", copy=True)
  copies[id(found)] = result
  return result


def _kind(found: Any) -> str:
  return "nothing" if found is None else type(found).__name__.lower()
