"""Trained models to be evaluated, and what is known of them."""

import dataclasses
import datetime
import pathlib
import shlex
import sys
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh

from experiments.cluster import machine
from experiments.runs import progress
from experiments.runs import provenance
from experiments.training import checkpoints as training_checkpoints
from experiments.training import sharding
from experiments.training import tasks
from experiments.training import trainer
import perceiver
from perceiver.checkpoints import store


class Candidate(NamedTuple):
  """A model to be judged, with what judges it."""

  config: trainer.TrainConfig
  task: tasks.Task
  variables: Any
  mesh: Mesh
  origin: str  # where the variables were read, and of which step


def load(experiment: trainer.Experiment, path: pathlib.Path) -> Candidate:
  """Reads what is at `path`.

  Args:
    experiment: gives data, metrics, batch size and devices. A file written by
      `perceiver.save` brings its own model; any other must fit this one's.
    path: the folder of a run, of which the newest checkpoint is read, or a
      model file.

  Raises:
    FileNotFoundError: if there is no checkpoint.
    training.checkpoints.MismatchError: if the checkpoint is another model's.
  """
  mesh = trainer.check(experiment)
  platform = sharding.describe(mesh)["platform"]
  if warning := machine.unused_accelerator(platform):
    progress.write(warning)
  loaded: Any = None
  origin = str(path)
  if not path.is_dir():
    if store.is_ours(path):
      model, loaded = store.load(path, type(experiment.model))
      notes = store.notes(path)
      origin += f", step {notes.get('step', 'unknown')}"
      if selected := notes.get("selected"):
        origin += f", {selected}: selected on what it is evaluated on"
    else:
      model, loaded = perceiver.load(path, experiment.model)
    # Every experiment is a dataclass with a field `model`.
    experiment = dataclasses.replace(experiment, model=model.config)  # type: ignore[type-var]
  task = experiment.task()
  shapes = jax.eval_shape(lambda: task.model.init(jax.random.key(0)))
  target = sharding.with_shardings(
    shapes, mesh, experiment.train.parallel.min_sharded_size
  )
  if loaded is None:
    variables, origin = _from_run(path, target)
  else:
    place = jax.tree.map(lambda x: x.sharding, target)
    variables = jax.device_put(loaded, place)
  return Candidate(experiment.train, task, variables, mesh, origin)


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
    "date": now.isoformat(" ", "minutes"),
  }


def _from_run(workdir: pathlib.Path, target: Any) -> tuple[Any, str]:
  directory = workdir / "checkpoints"
  restored = None
  if directory.exists():
    with training_checkpoints.Checkpoints(
      directory, read_only=True
    ) as checkpoints:
      restored = checkpoints.restore(
        {"params": target.params, "state": target.state}
      )
  if restored is None:
    raise FileNotFoundError(f"There is no checkpoint in {directory}.")
  step, items = restored
  origin = f"checkpoint of step {step} in {directory}"
  if not sharding.process_index():
    print(origin)
  return target._replace(**items), origin
