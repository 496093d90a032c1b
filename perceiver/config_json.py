"""Configurations as JSON, and back through their types.

Only declared fields can be read: an unknown field, a missing one or a value of
another type is refused with its path. Nothing in the text names code to run.
"""

import dataclasses
import enum
import json
import pathlib
import types
import typing
from typing import Any

_TYPE = "type"  # tells the members of a union apart


def to_json(config: Any, indent: int | None = 2) -> str:
  """Returns a frozen dataclass of plain values as JSON text."""
  return json.dumps(_encode(config), indent=indent)


def from_json(text: str, expected: Any) -> Any:
  """Builds the dataclass, or union of dataclasses, that the text describes.

  Raises:
    ValueError: if the text does not fit the type; the message names the field.
  """
  try:
    value = json.loads(text)
  except (json.JSONDecodeError, RecursionError) as error:
    raise ValueError(
      f"Config: not JSON: {error}; expected a config."
    ) from error
  return _decode(value, expected, "config")


def differences(first: Any, second: Any, path: str = "") -> dict[str, tuple]:
  """Returns {dotted field: (first's value, second's)} where they differ."""
  if type(first) is type(second) and dataclasses.is_dataclass(first):
    found: dict[str, tuple] = {}
    for field in dataclasses.fields(first):
      name = f"{path}.{field.name}" if path else field.name
      pair = (getattr(first, field.name), getattr(second, field.name))
      found |= differences(*pair, path=name)
    return found
  return {} if first == second else {path: (first, second)}


def _encode(value: Any) -> Any:
  if dataclasses.is_dataclass(value):
    fields = {
      field.name: _encode(getattr(value, field.name))
      for field in dataclasses.fields(value)
    }
    return {_TYPE: type(value).__name__, **fields}
  if isinstance(value, enum.Enum):
    return value.value
  if isinstance(value, pathlib.Path):
    return str(value)
  if isinstance(value, (tuple, list)):
    return [_encode(item) for item in value]
  if isinstance(value, dict):
    return {key: _encode(item) for key, item in value.items()}
  if value is None or isinstance(value, (bool, int, float, str)):
    return value
  raise TypeError(
    f"Config: {value!r} has no form in JSON; expected plain data."
  )


def _decode(value: Any, expected: Any, where: str) -> Any:
  origin = typing.get_origin(expected)
  if origin in (typing.Union, types.UnionType):
    return _decode_union(value, typing.get_args(expected), where)
  if dataclasses.is_dataclass(expected):
    return _decode_dataclass(value, expected, where)
  if origin is tuple and isinstance(value, list):
    return _decode_tuple(value, typing.get_args(expected), where)
  if origin is dict and isinstance(value, dict):
    _, item_type = typing.get_args(expected)
    return {k: _decode(v, item_type, f"{where}.{k}") for k, v in value.items()}
  if isinstance(expected, type):
    if issubclass(expected, enum.Enum) and value in [e.value for e in expected]:
      return expected(value)
    if issubclass(expected, pathlib.Path) and isinstance(value, str):
      return pathlib.Path(value)
    # Larger numbers have no float.
    if expected is float and type(value) is int and abs(value) < 2**1023:
      return float(value)
    if type(value) is expected:
      return value
  raise ValueError(
    f"Config: {where} is {_show(value)}; expected {_describe(expected)}."
  )


def _decode_union(value: Any, members: tuple, where: str) -> Any:
  if value is None and type(None) in members:
    return None
  if isinstance(value, dict):
    for member in members:
      if getattr(member, "__name__", None) == value.get(_TYPE):
        return _decode(value, member, where)
  else:
    for member in members:
      try:
        return _decode(value, member, where)
      except ValueError:
        continue
  expected = " or ".join(_describe(member) for member in members)
  raise ValueError(f"Config: {where} is {_show(value)}; expected {expected}.")


def _decode_dataclass(value: Any, expected: Any, where: str) -> Any:
  if not isinstance(value, dict) or value.get(_TYPE) != expected.__name__:
    raise ValueError(
      f"Config: {where} is {_show(value)}; expected {_describe(expected)}."
    )
  hints = typing.get_type_hints(expected)
  fields = {f.name for f in dataclasses.fields(expected) if f.init}
  unknown = set(value) - fields - {_TYPE}
  if unknown:
    raise ValueError(
      f"Config: {where} has no field {sorted(unknown)}; expected some of "
      f"{sorted(fields)}."
    )
  arguments = {
    name: _decode(value[name], hints[name], f"{where}.{name}")
    for name in fields & set(value)
  }
  try:
    return expected(**arguments)
  except TypeError as error:
    raise ValueError(f"Config: {where} is incomplete: {error}.") from error
  except (ArithmeticError, LookupError) as error:  # in computing with values
    raise ValueError(f"Config: {where} is impossible: {error}.") from error


def _decode_tuple(value: list, members: tuple, where: str) -> tuple:
  if len(members) == 2 and members[1] is Ellipsis:
    members = (members[0],) * len(value)
  if len(members) != len(value):
    raise ValueError(
      f"Config: {where} has {len(value)} values; expected {len(members)}."
    )
  return tuple(
    _decode(item, member, f"{where}[{i}]")
    for i, (item, member) in enumerate(zip(value, members))
  )


def _describe(expected: Any) -> str:
  return getattr(expected, "__name__", str(expected))


def _show(value: Any) -> str:
  """Returns a value as text, cut short if it is a whole configuration."""
  text = repr(value)
  return text if len(text) <= 100 else f"{text[:100]}…"
