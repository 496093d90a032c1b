"""Runs that begin with a checkpoint: its arrays in place of random ones.

Of a similar model the arrays up to the latents are taken, and of what comes
after them those that fit; learned positions are resized. Once the first state
is in the run's folder, the checkpoint is not needed any more.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
import dataclasses
import functools
import json
import pathlib
from typing import Any, TypeVar

import jax
import numpy as np

from experiments.cluster import processes
from experiments.data import files
from experiments.runs import folder as run_folder
from experiments.runs import progress
from experiments.training import checkpoints as training_checkpoints
from experiments.training import foreign
from experiments.training import sharding
import perceiver
from perceiver import config_json
from perceiver.checkpoints import errors as perceiver_errors
from perceiver.checkpoints import finetuning
from perceiver.checkpoints import store
from perceiver.checkpoints.huggingface import folder

_FOREIGN = "transformers"  # entry of start.json
_MAX_SHOWN = 3  # names of arrays in a line
_NONE = "none"  # for settings that differ

_Experiment = TypeVar("_Experiment")


@dataclasses.dataclass(frozen=True)
class Start:
  """The arrays that a run begins with.

  Attributes:
    path: of the checkpoint.
    arrays: those that are taken, by "params:module:name".
    report: the differences between the two models' arrays.
    differing: the settings in which they differ, as text.
  """

  path: pathlib.Path
  arrays: Mapping[str, Any]
  report: finetuning.Report
  differing: str

  def put_into(self, variables: perceiver.Variables) -> perceiver.Variables:
    """Replaces arrays by those that are taken, on the same devices."""
    name = functools.partial(jax.tree_util.keystr, simple=True, separator=":")

    def replace(path: Any, old: jax.Array) -> jax.Array:
      if (found := self.arrays.get(name(path))) is None:
        return old
      new = np.asarray(found, old.dtype)
      return jax.make_array_from_callback(
        old.shape, old.sharding, lambda index: new[index]
      )

    return jax.tree.map_with_path(replace, variables)

  def describe(self) -> str:
    """Returns lines on the arrays that are taken and those that are not."""
    resized = self.report.interpolated
    model, checkpoint = self.report.reinitialised, self.report.left_out
    names = {
      "resized to the model's size": resized,
      "reinitialised, of other shapes there": _common(model, checkpoint),
      "reinitialised, not there": _without(model, checkpoint),
      "there, not in the model": _without(checkpoint, model),
    }
    lines = [f"{reason}: {_list(x)}" for reason, x in names.items() if x]
    if self.differing != _NONE:
      lines.append(f"settings that differ: {self.differing}")
    taken = len(self.arrays) - len(resized)
    whole = "" if lines else ", all there are"
    return "\n  ".join(
      [f"start: {self.path}: {taken} arrays taken{whole}", *lines]
    )

  def write(self, workdir: pathlib.Path) -> None:
    """Writes start.json into a run's folder, with the names of all arrays."""
    facts = {
      "checkpoint": str(self.path.expanduser().absolute()),
      "differing": self.differing,
      "taken": sorted(self.arrays),
      _FOREIGN: folder.is_folder(self.path.expanduser()),
      **self.report._asdict(),
    }
    files.write_text(
      workdir / run_folder.START, json.dumps(facts, indent=2) + "\n"
    )


def begin(
  workdir: pathlib.Path, model: perceiver.Model, checkpoint: pathlib.Path | None
) -> Start | None:
  """Reads the checkpoint that a run begins with, unless it has begun.

  Args:
    workdir: the run's folder, if it exists.
    model: to be trained.
    checkpoint: as for `load`; if None, the one that start.json in the folder
      names, if any.

  Returns:
    None if the run goes on from its own checkpoints, or begins with none.

  Raises:
    FileNotFoundError: if there is no such checkpoint.
    perceiver.CheckpointError: if it is damaged, or differs before the latents.
    run_folder.ConfigError: if the run has begun without one.
  """
  found = lambda: (_note(workdir), _has_begun(workdir))
  note, has_begun = processes.from_process_zero(found)
  if has_begun:
    if checkpoint is not None and not note:
      raise run_folder.ConfigError(
        f"The run in {workdir} has begun without --checkpoint; expected the "
        "same now. Leave it out, or choose another --workdir."
      )
    if checkpoint is not None:
      _say(
        f"start: {workdir} has its own checkpoints; {checkpoint} is not read"
      )
    return None
  if (path := _path(checkpoint, note)) is None:
    return None
  start = read(model, path)
  _say(start.describe())
  return start


