"""The source of an experiment's data, --data.source: its kind and its place.

It is written KIND, KIND:PATH or PATH, in all experiments alike: what is no kind
is a path, to data of the kind that an experiment's own folders have.
"""

from collections.abc import Mapping
import dataclasses
import enum
import pathlib
import typing
from typing import Any, ClassVar, Self

from experiments.data import bucket_copies
from experiments.data import buckets
from experiments.data import files
from experiments.data import paths

SYNTHETIC = "synthetic"  # the value of that kind, in every experiment


@dataclasses.dataclass(frozen=True)
class Source:
  """Data of some kind, at some place.

  An experiment derives a class of its own, with an enum of its kinds.

  Attributes:
    kind: of the data.
    path: their folder or file; None if they are made when needed, or are where
      data of their kind are by default.
  """

  kind: Any
  path: pathlib.Path | None = None

  # The kind of a path alone, those that need a path, and those that may have
  # one; a sentence on how to get the data, or one for each kind.
  of_path: ClassVar[enum.Enum | None] = None
  needs_path: ClassVar[tuple[enum.Enum, ...]] = ()
  takes_path: ClassVar[tuple[enum.Enum, ...]] = ()
  advice: ClassVar[str | Mapping[Any, str]] = ""

  def __post_init__(self) -> None:
    takes = (*self.needs_path, *self.takes_path)
    if self.path is not None and self.kind not in takes:
      name = self.kind.value
      raise ValueError(f"Source: {self} has a path; expected {name} alone.")

  def __str__(self) -> str:
    place = "" if self.path is None else f":{buckets.shown(self.path)}"
    return f"{self.kind.value}{place}"

  @property
  def is_synthetic(self) -> bool:
    """True for data that are made by rule."""
    return bool(self.kind.value == SYNTHETIC)

  def folder(self, option: str = "--data.source") -> pathlib.Path:
    """Returns the path, of a copy if the data are in a bucket.

    Args:
      option: the command line's, for the error.

    Raises:
      files.InputError: if there is none, or nothing to be copied.
    """
    if self.path is None:
      short = f" or {option} PATH" * (self.kind is self.of_path)
      advice = self.advice
      if not isinstance(advice, str):
        advice = advice[self.kind]
      raise files.InputError(
        f"{self.kind.value} is read from a folder: give {option} "
        f"{self.kind.value}:PATH{short}, or {option} {SYNTHETIC}."
        f" {advice}".rstrip()
      )
    return bucket_copies.local(self.path)

  def check(self, option: str) -> None:
    """Checks the place, without reading the data.

    Raises:
      files.InputError: if there must be a path and is none, or a path that may
        be a misspelt kind leads nowhere.
    """
    if self.kind in self.needs_path:
      self.folder(option)
    if self.path is None or self.kind is not self.of_path:
      return
    if not self.folder(option).exists():
      raise files.InputError(
        f"There is no {self.path}; expected {option} {' | '.join(self.forms())}"
        f".{files.similar(self.path)}"
      )

  @classmethod
  def parse(cls, text: str) -> Self:
    """Reads KIND, KIND:PATH or PATH.

    Raises:
      paths.PathError: if the path is none on this machine.
      ValueError: if the kind has no path.
    """
    name, colon, path = text.partition(":")
    kinds = {kind.value: kind for kind in cls._kinds()}
    if name not in kinds and cls.of_path is not None:
      return cls(cls.of_path, paths.place(text))
    if name not in kinds:
      raise ValueError(f"expected {' | '.join(cls.forms())}")
    try:
      read = paths.local if name == SYNTHETIC else paths.place
      return cls(kinds[name], read(path) if colon else None)
    except paths.PathError as error:
      raise paths.PathError(text, error.reason) from error

  @classmethod
  def forms(cls) -> list[str]:
    """Returns all that may be written, with PATH for any path."""
    ends = dict.fromkeys(cls.needs_path, ":PATH")
    ends |= dict.fromkeys(cls.takes_path, "[:PATH]")
    found = [f"{kind.value}{ends.get(kind, '')}" for kind in cls._kinds()]
    return [*found, *["PATH"] * (cls.of_path is not None)]

  @classmethod
  def _kinds(cls) -> list[enum.Enum]:
    return list(typing.get_type_hints(cls)["kind"])


def find(config: Any, prefix: str = "--") -> dict[str, Source]:
  """Returns the sources in a configuration, by their options.

  Args:
    config: a dataclass, with others in it.
    prefix: of the options.
  """
  found: dict[str, Source] = {}
  for field in dataclasses.fields(config):
    option = prefix + field.name.replace("_", "-")
    value = getattr(config, field.name)
    if isinstance(value, Source):
      found[option] = value
    elif dataclasses.is_dataclass(value):
      found |= find(value, f"{option}.")
  return found
