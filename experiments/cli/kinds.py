"""Kinds of nested configurations, chosen by options: --train.optimizer lamb.

tyro sets the fields of the kind that a recipe has. An option that names such a
configuration chooses another kind before, whose fields can then be set; of
those that both kinds have, the recipe's values are kept unless they are
defaults.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import re
import types
import typing
from typing import Any

import tyro

from experiments.cli import errors

_NONE = "none"

Kinds = Mapping[str, type]  # by name; NoneType for no configuration


def choose(config: Any, arguments: Sequence[str]) -> tuple[Any, list[str]]:
  """Returns a configuration of the kinds that options choose, and the rest.

  Args:
    config: a dataclass; that of a recipe.
    arguments: a command line.

  Returns:
    The configuration, not yet checked as a whole, and the arguments without
    those choices. Fields that have no value yet are `tyro.MISSING`.

  Raises:
    errors.UsageError: if there is no such kind.
  """
  rest = list(arguments)
  while True:
    known = of(config)
    found = [i for i, argument in enumerate(rest) if _option(argument) in known]
    if not found:
      return config, rest
    # A kind is chosen before the kinds within it.
    first = min(found, key=lambda i: rest[i].count("."))
    option, equals, value = rest[first].partition("=")
    if not equals:
      value = "".join(rest[first + 1 : first + 2])
    del rest[first : first + 2 - bool(equals)]
    kinds = known[_option(option)]
    kind = {_plain(name): kind for name, kind in kinds.items()}.get(
      _plain(value)
    )
    if kind is None:
      raise errors.UsageError(
        f"{option} is {value!r}; expected one of {', '.join(kinds)}"
      )
    path = _option(option).removeprefix("--").replace("-", "_").split(".")
    config = _changed(config, path, kind)


def of(config: Any, prefix: str = "--") -> dict[str, Kinds]:
  """Returns the kinds that nested configurations may have, by option."""
  found: dict[str, Kinds] = {}
  hints = typing.get_type_hints(type(config))
  for field in dataclasses.fields(config):
    option = prefix + field.name.replace("_", "-")
    kinds = [k for k in _members(hints[field.name]) if _is_kind(k)]
    if len(kinds) > 1 and any(map(dataclasses.is_dataclass, kinds)):
      found[option] = {_name(kind): kind for kind in kinds}
    value = getattr(config, field.name)
    if dataclasses.is_dataclass(value):
      found |= of(value, f"{option}.")
  return found


def describe(config: Any) -> str:
  """Returns a paragraph on the options of `choose`; empty if there is none."""
  lines = [f"  {name} {{{','.join(k)}}}" for name, k in of(config).items()]
  title = "Kinds of nested settings, to be chosen before their own options:"
  return "\n".join([title, *lines]) if lines else ""


def _members(hint: Any) -> tuple[Any, ...]:
  is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
  return typing.get_args(hint) if is_union else (hint,)


def _is_kind(hint: Any) -> bool:
  return hint is type(None) or dataclasses.is_dataclass(hint)


def _option(argument: str) -> str:
  return argument.partition("=")[0].replace("_", "-")


def _name(kind: type) -> str:
  if kind is type(None):
    return _NONE
  words = re.findall("[A-Z][a-z0-9]*", kind.__name__.removesuffix("Config"))
  return "-".join(words).lower() or kind.__name__


def _plain(name: str) -> str:
  """Returns a name as in `_name`, in any case, or that of the class."""
  return re.sub("[-_]", "", name).lower().removesuffix("config")


def _changed(config: Any, path: Sequence[str], kind: type) -> Any:
  """Returns a configuration with another kind at the end of a path."""
  name, *below = path
  old = getattr(config, name)
  if below:
    new = _changed(old, below, kind)
  else:
    new = old if type(old) is kind else _converted(old, kind)
  values = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
  return _unchecked(type(config), values | {name: new})


def _converted(old: Any, kind: type) -> Any:
  """Returns a configuration of a kind, with the values that were given."""
  if kind is type(None):
    return None
  hints, before = (typing.get_type_hints(k) for k in (kind, type(old)))
  defaults = {f.name: _default(f) for f in _fields(old)}
  values = {}
  for field in dataclasses.fields(kind):
    hint, default = hints[field.name], _default(field)
    value = getattr(old, field.name, tyro.MISSING)
    fits = before.get(field.name) == hint or type(value) in _members(hint)
    is_given = value != defaults.get(field.name, tyro.MISSING)
    values[field.name] = value if fits and is_given else default
  return _unchecked(kind, values)


def _fields(config: Any) -> tuple[dataclasses.Field, ...]:
  return dataclasses.fields(config) if dataclasses.is_dataclass(config) else ()


def _default(field: dataclasses.Field) -> Any:
  if field.default_factory is not dataclasses.MISSING:
    return field.default_factory()
  is_missing = field.default is dataclasses.MISSING
  return tyro.MISSING if is_missing else field.default


def _unchecked(kind: type, values: Mapping[str, Any]) -> Any:
  """Returns a configuration whose values need not yet fit together."""
  config: Any = object.__new__(kind)
  for name, value in values.items():
    object.__setattr__(config, name, value)
  return config
