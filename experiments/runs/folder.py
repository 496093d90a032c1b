"""A run's folder, which belongs to one configuration."""

from collections.abc import Collection, Mapping, Sequence
import io
import json
import os
import pathlib
from typing import Any

import numpy as np

from experiments.data import files
from experiments.runs import bucket_folders
from experiments.runs import occupancy
from experiments.runs import progress
from perceiver import config_json
from perceiver import errors
from perceiver.checkpoints import atomic

CONFIG = "config.json"
CHECKPOINTS = "checkpoints"
MODEL = "model.safetensors"  # of a finished run
START = "start.json"  # the checkpoint that the run began with, if any
DAMAGED = "checkpoints-damaged"  # where those go that cannot be read
SET_ASIDE = "checkpoints-set-aside"  # where those go that --from-step leaves
RESTART = (
  " Put one back, or begin anew: with --restart, which moves the folder aside "
  "first, or in another folder."
)
_NOTE = "checkpointed.txt"

Changes = dict[str, tuple[Any, Any]]  # {setting: (then, now)}


class ConfigError(errors.PerceiverError, ValueError):
  """A run's folder was made with another configuration."""


class GoneError(errors.PerceiverError, RuntimeError):
  """A run has had checkpoints, and none is left."""


class MovedError(errors.PerceiverError, RuntimeError):
  """A run's folder was moved, removed or replaced while the run went on."""


class Place:
  """The path of a folder that exists, and which folder that is."""

  def __init__(self, path: pathlib.Path) -> None:
    self._path, self._folder = path, path.stat()

  def is_same(self) -> bool:
    """Returns whether the path is still that of the folder."""
    try:
      return os.path.samestat(self._folder, self._path.stat())
    except OSError:
      return False

  def check(self) -> None:
    """Makes sure that nothing is written into another folder, or a new one.

    Raises:
      MovedError: if the path is no longer that of the folder.
    """
    if not self.is_same():
      raise MovedError(
        f"{self._path} was moved, removed or replaced while the run went on. "
        "With its new place as --workdir the same command goes on from its "
        "last checkpoint."
      )


def to_json(experiment: Any) -> str:
  """Returns a configuration as JSON, from which it can be read again.

  Raises:
    ConfigError: if it cannot, so that the run could not be evaluated.
  """
  try:
    text = config_json.to_json(experiment)
    if config_json.from_json(text, type(experiment)) == experiment:
      return text
    reason = "what is read is not what was written."
  except (TypeError, ValueError) as error:
    reason = str(error)
  raise ConfigError(
    f"The configuration in {type(experiment).__module__} cannot be kept with "
    f"the run: {reason} Annotate its fields with the types of their values."
  )


def claim(
  workdir: pathlib.Path,
  config: str,
  may_differ: Sequence[str] = (),
  may_be_amended: Sequence[str] = (),
  *,
  amend: bool = False,
  paths: Collection[str] = (),
) -> Changes:
  """Makes a run's folder, or makes sure that it is of the same run.

  Args:
    workdir: the run's folder.
    config: the configuration as JSON, to be kept as config.json.
    may_differ: dotted names of fields that may change between the parts of
      one run; everything below such a field may change too.
    may_be_amended: names of those that may change on purpose.
    amend: whether that is the purpose.
    paths: names of fields that hold the path of a file or folder, which may
      have moved.

  Returns:
    The settings that were changed on purpose.

  Raises:
    ConfigError: naming the fields that differ, with both values.
    GoneError: if the run had checkpoints, and none is left.
  """
  path, changes = workdir / CONFIG, Changes()
  if path.exists():
    changes = _changes(_read_config(path), config, may_differ, paths)
    fixed = [n for n in changes if not _is_below(n, may_be_amended)]
    if changes and (fixed or not amend):
      raise _refusal(workdir, changes, fixed, amend)
  if checkpoint_steps(workdir / CHECKPOINTS):
    note_checkpoint(workdir)
    if not path.exists():
      progress.write(f"{path} is gone: the options of now are the run's.")
  elif had_checkpoints(workdir):
    raise GoneError(
      f"The run in {workdir} has had checkpoints, and none is left in "
      f"{workdir / CHECKPOINTS}. Those that could not be read, if any, are in "
      f"{DAMAGED}.{RESTART}"
    )
  atomic.remove_unfinished(workdir)
  if not changes:  # Else it waits until they are in the history.
    files.write_text(path, config)
  return changes


def _refusal(
  workdir: pathlib.Path, changes: Changes, fixed: Sequence[str], amend: bool
) -> ConfigError:
  """Returns the error of changed settings, of which `fixed` cannot change."""
  remedy = "with the old one"
  if not fixed:
    remedy += ", with the new one from here on (--amend)"
  text = f"The run in {workdir} was started with another configuration:\n"
  for name, (before, after) in changes.items():
    text += f"  {name}: {before} then, {after} now\n"
  text += (
    f"Go on {remedy}, or choose another --workdir, where --checkpoint "
    f"{workdir} begins with this run's weights."
  )
  if amend and fixed:
    text += f" --amend does not change {', '.join(fixed)}."
  return ConfigError(text)


