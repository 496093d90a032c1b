"""Options that are paths or sources: one reading in all commands."""

from collections.abc import Callable, Sequence
import itertools
import pathlib
from typing import Annotated

import tyro

from experiments.data import bucket_copies
from experiments.data import buckets
from experiments.data import files
from experiments.data import paths
from experiments.data import sources

REGISTRY = tyro.constructors.ConstructorRegistry()


def _reading(
  read: Callable[[str], pathlib.Path],
) -> tyro.constructors.PrimitiveConstructorSpec[pathlib.Path]:
  return tyro.constructors.PrimitiveConstructorSpec(
    nargs=1,
    metavar="PATH",
    instance_from_str=lambda values: read(values[0]),
    is_instance=lambda value: isinstance(value, pathlib.Path),
    str_from_instance=lambda path: [buckets.shown(path)],
  )


def fetched(text: str) -> pathlib.Path:
  """Returns a path on this machine, of a copy if it is in a bucket.

  Raises:
    paths.PathError: if it is none, or cannot be copied.
  """
  try:
    return bucket_copies.local(paths.place(text))
  except files.InputError as error:
    raise paths.PathError(text, str(error)) from error


# A path or gs://…, and one that is copied to this machine if need be.
Place = Annotated[pathlib.Path, _reading(paths.place)]
Fetched = Annotated[pathlib.Path, _reading(fetched)]


@REGISTRY.primitive_rule
def _path(
  info: tyro.constructors.PrimitiveTypeInfo,
) -> tyro.constructors.PrimitiveConstructorSpec[pathlib.Path] | None:
  return _reading(paths.local) if info.type is pathlib.Path else None


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
