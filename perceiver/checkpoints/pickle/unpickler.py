"""A machine for those instructions of pickles that arrays and mappings need.

Instructions of protocols 2 to 5 (PEP 307, 3154, 574) work on a stack and a
memo. Where a pickle names a function or class, the machine puts its name on the
stack; calling one runs code of ours of that name in `pickle_arrays`, or fails.
Time and memory are bounded by the size of the file: instructions are counted,
nothing is made room for by its declared size, and keys are strings, as hashing
nested tuples can take for ever.
"""

from collections.abc import Callable
import pickle
import struct
from typing import Any

from perceiver.checkpoints import errors
from perceiver.checkpoints.pickle import arrays

_MAX_INSTRUCTIONS = 2 * 10**6
_MAX_NAME = 200

# Bytes that follow an instruction, and how to read them.
_NUMBERS = {
  pickle.BININT: "<i",
  pickle.BININT1: "<B",
  pickle.BININT2: "<H",
  pickle.BINFLOAT: ">d",
}
# Bytes that say how long the rest is.
_STRINGS = {
  pickle.SHORT_BINUNICODE: "<B",
  pickle.BINUNICODE: "<I",
  pickle.BINUNICODE8: "<Q",
}
_BYTES = {
  pickle.SHORT_BINBYTES: "<B",
  pickle.BINBYTES: "<I",
  pickle.BINBYTES8: "<Q",
  pickle.BYTEARRAY8: "<Q",
}
_CONSTANTS: dict[bytes, Any] = {
  pickle.NONE: None,
  pickle.NEWTRUE: True,
  pickle.NEWFALSE: False,
  pickle.EMPTY_TUPLE: (),
}
_PUTS = {pickle.BINPUT: "<B", pickle.LONG_BINPUT: "<I"}
_GETS = {pickle.BINGET: "<B", pickle.LONG_BINGET: "<I"}
_TUPLES = {pickle.TUPLE1: 1, pickle.TUPLE2: 2, pickle.TUPLE3: 3}
_IGNORED = {pickle.PROTO: "<B", pickle.FRAME: "<Q"}


def run(content: bytes) -> Any:
  """Returns what a pickle stands for, made of the types named below.

  Returns:
    None, a bool, int, float, str or memoryview, a tuple or dict of these, an
    `Array`, `Dtype` or `Name` of `pickle_arrays`.

  Raises:
    CheckpointError: if the pickle is damaged or asks for anything else.
  """
  machine = _Machine(content)
  try:
    return machine.run()
  except errors.CheckpointError:
    raise
  except Exception as error:
    # Whatever does not fit together; no code but ours has run.
    raise errors.CheckpointError(
      f"it is damaged at byte {machine.start} of {len(content)}: "
      f"{type(error).__name__} in instruction {machine.instruction!r}"
    ) from None