def _changes(
  before: str, after: str, may_differ: Sequence[str], paths: Collection[str]
) -> Changes:
  """Returns the settings that differ, but for those that may."""
  then, now = settings(before, may_differ), settings(after, may_differ)
  return {
    name: (then.get(name, "absent"), now.get(name, "absent"))
    for name in sorted({*then, *now})
    if then.get(name, ...) != now.get(name, ...)
    and not (name in paths and then.get(name) and now.get(name))
  }


def write_config(workdir: pathlib.Path, experiment: Any) -> None:
  """Writes the configuration that a run goes on with."""
  files.write_text(workdir / CONFIG, to_json(experiment))


def note_checkpoint(workdir: pathlib.Path) -> None:
  """Notes that a run has a checkpoint; its log then outlives a loss of power.

  What is new in a folder that is in a bucket is uploaded.

  Raises:
    files.InputError: if the note cannot be written, or the log, or there.
  """
  for log in workdir.glob("*.jsonl"):
    with files.explaining(log):
      atomic.sync(log)
  if not (workdir / _NOTE).exists():
    text = "The run has had checkpoints. Without them it does not begin anew."
    files.write_text(workdir / _NOTE, text + "\n")
  bucket_folders.push(workdir)


def restart(workdir: pathlib.Path) -> None:
  """Moves the folder of a run aside whose checkpoints are gone.

  The next one begins with the same checkpoint, if with any. A run with
  checkpoints, and one that never had any, stays as it is.

  Raises:
    files.InputError: if the folder cannot be moved.
  """
  if checkpoint_steps(workdir / CHECKPOINTS) or not had_checkpoints(workdir):
    return
  if bucket_folders.is_in_bucket(workdir):
    raise files.InputError(
      "--restart does not move folders of buckets: choose another --workdir."
    )
  path = unused(workdir.with_name(f"{workdir.name}-before-restart"))
  try:
    workdir.rename(path)
    (path / occupancy.NAME).unlink(missing_ok=True)
  except OSError as error:
    raise files.InputError(
      f"{workdir} cannot be moved: {errors.reason(error)}"
    ) from error
  if (path / START).exists():
    files.write_text(workdir / START, (path / START).read_text())
  progress.write(f"The run that was in {workdir} is in {path} now.")


def go_back(workdir: pathlib.Path, step: int) -> None:
  """Moves the checkpoints after a step aside, once.

  The same command goes on afterwards.

  Raises:
    ConfigError: if there is no checkpoint of that step.
    files.InputError: if one cannot be moved.
  """
  aside = workdir / SET_ASIDE
  note = aside / f"went-back-to-{step}.txt"
  if note.exists():
    progress.write(f"The run has gone back to step {step}: see {note}.")
    return
  folder = workdir / CHECKPOINTS
  steps = checkpoint_steps(folder)
  if step not in steps:
    raise ConfigError(f"--from-step is {step}; {folder} has the steps {steps}.")
  for later in (found for found in steps if found > step):
    path = unused(aside / str(later))
    try:
      path.parent.mkdir(exist_ok=True)
      (folder / str(later)).rename(path)
    except OSError as error:
      raise files.InputError(
        f"{folder / str(later)} cannot be moved: {errors.reason(error)}"
      ) from error
    progress.write(f"The checkpoint of step {later} is in {path} now.")
  text = "Without this file --from-step goes back there again.\n"
  files.write_text(note, text)


def checkpoint_steps(directory: pathlib.Path) -> list[int]:
  """Returns the steps of which a folder has checkpoints, oldest first."""
  found = files.list_folders(directory)
  return sorted(int(path.name) for path in found if path.name.isdecimal())


def had_checkpoints(workdir: pathlib.Path) -> bool:
  """Returns whether a run has had checkpoints, which may be gone."""
  return (workdir / _NOTE).exists() or (workdir / DAMAGED).exists()


def unused(path: pathlib.Path) -> pathlib.Path:
  """Returns `path`, or with a number added if that exists."""
  number, candidate = 1, path
  while candidate.exists():
    number += 1
    candidate = path.with_name(f"{path.name}-{number}")
  return candidate


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
    files.write_bytes(path, buffer.getvalue())
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
    if not _is_below(name, leaving_out)
  }


def _is_below(name: str, fields: Sequence[str]) -> bool:
  """Returns whether a dotted name is one of some fields, or below one.

  A field that begins with a dot stands for all fields that end so.
  """
  return any(
    name.endswith(field)
    if field.startswith(".")
    else f"{name}.".startswith(f"{field}.")
    for field in fields
  )


def _leaves(value: Any, prefix: str = "") -> dict[str, Any]:
  """Returns {dotted name: value} of a tree of JSON objects."""
  if not isinstance(value, dict):
    return {prefix: value}
  leaves: dict[str, Any] = {}
  for name, child in value.items():
    leaves |= _leaves(child, f"{prefix}.{name}" if prefix else name)
  return leaves