def read(model: perceiver.Model, path: pathlib.Path) -> Start:
  """Reads the arrays of a checkpoint that a model can take.

  Raises:
    FileNotFoundError: if there is nothing at the path.
    perceiver.CheckpointError: if it is damaged, or differs before the latents.
  """
  old, variables = load(path, model.config)
  differing = _differences(model.config, old.config)
  try:
    arrays, report = finetuning.usable_arrays(model, old, variables, path)
    if not any(name.startswith("params:") for name in arrays):
      raise perceiver.CheckpointError(f"Checkpoint: nothing of {path} fits.")
  except perceiver.CheckpointError as error:
    raise perceiver.CheckpointError(
      f"{error} Settings that differ from the checkpoint's: {differing}."
    ) from error
  arrays = {name: np.asarray(x) for name, x in arrays.items()}
  return Start(path, arrays, report, differing)


def load(
  path: pathlib.Path, wanted: Any
) -> tuple[perceiver.Model, perceiver.Variables]:
  """Reads a model file, a run's folder, or whatever `perceiver.load` takes.

  Args:
    path: of a run that is not finished, or has gone on since it was, the newest
      checkpoint counts.
    wanted: configuration of the model to be trained; that of the checkpoint is
      of this kind, or one of the library's own.

  Raises:
    FileNotFoundError: if there is nothing at the path.
    perceiver.CheckpointError: if it is damaged, or of no known model.
  """
  path = path.expanduser()
  if not path.exists():
    raise FileNotFoundError(
      f"There is no checkpoint {path}; give its path with --checkpoint."
    )
  steps = run_folder.checkpoint_steps(path / run_folder.CHECKPOINTS)
  for file in (path, path / run_folder.MODEL):
    if store.is_ours(file) and (
      not steps or store.notes(file).get("step") == str(steps[-1])
    ):
      return store.load(file, type(wanted))
  if (path / run_folder.CONFIG).exists() and _has_begun(path):
    return _from_run(path, type(wanted))
  try:
    return perceiver.load(path)
  except perceiver.CheckpointError:
    if path.is_dir():
      raise
    return perceiver.load(path, wanted)  # A pickle does not name its model.


def _from_run(
  workdir: pathlib.Path, kind: type
) -> tuple[perceiver.Model, perceiver.Variables]:
  """Reads the newest checkpoint of a run that is not finished."""
  model = perceiver.create(_stored_model(workdir, kind))
  mesh = sharding.make_mesh(sharding.ParallelConfig())
  shapes = jax.eval_shape(lambda: model.init(jax.random.key(0)))
  target = sharding.with_shardings(shapes, mesh)
  with training_checkpoints.Checkpoints(
    workdir / run_folder.CHECKPOINTS, read_only=True
  ) as stored:
    restored = stored.restore(target._asdict())
  if restored is None:
    raise FileNotFoundError(f"There is no checkpoint in {workdir}.")
  return model, target._replace(**restored[1])


def _stored_model(workdir: pathlib.Path, kind: type) -> Any:
  """Returns the configuration of a run's model, which is of this kind."""
  path = workdir / run_folder.CONFIG
  try:
    model = json.loads(files.read_bytes(path))["model"]
    return config_json.from_json(json.dumps(model), kind)
  except (LookupError, TypeError, ValueError) as error:
    raise run_folder.ConfigError(
      f"{path} has no model that is a {kind.__name__}: {error}"
    ) from error


def is_from_nothing(
  workdir: pathlib.Path, checkpoint: pathlib.Path | None
) -> bool:
  """Returns whether a run begins, or has begun, with random weights.

  Args:
    workdir: the run's folder, if it exists.
    checkpoint: as for `begin`.
  """
  return _path(checkpoint, _note(workdir)) is None


