"""Inert stand-ins for what a pickle of arrays names.

The functions that NumPy, JAX and Haiku write into pickles are never imported or
called. Those below are called in their place, with plain data and one another.
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
_OPTIMIZER_STATE = re.compile(r"optax\._src\.[a-z_]+\.[A-Za-z]+State")
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
class Function:
  """An admitted function or class, by its full name."""

  name: str
  budget: Budget

  def __call__(self, *arguments: Any) -> Any:
    """Returns the result of the stand-in for plain data."""
    if self.name == _NDARRAY:
      raise errors.CheckpointError(
        f"it calls {_NDARRAY}; expected a constructor of NumPy, JAX or Haiku"
      )
    return _FUNCTIONS[self.name](self.budget, *arguments)

  def __setstate__(self, state: Any) -> None:
    """Raises an error; without this, the unpickler would set attributes."""
    raise TypeError(f"{self.name} has no state")


@dataclasses.dataclass(eq=False)
class Dtype:
  """A type of numbers, at first of unknown byte order."""

  dtype: np.dtype

  def __setstate__(self, state: Any) -> None:
    """Sets the byte order."""
    _, order, subarray, names, fields, *_ = _checked(state, tuple)
    if (subarray, names, fields) != (None, None, None):
      raise errors.CheckpointError("a dtype has parts; expected plain numbers")
    self.dtype = self.dtype.newbyteorder(order)


@dataclasses.dataclass(eq=False)
class Array:
  """An array, at first without content; then it shares the file's bytes."""

  budget: Budget
  content: np.ndarray | None = None

  def __setstate__(self, state: Any) -> None:
    """Sets the content."""
    _, shape, dtype, fortran, content = _checked(state, tuple)
    order = "F" if fortran else "C"
    self.content = _array(self.budget, content, dtype, shape, order)


class OptimizerState:
  """A state of optax, which is not kept."""

  def __new__(cls, *parts: Any) -> "OptimizerState":
    """Returns one without its parts."""
    del parts
    return super().__new__(cls)

  def __setstate__(self, state: Any) -> None:
    """Raises an error; without this, the unpickler would set attributes."""
    raise TypeError("a state of optax is a tuple")


def find(name: str, budget: Budget) -> Function | type[OptimizerState]:
  """Returns the stand-in for a full name in a pickle.

  Raises:
    CheckpointError: if the name is not admitted.
  """
  if _OPTIMIZER_STATE.fullmatch(name):
    return OptimizerState
  if name not in _FUNCTIONS and name != _NDARRAY:
    raise errors.CheckpointError(
      f"it names {errors.shorten(name)}; expected nothing but arrays of NumPy "
      "or JAX and mappings of Python or Haiku"
    )
  return Function(name, budget)


def _checked(value: Any, *kinds: type) -> Any:
  """Returns a value that is of one of some types, and of no subtype.

  Raises:
    TypeError: if it is not.
  """
  if type(value) not in kinds:
    expected = " or ".join(kind.__name__ for kind in kinds)
    raise TypeError(f"{type(value).__name__} instead of {expected}")
  return value


def _array(
  budget: Budget, content: Any, dtype: Any, shape: Any, order: Any
) -> np.ndarray:
  """Returns the array that some bytes are, without copying them."""
  numbers = _checked(dtype, Dtype).dtype
  if order not in ("C", "F"):
    raise TypeError("no order of axes")
  if len(_checked(shape, tuple)) > _MAX_AXES or not all(
    type(size) is int and size >= 0 for size in shape
  ):
    raise errors.CheckpointError("an array has an impossible shape")
  length = len(_checked(content, bytes, bytearray))
  expected = math.prod(shape) * numbers.itemsize
  if length != expected:
    raise errors.CheckpointError(
      f"an array of shape {errors.shorten(str(shape))} and dtype {numbers} has "
      f"{length} bytes; expected {errors.shorten(expected)}"
    )
  budget.charge(expected)
  return np.frombuffer(content, numbers).reshape(shape, order=order)


def _dtype(budget: Budget, code: Any, align: Any, copy: Any) -> Dtype:
  if type(code) is not str or not _DTYPE.fullmatch(code):
    raise errors.CheckpointError(
      f"an array has dtype {errors.shorten(code)}; expected booleans, integers "
      "or floating point"
    )
  return Dtype(np.dtype(code))


def _reconstruct(budget: Budget, kind: Any, shape: Any, code: Any) -> Array:
  if _checked(kind, Function).name != _NDARRAY:
    raise TypeError("no array of NumPy")
  return Array(budget)


def _scalar(budget: Budget, dtype: Any, content: Any) -> Array:
  return Array(budget, _array(budget, content, dtype, (), "C"))


def _from_buffer(
  budget: Budget, content: Any, dtype: Any, shape: Any, order: Any
) -> Array:
  return Array(budget, _array(budget, content, dtype, shape, order))


def _jax_array(
  budget: Budget, function: Any, arguments: Any, state: Any, aval: Any
) -> Array:
  array = _checked(function, Function)(*_checked(arguments, tuple))
  _checked(array, Array).__setstate__(state)
  return array


def _mapping(budget: Budget, content: Any = None) -> dict[str, Any]:
  """Returns a mapping as the dict that it was made from."""
  return {} if content is None else _checked(content, dict)


def _encode(budget: Budget, text: Any, encoding: Any) -> bytes:
  """Returns bytes, which protocol 2 holds as text."""
  if encoding != "latin1":
    raise TypeError("no encoding of bytes")
  budget.charge(len(_checked(text, str)))
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
