"""Trained models to be evaluated, and what is known of them."""

from collections.abc import Callable
import dataclasses
import datetime
import pathlib
import shlex
import sys
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh

from experiments.cluster import machine
from experiments.runs import folder as run_folder
from experiments.runs import progress
from experiments.runs import provenance
from experiments.training import calibration
from experiments.training import checkpoints as training_checkpoints
from experiments.training import evaluation
from experiments.training import foreign
from experiments.training import latent_sizes
from experiments.training import sharding
from experiments.training import tasks
from experiments.training import trainer
import perceiver
from perceiver.checkpoints import store
from perceiver.checkpoints.huggingface import folder


class Candidate(NamedTuple):
  """A model to be evaluated, with its task and devices."""

  config: trainer.TrainConfig
  task: tasks.Task
  variables: Any
  mesh: Mesh
  origin: str  # where the variables were read, and of which step
  step: int | None = None  # of the run whose checkpoint it is


def load(
  experiment: trainer.Experiment, path: pathlib.Path, step: int | None = None
) -> Candidate:
  """Reads what is at `path`.

  Args:
    experiment: gives data, metrics, batch size and devices, in place of which
      those that there are may be taken. A file written by `perceiver.save`
      brings its own model; any other must fit this one's.
    path: the folder of a run or of `transformers`, or a model file.
    step: of a run's checkpoint; the newest one if None.

  Raises:
    FileNotFoundError: if there is no checkpoint.
    training.checkpoints.MismatchError: if the checkpoint is another model's.
    perceiver.CheckpointError: if it is of another kind, or has the data's
      classes in another order.
  """
  experiment, mesh = _on_these_devices(experiment)
  platform = sharding.describe(mesh)["platform"]
  if warning := machine.unused_accelerator(platform):
    progress.write(warning)
  loaded: Any = None
  chosen: int | None = None
  class_names: tuple[str, ...] | None = None
  origin = str(path)
  if is_run(path):
    class_names = store.class_names(path / run_folder.MODEL)
  else:
    if store.is_ours(path):
      model, loaded = store.load(path, type(experiment.model))
      chosen = model.num_latents
      notes = store.notes(path)
      origin += f", step {notes.get('step', 'unknown')}"
      if selected := notes.get("selected"):
        origin += f", {selected}: selected on what it is evaluated on"
    else:
      model, loaded = foreign.load(path, experiment.model)
      _check_kind(model, experiment, path)
    class_names = model.class_names
    # Every experiment is a dataclass with a field `model`.
    experiment = dataclasses.replace(experiment, model=model.config)  # type: ignore[type-var]
  task = experiment.task()
  if class_names:
    _check_classes(class_names, task, path)
  if chosen is not None:
    task = latent_sizes.with_first(task, chosen)
    origin += f", {chosen} latents"
  shapes = jax.eval_shape(lambda: task.model.init(jax.random.key(0)))
  target = sharding.with_shardings(
    shapes, mesh, experiment.train.parallel.min_sharded_size
  )
  if loaded is None:
    variables, origin, step = _from_run(path, target, step)
  else:
    place = jax.tree.map(lambda x: x.sharding, target)
    variables = jax.device_put(loaded, place)
    step = None
  return Candidate(experiment.train, task, variables, mesh, origin, step)


def is_run(path: pathlib.Path) -> bool:
  """Returns whether a path is a folder, and none of `transformers`."""
  return path.is_dir() and not folder.is_folder(path)


def _check_kind(
  model: perceiver.Model, experiment: trainer.Experiment, path: pathlib.Path
) -> None:
  """Raises unless an experiment can evaluate a model."""
  expected: Any = experiment.model
  if not isinstance(model.config, type(expected)):
    raise perceiver.CheckpointError(
      f"Checkpoint: {path} holds {type(model.config).__name__}; expected "
      f"{type(expected).__name__}, which this experiment evaluates."
    )


