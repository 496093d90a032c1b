"""Files outside a run's folder that its configuration names.

Their paths may change while a run goes on. Those that the model's meaning
depends on, such as a tokenizer's, are copied into the folder and read there.
"""

from collections.abc import Callable
import dataclasses
import pathlib
import typing
from typing import Any, TypeVar

from experiments.data import buckets
from experiments.data import files
from experiments.runs import folder as run_folder

KEPT = ("data.sentencepiece_model",)
_FOLDER = "files"

_Config = TypeVar("_Config")


def paths(config: Any, prefix: str = "") -> dict[str, pathlib.Path | None]:
  """Returns the paths of a configuration by the dotted names of their fields.

  Args:
    config: a dataclass, with others in it.
    prefix: of the names.
  """
  found: dict[str, pathlib.Path | None] = {}
  hints = typing.get_type_hints(type(config))
  for field in dataclasses.fields(config):
    name, value = prefix + field.name, getattr(config, field.name)
    hint = hints[field.name]
    if hint is pathlib.Path or pathlib.Path in typing.get_args(hint):
      found[name] = value
    elif dataclasses.is_dataclass(value):
      found |= paths(value, f"{name}.")
  return found


def for_run(config: _Config, workdir: pathlib.Path) -> _Config:
  """Makes paths absolute, and takes files that the run's folder keeps.

  Args:
    config: the configuration that a run begins or goes on with.
    workdir: the run's folder, if it exists.

  Raises:
    run_folder.ConfigError: if another file is given than the one that is kept.
  """

  def resolve(name: str, path: pathlib.Path) -> pathlib.Path:
    kept = find(workdir, name)
    if kept and path.exists() and files.read_bytes(path) != kept.read_bytes():
      raise run_folder.ConfigError(
        f"{name} is {path}; expected the file that the run in {workdir} was "
        f"started with, {kept}. Take that, or choose another --workdir."
      )
    if kept or buckets.is_address(path):
      return kept or path
    return path.expanduser().absolute()

  return _replaced(config, resolve)


def from_run(config: _Config, workdir: pathlib.Path) -> _Config:
  """Takes the files that a run's folder keeps, wherever it is now."""
  return _replaced(config, lambda name, path: find(workdir, name) or path)


def keep(workdir: pathlib.Path, config: str) -> None:
  """Copies files into a run's folder, unless they are there.

  Args:
    workdir: the run's folder.
    config: the configuration as JSON.

  Raises:
    files.InputError: if one cannot be copied.
  """
  given = run_folder.settings(config)
  for name in KEPT:
    path = given.get(name)
    if path is not None and find(workdir, name) is None:
      source = pathlib.Path(path)
      target = workdir / _FOLDER / f"{name}{source.suffix}"
      files.write_bytes(target, files.read_bytes(source))


def find(workdir: pathlib.Path, name: str) -> pathlib.Path | None:
  """Returns a file that a run's folder keeps, by the name of its field."""
  if name not in KEPT:
    return None
  found = sorted((workdir / _FOLDER).glob(f"{name}*"))
  return found[0].absolute() if found else None


def _replaced(
  config: _Config,
  function: Callable[[str, pathlib.Path], pathlib.Path],
  prefix: str = "",
) -> _Config:
  """Returns a configuration whose paths a function of name and path gives."""
  changes: dict[str, Any] = {}
  for field in dataclasses.fields(config):  # type: ignore[arg-type]
    name, value = prefix + field.name, getattr(config, field.name)
    if isinstance(value, pathlib.Path):
      new: Any = function(name, value)
    elif dataclasses.is_dataclass(value):
      new = _replaced(value, function, f"{name}.")
    else:
      continue
    if new != value:
      changes[field.name] = new
  return dataclasses.replace(config, **changes) if changes else config  # type: ignore[type-var]