def with_trunk(
  experiment: _Experiment,
  checkpoint: pathlib.Path | None,
  workdir: pathlib.Path,
) -> _Experiment:
  """Gives a model with a trunk that of the checkpoint that its run begins with.

  Another model is replaced by that of a folder of `transformers`, which no
  recipe was made for, unless they differ in the number of classes alone.

  Args:
    experiment: any; its model may have no field `trunk`.
    checkpoint: what a new run begins with, if anything.
    workdir: the run's folder. If it has begun with a checkpoint, its own model
      has the trunk.

  Raises:
    FileNotFoundError: if there is no such checkpoint.
    perceiver.CheckpointError: if it has no such trunk, or is damaged.
    run_folder.ConfigError: if the run has no such model.
  """
  model: Any = getattr(experiment, "model", None)
  own = getattr(model, "trunk", None)
  note = _note(workdir)
  path = _path(checkpoint, note)
  is_set = checkpoint is None or _has_begun(workdir)
  if own is None and not _is_foreign(workdir, path, note):
    return experiment
  if note and is_set and (workdir / run_folder.CONFIG).exists():
    found = _stored_model(workdir, type(model))
  elif path is not None:
    found = _config(path, model)
  else:
    return experiment
  if own is None:
    return foreign.with_model(experiment, found, path)
  trunk = getattr(found, "trunk", found)
  if not isinstance(trunk, type(own)):
    raise perceiver.CheckpointError(
      f"Checkpoint: {path} holds {type(found).__name__}; expected "
      f"{type(own).__name__} or {type(model).__name__}."
    )
  model = dataclasses.replace(model, trunk=trunk)
  return dataclasses.replace(experiment, model=model)  # type: ignore[type-var]


def _is_foreign(
  workdir: pathlib.Path, path: pathlib.Path | None, note: Any
) -> bool:
  """Returns whether a run begins, or has begun, with a foreign folder."""
  if _has_begun(workdir):
    return bool(note and note.get(_FOREIGN))
  return path is not None and folder.is_folder(path.expanduser())


@functools.lru_cache(maxsize=8)
def _config(path: pathlib.Path, wanted: Any) -> Any:
  return load(path, wanted)[0].config


def _differences(here: Any, there: Any) -> str:
  """Returns the settings in which two models, or their trunks, differ."""
  if type(here) is not type(there):
    here, there = (getattr(config, "trunk", config) for config in (here, there))
  if type(here) is not type(there):
    return f"kind {type(here).__name__}, there {type(there).__name__}"
  found = config_json.differences(here, there).items()
  show = perceiver_errors.show
  pairs = [f"{n} {show(a)}, there {show(b)}" for n, (a, b) in found]
  return "; ".join(pairs) or _NONE


def _path(
  checkpoint: pathlib.Path | None, note: Mapping[str, Any] | None
) -> pathlib.Path | None:
  """Returns the path that is given, or else that of start.json."""
  return checkpoint or (pathlib.Path(note["checkpoint"]) if note else None)


def _has_begun(workdir: pathlib.Path) -> bool:
  """Returns whether a run has checkpoints, or has had some."""
  steps = run_folder.checkpoint_steps(workdir / run_folder.CHECKPOINTS)
  return bool(steps) or run_folder.had_checkpoints(workdir)


def _note(workdir: pathlib.Path) -> dict[str, Any] | None:
  """Returns start.json of a run's folder, None if there is none."""
  try:
    found = json.loads((workdir / run_folder.START).read_bytes())
  except (OSError, RecursionError, ValueError):
    return None
  return found if isinstance(found, dict) else None


def _common(names: Iterable[str], others: Container[str]) -> list[str]:
  return [name for name in names if name in others]


def _without(names: Iterable[str], others: Container[str]) -> list[str]:
  return [name for name in names if name not in others]


def _list(names: Sequence[str]) -> str:
  """Returns a number, with the first names."""
  more = ", …" * (len(names) > _MAX_SHOWN)
  return f"{len(names)} ({', '.join(names[:_MAX_SHOWN])}{more})"


def _say(text: str) -> None:
  if not sharding.process_index():
    progress.write(text)
