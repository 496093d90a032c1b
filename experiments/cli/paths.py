"""Options that are paths or sources: one reading in all commands."""

from collections.abc import Sequence
import itertools
import pathlib

import tyro

from experiments.data import paths
from experiments.data import sources

REGISTRY = tyro.constructors.ConstructorRegistry()


@REGISTRY.primitive_rule
def _path(
  info: tyro.constructors.PrimitiveTypeInfo,
) -> tyro.constructors.PrimitiveConstructorSpec[pathlib.Path] | None:
  if info.type is not pathlib.Path:
    return None
  return tyro.constructors.PrimitiveConstructorSpec(
    nargs=1,
    metavar="PATH",
    instance_from_str=lambda values: paths.local(values[0]),
    is_instance=lambda value: isinstance(value, pathlib.Path),
    str_from_instance=lambda path: [str(path)],
  )


@REGISTRY.primitive_rule
def _source(
  info: tyro.constructors.PrimitiveTypeInfo,
) -> tyro.constructors.PrimitiveConstructorSpec[sources.Source] | None:
  kind = info.type
  if not isinstance(kind, type) or not issubclass(kind, sources.Source):
    return None
  return tyro.constructors.PrimitiveConstructorSpec(
    nargs=1,
    metavar="|".join(kind.forms()),
    instance_from_str=lambda values: kind.parse(values[0]),
    is_instance=lambda value: isinstance(value, kind),
    str_from_instance=lambda source: [str(source)],
  )


def describe(error: paths.PathError, arguments: Sequence[str]) -> str:
  """Returns an error's message with the option of a command line."""
  text = error.text
  named = [
    name.removesuffix(f"={text}")
    for name, value in itertools.pairwise([*arguments, ""])
    if name.startswith("--") and (value == text or name.endswith(f"={text}"))
  ]
  return f"{named[0] if named else 'a path'} is {text!r}; {error.reason}"