class _Machine:
  """Stack, memo and place in the file."""

  def __init__(self, content: bytes):
    self.start = 0
    self.instruction = b""
    self._content = memoryview(content)
    self._place = 0
    self._stack: list[Any] = []
    self._below: list[list[Any]] = []  # stacks below the marks
    self._memo: dict[int, Any] = {}
    self._budget = arrays.Budget(2 * len(content))
    self._others: dict[bytes, Callable[[], Any]] = {
      pickle.LONG1: self._long,
      pickle.MARK: self._mark,
      pickle.POP: self._pop,
      pickle.POP_MARK: self._pop_mark,
      pickle.MEMOIZE: self._memoize,
      pickle.EMPTY_DICT: lambda: self._stack.append({}),
      pickle.DICT: self._dict,
      pickle.TUPLE: self._tuple,
      pickle.SETITEM: self._set_item,
      pickle.SETITEMS: self._set_items,
      pickle.GLOBAL: self._global,
      pickle.STACK_GLOBAL: self._stack_global,
      pickle.REDUCE: self._reduce,
      pickle.BUILD: self._build,
    }

  def run(self) -> Any:
    """Runs all instructions up to the end, and returns what is left."""
    if self._content[:1] != pickle.PROTO:
      raise errors.CheckpointError(
        "it does not begin as pickles of protocol 2 to 5 do"
      )
    for _ in range(_MAX_INSTRUCTIONS):
      self.start = self._place
      self.instruction = bytes(self._take(1))
      if self.instruction == pickle.STOP:
        return self._result()
      self._step(self.instruction)
    raise errors.CheckpointError(
      f"it has more than {_MAX_INSTRUCTIONS} instructions"
    )

  def _result(self) -> Any:
    (result,) = self._stack
    if self._below or self._place != len(self._content):
      raise errors.CheckpointError(
        f"it ends at byte {self._place} of {len(self._content)}"
      )
    return result

  def _step(self, instruction: bytes) -> None:
    """Runs one instruction other than STOP."""
    stack = self._stack
    if instruction in _GETS:
      stack.append(self._memo[self._number(_GETS[instruction])])
    elif instruction in _PUTS:
      self._memo[self._number(_PUTS[instruction])] = stack[-1]
    elif instruction in _NUMBERS:
      stack.append(self._number(_NUMBERS[instruction]))
    elif instruction in _STRINGS:
      text = self._take(self._number(_STRINGS[instruction]))
      stack.append(str(text, "utf-8", "surrogatepass"))
    elif instruction in _BYTES:
      stack.append(self._take(self._number(_BYTES[instruction])))
    elif instruction in _CONSTANTS:
      stack.append(_CONSTANTS[instruction])
    elif instruction in _TUPLES:
      count = _TUPLES[instruction]
      stack[-count:] = [self._last(count)]
    elif instruction in _IGNORED:
      self._number(_IGNORED[instruction])
    elif instruction in self._others:
      self._others[instruction]()
    else:
      raise errors.CheckpointError(
        f"it has an instruction {instruction!r} at byte {self.start}, which "
        "arrays and mappings do not need"
      )

  def _take(self, count: int) -> memoryview:
    if count > len(self._content) - self._place:
      raise errors.CheckpointError(
        f"it ends too early: {count} bytes are to follow byte {self._place} of "
        f"{len(self._content)}"
      )
    self._place += count
    return self._content[self._place - count : self._place]

  def _number(self, code: str) -> Any:
    return struct.unpack(code, self._take(struct.calcsize(code)))[0]

  def _last(self, count: int) -> tuple[Any, ...]:
    if count > len(self._stack):
      raise IndexError
    return tuple(self._stack[-count:])

  def _line(self) -> str:
    """Returns text up to the end of the line."""
    window = bytes(self._content[self._place : self._place + _MAX_NAME])
    return str(self._take(window.index(b"\n") + 1), "utf-8").rstrip("\n")

  def _long(self) -> None:
    count = self._number("<B")
    if count > 8:
      raise OverflowError
    number = int.from_bytes(self._take(count), "little", signed=True)
    self._stack.append(number)

  def _mark(self) -> None:
    self._below.append(self._stack)
    self._stack = []

  def _pop(self) -> None:
    self._stack.pop()

  def _pop_mark(self) -> list[Any]:
    items, self._stack = self._stack, self._below.pop()
    return items

  def _memoize(self) -> None:
    self._memo[len(self._memo)] = self._stack[-1]

  def _tuple(self) -> None:
    items = self._pop_mark()
    self._stack.append(tuple(items))

  def _dict(self) -> None:
    items = self._pop_mark()
    self._stack.append({})
    self._update(items)

  def _set_item(self) -> None:
    items = self._last(2)
    del self._stack[-2:]
    self._update(items)

  def _set_items(self) -> None:
    items = self._pop_mark()
    self._update(items)

  def _update(self, items: Any) -> None:
    """Adds keys and values, which alternate, to the mapping on the stack."""
    target = self._stack[-1]
    if type(target) is not dict or len(items) % 2:
      raise TypeError
    for key, value in zip(items[::2], items[1::2]):
      if type(key) is not str:
        raise errors.CheckpointError(
          f"a mapping has the key {errors.shorten(key)}; expected a string"
        )
      target[key] = value

  def _global(self) -> None:
    module = self._line()
    self._stack.append(arrays.name(module, self._line()))

  def _stack_global(self) -> None:
    module, name = self._last(2)
    self._stack[-2:] = [arrays.name(module, name)]

  def _reduce(self) -> None:
    function, arguments = self._last(2)
    self._stack[-2:] = [arrays.call(function, arguments, self._budget)]

  def _build(self) -> None:
    target, state = self._last(2)
    del self._stack[-1:]
    arrays.build(target, state, self._budget)
