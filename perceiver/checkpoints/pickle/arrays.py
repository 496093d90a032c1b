"""What a pickle of arrays may name, as inert stand-ins.

The functions that NumPy, JAX and Haiku write into pickles are represented by
their names; what they would do with plain data is done here anew.
"""

from collections.abc import Callable
import dataclasses
import math
import re
from typing import Any

import numpy as np

from perceiver.checkpoints import errors

_MAX_AXES = 32
_NDARRAY = "numpy.ndarray"  # named, never called
_DTYPE = re.compile(r"b1|[iu][1248]|f[248]")


@dataclasses.dataclass(eq=False)
class Budget:
  """Bytes that may still be made; every byte of a file is used once."""

  left: int

  def charge(self, count: int) -> None:
    """Takes bytes away, and raises an error if there are none left."""
    self.left -= count
    if self.left < 0:
      raise errors.CheckpointError("its arrays are larger than the file")


@dataclasses.dataclass(frozen=True, eq=False)
class Name:
  """The full name of an admitted function or class."""

  text: str


@dataclasses.dataclass(eq=False)
class Dtype:
  """A type of numbers, at first of unknown byte order."""

  dtype: np.dtype


@dataclasses.dataclass(eq=False)
class Array:
  """An array, at first without content; then it shares the file's bytes."""

  content: np.ndarray | None = None


def name(module: Any, attribute: Any) -> Name:
  """Returns the stand-in for what a pickle names.

  Raises:
    CheckpointError: if it is not admitted.
  """
  text = f"{module}.{attribute}"
  plain = type(module) is str and type(attribute) is str
  if not plain or (text not in _FUNCTIONS and text != _NDARRAY):
    raise errors.CheckpointError(
      f"it asks for {errors.shorten(text)}; expected nothing but arrays of "
      "NumPy or JAX and mappings of Python or Haiku"
    )
  return Name(text)


def call(function: Any, arguments: Any, budget: Budget) -> Any:
  """Returns what an admitted function gives for plain data."""
  if type(function) is not Name or function.text not in _FUNCTIONS:
    raise errors.CheckpointError(
      f"it calls {errors.shorten(getattr(function, 'text', function))}; "
      "expected one of NumPy's, JAX's or Haiku's constructors"
    )
  if type(arguments) is not tuple:
    raise TypeError
  return _FUNCTIONS[function.text](budget, *arguments)


def build(target: Any, state: Any, budget: Budget) -> None:
  """Gives an array its content, or a dtype its byte order."""
  if type(state) is not tuple:
    raise TypeError
  if type(target) is Dtype:
    _, order, subarray, names, fields, *_ = state
    if (subarray, names, fields) != (None, None, None):
      raise errors.CheckpointError("a dtype has parts; expected plain numbers")
    target.dtype = target.dtype.newbyteorder(order)
  elif type(target) is Array:
    _, shape, dtype, fortran, content = state
    target.content = _array(
      budget, content, dtype, shape, "F" if fortran else "C"
    )
  else:
    raise TypeError


def _array(
  budget: Budget, content: Any, dtype: Any, shape: Any, order: Any
) -> np.ndarray:
  """Returns the array that some bytes are, without copying them."""
  if type(dtype) is not Dtype or type(shape) is not tuple:
    raise TypeError
  if type(content) not in (bytes, memoryview) or order not in ("C", "F"):
    raise TypeError
  if len(shape) > _MAX_AXES or not all(
    type(size) is int and size >= 0 for size in shape
  ):
    raise errors.CheckpointError("an array has an impossible shape")
  expected = math.prod(shape) * dtype.dtype.itemsize
  if len(content) != expected:
    raise errors.CheckpointError(
      f"an array of shape {errors.shorten(str(shape))} and dtype {dtype.dtype} "
      f"has {len(content)} bytes; expected {expected}"
    )
  budget.charge(expected)
  return np.frombuffer(content, dtype.dtype).reshape(shape, order=order)


def _dtype(budget: Budget, code: Any, align: Any, copy: Any) -> Dtype:
  if type(code) is not str or not _DTYPE.fullmatch(code):
    raise errors.CheckpointError(
      f"an array has dtype {errors.shorten(code)}; expected booleans, integers "
      "or floating point"
    )
  return Dtype(np.dtype(code))


def _reconstruct(budget: Budget, kind: Any, shape: Any, code: Any) -> Array:
  if type(kind) is not Name or kind.text != _NDARRAY:
    raise TypeError
  return Array()


def _scalar(budget: Budget, dtype: Any, content: Any) -> Array:
  return Array(_array(budget, content, dtype, (), "C"))


def _from_buffer(
  budget: Budget, content: Any, dtype: Any, shape: Any, order: Any
) -> Array:
  return Array(_array(budget, content, dtype, shape, order))


def _jax_array(
  budget: Budget, function: Any, arguments: Any, state: Any, aval: Any
) -> Array:
  array = call(function, arguments, budget)
  build(array, state, budget)
  if type(array) is not Array:
    raise TypeError
  return array


def _mapping(budget: Budget, content: Any = None) -> dict[str, Any]:
  """Returns a mapping as the dict that it was made from."""
  if content is None:
    return {}
  if type(content) is not dict:
    raise TypeError
  return content


def _encode(budget: Budget, text: Any, encoding: Any) -> bytes:
  """Returns bytes, which protocol 2 holds as text."""
  if type(text) is not str or encoding != "latin1":
    raise TypeError
  budget.charge(len(text))
  return text.encode("latin1")


def _no_bytes(budget: Budget) -> bytes:
  """Returns the one value of bytes that protocol 2 does not hold as text."""
  return b""


_FUNCTIONS: dict[str, Callable[..., Any]] = {
  "__builtin__.bytes": _no_bytes,
  "_codecs.encode": _encode,
  "numpy.dtype": _dtype,
  **{
    f"numpy.{core}.{function}": stand_in
    for core in ("core", "_core")
    for function, stand_in in (
      ("multiarray._reconstruct", _reconstruct),
      ("multiarray.scalar", _scalar),
      ("numeric._frombuffer", _from_buffer),
    )
  },
  # Before 2021, until the end of 2022, and since.
  "jax.interpreters.xla.reconstruct_device_array": _jax_array,
  "jax._src.device_array.reconstruct_device_array": _jax_array,
  "jax._src.array._reconstruct_array": _jax_array,
  **dict.fromkeys(
    (
      "__builtin__.dict",
      "builtins.dict",
      "collections.OrderedDict",
      "haiku._src.data_structures.FlatMap",
      "haiku._src.data_structures.FlatMapping",
      "haiku._src.data_structures.frozendict",
    ),
    _mapping,
  ),
}
