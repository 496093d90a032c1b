"""Reading of pickled mappings of arrays without running foreign code.

A pickle is a program, and Python's own reader runs it: it imports what is
named, calls it, and makes room for what is declared. Here every instruction is
checked first, and names stand for inert functions of ours; see `unpickler`.
"""

from collections.abc import Collection
import contextlib
import dataclasses
import os
import pathlib
from typing import Any
import zipfile

from perceiver.checkpoints import errors
from perceiver.checkpoints.pickle import arrays
from perceiver.checkpoints.pickle import unpickler

_MAX_DEPTH = 8  # of mappings in mappings
_MAX_KEY = 500  # characters
_ZIP = b"PK"
_MAX_RATIO = 100  # of a zip; weights hardly shrink, zeros a thousandfold


def is_pickle(path: pathlib.Path) -> bool:
  """Returns whether a file begins as a pickle of protocol 2 to 5 does.

  It may be the only file of a zip.
  """
  with open(path, "rb") as file:
    start = file.read(2)
  if start == _ZIP:
    with contextlib.suppress(errors.CheckpointError):
      start = _unzipped(path, 2)
  return len(start) == 2 and start[0] == 0x80 and 2 <= start[1] <= 5


def _unzipped(path: pathlib.Path, most: int | None = None) -> bytes:
  """Returns the first bytes of the only file in a zip, all if `most` is None.

  Raises:
    CheckpointError: if it is damaged, or has more files or too many bytes.
  """
  try:
    with zipfile.ZipFile(path) as archive:
      members = [x for x in archive.infolist() if not x.is_dir()]
      if len(members) != 1:
        raise errors.CheckpointError(
          f"it is a zip of {len(members)} files; expected one"
        )
      size = members[0].file_size
      allowed = min(unpickler.MAX_BYTES, _MAX_RATIO * path.stat().st_size)
      if size > allowed:
        raise errors.CheckpointError(
          f"it is a zip of {size} bytes; expected at most {allowed}"
        )
      with archive.open(members[0]) as member:
        return member.read(size if most is None else most)
  except errors.CheckpointError:
    raise
  except Exception as error:  # of several kinds
    raise errors.CheckpointError(
      f"it is a damaged zip: {type(error).__name__}"
    ) from None


def read(
  path: str | os.PathLike[str], without: Collection[str] = ()
) -> dict[str, Any]:
  """Returns a pickled mapping, of strings to arrays or to more mappings.

  The file may be the only one of a zip. Entries called as one in `without` are
  left out, whatever they hold.

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
  try:
    unpickler.size_of(path)
    # Not kept here: the arrays would then exist three times.
    found, num_instructions = unpickler.run(_content(path))
    if type(found) is not dict:
      raise errors.CheckpointError(
        f"it holds {_kind(found)}; expected a mapping"
      )
    copy = _Copy({}, {})
    found = {name: x for name, x in found.items() if name not in without}
    result = copy.tree(found)
    if copy.sizes[id(found)] > num_instructions:
      raise errors.CheckpointError(
        "its mappings share so much that they have more entries than the file "
        "has instructions"
      )
    return result
  except errors.CheckpointError as error:
    raise errors.CheckpointError(
      f"Checkpoint: {path} cannot be read as a pickle of arrays: {error}."
    ) from None


def _content(path: pathlib.Path) -> bytes:
  with open(path, "rb") as file:
    if file.read(2) == _ZIP:
      return _unzipped(path)
    file.seek(0)
    return file.read()


@dataclasses.dataclass(frozen=True)
class _Copy:
  """Copies of shared mappings and arrays, each made once.

  Attributes:
    copies: by the identity of what was copied.
    sizes: numbers of arrays and mappings, shared ones counted every time.
  """

  copies: dict[int, Any]
  sizes: dict[int, int]

  def tree(self, found: dict[str, Any], depth: int = 1) -> dict[str, Any]:
    """Returns a tree of dicts and arrays, and refuses anything else."""
    if depth > _MAX_DEPTH:
      raise errors.CheckpointError(
        f"mappings are nested more than {_MAX_DEPTH} times"
      )
    if id(found) not in self.copies:
      result, size = {}, 1
      for key, value in found.items():
        result[key] = self._entry(key, value, depth)
        size += self.sizes.get(id(value), 1)
      self.copies[id(found)] = result
      self.sizes[id(found)] = size
    return self.copies[id(found)]

  def _entry(self, key: str, value: Any, depth: int) -> Any:
    if type(value) not in (dict, arrays.Array):
      raise errors.CheckpointError(
        f"entry {errors.shorten(key)} is {_kind(value)}; expected an array or "
        "a mapping"
      )
    if len(key) > _MAX_KEY:
      raise errors.CheckpointError(
        f"entry {errors.shorten(key)} has a name of {len(key)} characters; "
        f"expected at most {_MAX_KEY}"
      )
    if type(value) is dict:
      return self.tree(value, depth + 1)
    if value.content is None:
      raise errors.CheckpointError("an array has no content")
    if id(value) not in self.copies:
      native = value.content.dtype.newbyteorder("=")
      self.copies[id(value)] = value.content.astype(native, order="C")
    return self.copies[id(value)]


def _kind(found: Any) -> str:
  return "nothing" if found is None else type(found).__name__.lower()
