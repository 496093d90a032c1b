"""A run's folder, which belongs to one configuration."""

from collections.abc import Mapping, Sequence
import io
import json
import pathlib
from typing import Any

import numpy as np

from experiments.data import files
from perceiver import errors

CONFIG = "config.json"


class ConfigError(errors.PerceiverError, ValueError):
  """A run's folder was made with another configuration."""


def claim(
  workdir: pathlib.Path, config: str, may_differ: Sequence[str] = ()
) -> None:
  """Makes a run's folder, or makes sure that it is of the same run.

  Args:
    workdir: the run's folder.
    config: the configuration as JSON, to be kept as config.json.
    may_differ: dotted names of fields that may change between the parts of
      one run; everything below such a field may change too.

  Raises:
    ConfigError: naming the fields that differ, with both values.
  """
  path = workdir / CONFIG
  if path.exists():
    then = settings(_read_config(path), may_differ)
    now = settings(config, may_differ)
    differing = [
      f"  {name}: {then.get(name, 'absent')} then, "
      f"{now.get(name, 'absent')} now"
      for name in sorted({*then, *now})
      if then.get(name, ...) != now.get(name, ...)
    ]
    if differing:
      raise ConfigError(
        f"The run in {workdir} was started with another configuration:\n"
        + "\n".join(differing)
        + "\nGo on with the old one, or choose another --workdir."
      )
  workdir.mkdir(parents=True, exist_ok=True)
  files.write_text(path, config)


def keep_batch(
  batch: Mapping[str, np.ndarray], path: pathlib.Path, **notes: int
) -> pathlib.Path | None:
  """Writes a batch to a file, for somebody to look at.

  Args:
    batch: the arrays.
    path: of the file, NumPy's .npz.
    **notes: numbers to go with it.

  Returns:
    The file; None if it could not be written, for another error is the cause.
  """
  buffer = io.BytesIO()
  np.savez_compressed(buffer, **batch, **notes)  # type: ignore[arg-type]
  try:
    with files.writing(path) as temporary:
      temporary.write_bytes(buffer.getvalue())
  except files.InputError:
    return None
  return path


def _read_config(path: pathlib.Path) -> str:
  """Reads a configuration; `ConfigError` if it is none."""
  try:
    text = path.read_text(encoding="utf-8")
    if isinstance(json.loads(text), dict):
      return text
  except (OSError, RecursionError, ValueError) as error:
    raise ConfigError(f"{path} cannot be read: {error}") from error
  raise ConfigError(f"{path} is not a configuration")


def settings(config: str, leaving_out: Sequence[str] = ()) -> dict[str, Any]:
  """Returns {dotted name: value} of a configuration.

  Args:
    config: as JSON.
    leaving_out: names of fields that do not matter, with all below them.
  """
  leaves = _leaves(json.loads(config))
  return {
    name: value
    for name, value in leaves.items()
    if not any(f"{name}.".startswith(f"{free}.") for free in leaving_out)
  }


def _leaves(value: Any, prefix: str = "") -> dict[str, Any]:
  """Returns {dotted name: value} of a tree of JSON objects."""
  if not isinstance(value, dict):
    return {prefix: value}
  leaves: dict[str, Any] = {}
  for name, child in value.items():
    leaves |= _leaves(child, f"{prefix}.{name}" if prefix else name)
  return leaves