def _check_classes(
  names: tuple[str, ...], task: Any, path: pathlib.Path
) -> None:
  """Raises if a model's classes are the data's in another order.

  Classes are compared by number. Where their names differ otherwise, which may
  be another spelling, a line says so.
  """
  give = getattr(task, "class_names", None)
  of_data = tuple(give()) if callable(give) else names
  differing = [pair for pair in zip(names, of_data) if pair[0] != pair[1]]
  if not differing:
    return
  one, other = differing[0]
  if sorted(names) == sorted(of_data):
    raise perceiver.CheckpointError(
      f"Checkpoint: class {names.index(one)} of {path} is {one!r}, that of the "
      f"data {other!r}; expected the same classes in the same order."
    )
  progress.write(
    f"classes are compared by number: {len(differing)} of {len(names)} have "
    f"other names in the model than in the data, such as {one!r} and {other!r}"
  )


def at_step(candidate: Candidate, run: pathlib.Path, step: int) -> Candidate:
  """Returns the same model as it was at another step of its run.

  Raises:
    FileNotFoundError: if there is no checkpoint of it.
    training.checkpoints.DamagedError: if it cannot be read.
  """
  target = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding),
    candidate.variables,
  )
  variables, origin, step = _from_run(run, target, step)
  return candidate._replace(variables=variables, origin=origin, step=step)


def _on_these_devices(
  experiment: trainer.Experiment,
) -> tuple[trainer.Experiment, Mesh]:
  wanted = experiment.train.parallel
  parallel = sharding.for_evaluation(wanted)
  mesh = sharding.make_mesh(parallel)
  if parallel != wanted and not sharding.process_index():
    progress.write(
      f"devices: {mesh.size}, in groups of {parallel.fsdp}; the run's "
      f"parallel.data={wanted.data} and parallel.fsdp={wanted.fsdp} do not fit "
      "them"
    )
  train = dataclasses.replace(experiment.train, parallel=parallel)
  return dataclasses.replace(experiment, train=train), mesh  # type: ignore[type-var]


def evaluator(
  candidate: Candidate, examples: int | None = None
) -> Callable[[Any], evaluation.Evaluation]:
  """Returns a function of variables that evaluates them as a model's.

  Args:
    candidate: gives the task and its split, and the devices.
    examples: how many to evaluate on, the first ones; None for all.

  Raises:
    files.InputError: if the task evaluates its whole split.
  """
  shown = progress.counter(
    "evaluating", unit=" examples", is_shown=not sharding.process_index()
  )
  return evaluation.make(
    candidate.task,
    candidate.mesh,
    candidate.config,
    evaluation.Watch(on_progress=shown),
    only_first=examples,
  )


def calibrate(
  candidate: Candidate, share: float, examples: int | None = None
) -> calibration.Calibration:
  """Fits a temperature on a share of a classifier's examples.

  Args:
    candidate: the classifier.
    share: of the examples that the temperature is fitted on.
    examples: how many there are, the first ones; None for all.

  Raises:
    files.InputError: if it is no classifier.
  """
  logits, labels = calibration.collect(
    candidate.task,
    candidate.variables,
    candidate.mesh,
    candidate.config,
    only_first=examples,
  )
  return calibration.calibrate(logits, labels, share)


def facts(candidate: Candidate) -> dict[str, str]:
  """Returns the origin of a page's numbers, by heading."""
  model = candidate.task.model
  params = jax.tree.leaves(candidate.variables.params)
  git = provenance.git_state() or {}
  changed = " and changes" if git.get("changed") else ""
  now = datetime.datetime.now(datetime.UTC)
  return {
    "model": f"{type(model.config).__name__}, "
    f"{sum(x.size for x in params):,} parameters",
    "weights": candidate.origin,
    "command": shlex.join(["python", *sys.orig_argv[1:]]),
    "code": f"commit {git.get('commit', 'unknown')}{changed}",
    "date": f"{now:%Y-%m-%d %H:%M} UTC",
  }


def _from_run(
  workdir: pathlib.Path, target: Any, step: int | None
) -> tuple[Any, str, int]:
  directory = workdir / run_folder.CHECKPOINTS
  with training_checkpoints.Checkpoints(
    directory, read_only=True
  ) as checkpoints:
    restored = checkpoints.restore(
      {"params": target.params, "state": target.state}, step
    )
    known = checkpoints.steps()
  if restored is None:
    wanted = "" if step is None else f" of step {step}"
    others = f"; there are those of {known}" if known else ""
    raise FileNotFoundError(
      f"There is no checkpoint{wanted} in {directory}{others}."
    )
  step, items = restored
  origin = f"checkpoint of step {step} in {directory}"
  if not sharding.process_index():
    print(origin)
  return target._replace(**items), origin, step
