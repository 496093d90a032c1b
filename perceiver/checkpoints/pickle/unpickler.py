"""Unpickling of arrays and mappings in bounded time and memory.

Python's own unpickler does the work, after a first pass over the instructions
(PEP 307, 3154, 574) that builds nothing. That pass admits only what arrays and
mappings are made of, and refuses what would cost the unpickler more than the
file's size can justify: room for declared lengths and memo indices, long tuples
that are copied by every use, and keys other than strings, because hashing
nested tuples can take exponential time. What a pickle names is replaced by the
inert stand-ins of `arrays`.
"""

from collections.abc import Callable, Sequence
import io
import pathlib
import pickle
import pickletools
from typing import Any

from perceiver.checkpoints import errors
from perceiver.checkpoints.pickle import arrays

MAX_BYTES = 4 * 2**30
_MAX_INSTRUCTIONS = 2 * 10**6
_MAX_TUPLE = 40  # more than an array has axes
_NAMES = """
  PROTO FRAME STOP MARK POP POP_MARK BINPUT LONG_BINPUT MEMOIZE BINGET
  LONG_BINGET NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT
  SHORT_BINUNICODE BINUNICODE BINUNICODE8 SHORT_BINBYTES BINBYTES BINBYTES8
  BYTEARRAY8 EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3 TUPLE EMPTY_DICT DICT SETITEM
  SETITEMS GLOBAL STACK_GLOBAL REDUCE NEWOBJ BUILD
"""
_ADMITTED = frozenset(_NAMES.split())
_RESERVING = ("FRAME", "BINPUT", "LONG_BINPUT")
# Keys among the values that an instruction uses.
_KEYS = {
  "SETITEM": slice(1, 2),
  "SETITEMS": slice(0, None, 2),
  "DICT": slice(0, None, 2),
}


def size_of(path: pathlib.Path) -> int:
  """Returns the bytes of a file that is to be read whole.

  Raises:
    CheckpointError: if there are too many.
  """
  size = path.stat().st_size
  if size > MAX_BYTES:
    raise errors.CheckpointError(
      f"it has {size} bytes; expected at most {MAX_BYTES}"
    )
  return size


def run(
  content: bytes,
  find: Callable[[str, arrays.Budget], Any] = arrays.find,
  load: Callable[[Any], Any] | None = None,
) -> tuple[Any, int]:
  """Unpickles what consists of arrays, mappings and plain values.

  Args:
    content: the pickle.
    find: gives the stand-in for a full name, or raises an error.
    load: gives what a reference to something outside the pickle stands for;
      such references are refused if None.

  Returns:
    The result, made of None, bool, int, float, str, bytes, bytearray, tuple,
    dict, and the stand-ins of `find`; and the number of instructions.

  Raises:
    CheckpointError: if the pickle is damaged or names anything else.
  """
  try:
    admitted = _ADMITTED if load is None else _ADMITTED | {"BINPERSID"}
    count = _Checker(len(content), admitted).check(content)
    return _Unpickler(content, find, load).load(), count
  except errors.CheckpointError:
    raise
  except Exception as error:
    # Whatever does not fit together; no code but ours and Python's has run.
    raise errors.CheckpointError(
      f"it is damaged: {type(error).__name__}, {errors.shorten(str(error))}"
    ) from None


class _Unpickler(pickle.Unpickler):
  """Python's unpickler, which finds nothing but stand-ins."""

  def __init__(
    self,
    content: bytes,
    find: Callable[[str, arrays.Budget], Any],
    load: Callable[[Any], Any] | None,
  ):
    super().__init__(io.BytesIO(content))
    self._budget = arrays.Budget(2 * len(content))
    self._find, self._load = find, load

  def find_class(self, module: str, name: str) -> Any:
    return self._find(f"{module}.{name}", self._budget)

  def persistent_load(self, reference: Any) -> Any:
    """Returns the stand-in for a reference to something outside."""
    if self._load is None:
      raise pickle.UnpicklingError("a reference to something outside")
    return self._load(reference)


class _Checker:
  """Kinds of the values that would be on the stack and in the memo."""

  def __init__(self, size: int, admitted: frozenset[str]):
    self._size = size
    self._admitted = admitted
    self._stack: list[pickletools.StackObject] = []
    self._marks: list[int] = []  # sizes of the stack below the marks
    self._memo: dict[int, pickletools.StackObject] = {}

  def check(self, content: bytes) -> int:
    """Returns the number of instructions.

    Raises:
      CheckpointError: if one of them is refused.
      Exception: of several kinds, if they do not fit together.
    """
    count, last = 0, 0
    for opcode, argument, position in pickletools.genops(io.BytesIO(content)):
      last = position or 0
      if (opcode.name == "PROTO") != (count == 0):
        raise errors.CheckpointError(
          "it does not begin as pickles of protocol 2 to 5 do"
        )
      if opcode.name not in self._admitted:
        raise errors.CheckpointError(
          f"it has an instruction {opcode.name} at byte {last}, which arrays "
          "and mappings do not need"
        )
      if count == _MAX_INSTRUCTIONS:
        raise errors.CheckpointError(f"it has more than {count} instructions")
      count += 1
      self._check_size(opcode.name, argument, last, count)
      self._step(opcode, argument)
    if last + 1 != self._size:
      raise errors.CheckpointError(f"it ends at byte {last} of {self._size}")
    if self._stack or self._marks:
      raise errors.CheckpointError("it leaves more than one value")
    return count

  def _check_size(
    self, name: str, argument: Any, position: int, count: int
  ) -> None:
    """Raises if room for more than the file justifies would be made."""
    limit = self._size - position if name == "FRAME" else count
    if name in _RESERVING and argument > limit:
      raise errors.CheckpointError(
        f"{name} at byte {position} has {argument}; expected at most {limit}"
      )

  def _step(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
    """Changes stack and memo as an instruction does."""
    name = opcode.name
    if name in ("BINGET", "LONG_BINGET"):
      self._stack.append(self._memo[argument])
    elif name in ("BINPUT", "LONG_BINPUT"):
      self._memo[argument] = self._stack[-1]
    elif name == "MEMOIZE":
      self._memo[len(self._memo)] = self._stack[-1]
    elif name == "MARK":
      self._marks.append(len(self._stack))
    else:
      self._check_items(name, self._pop(opcode.stack_before))
      self._stack += opcode.stack_after

  def _pop(
    self, wanted: Sequence[pickletools.StackObject]
  ) -> list[pickletools.StackObject]:
    """Removes what an instruction uses; returns it without what it changes."""
    to_mark = pickletools.markobject in wanted
    end = self._marks.pop() if to_mark else len(self._stack)
    below = wanted.index(pickletools.markobject) if to_mark else len(wanted)
    start = end - below
    if start < (self._marks[-1] if self._marks else 0):
      raise IndexError("too few values")
    items = self._stack[end if to_mark else start :]
    del self._stack[start:]
    return items

  def _check_items(
    self, name: str, items: Sequence[pickletools.StackObject]
  ) -> None:
    """Raises if a tuple is too long or a key is not a string."""
    if name == "TUPLE" and len(items) > _MAX_TUPLE:
      raise errors.CheckpointError(
        f"it has a tuple of {len(items)} values; expected at most {_MAX_TUPLE}"
      )
    if name not in _KEYS:
      return
    for key in items[_KEYS[name]]:
      if key is not pickletools.pyunicode:
        raise errors.CheckpointError(
          f"a mapping has a key of kind {key.name}; expected a string"
        )
