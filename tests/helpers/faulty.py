"""Functions for the processes of fault tests: runs of `recipes.sums`.

A new process imports this module and calls one of its functions.
"""

import dataclasses
import os
import pathlib
import signal
import sys
from typing import Any

from safetensors import numpy as safetensors_numpy

from experiments import evaluate as experiments_evaluate
from experiments.cli import errors
from experiments.cluster import processes
from experiments.runs import log
from experiments.training import checkpoints
from experiments.training import memory
from experiments.training import sharding
from experiments.training import trainer
import perceiver
from perceiver.models import registry as model_registry
from tests.helpers.recipes import sums


def experiment(**settings: Any) -> sums.Experiment:
  """Returns `recipes.sums` with other settings of its training."""
  plain = sums.EXPERIMENTS["plain"]
  return dataclasses.replace(
    plain, train=dataclasses.replace(plain.train, **settings)
  )


def train(
  workdir: pathlib.Path,
  settings: dict[str, Any],
  start: processes.DistributedConfig | None = None,
  seconds_per_example: float = 0.0,
) -> None:
  """Trains `recipes.sums`, as one of several processes if `start` is given."""
  os.environ["TINY_SECONDS_PER_EXAMPLE"] = str(seconds_per_example)
  # Even small arrays are divided.
  parallel = dataclasses.replace(
    settings.get("parallel", sharding.ParallelConfig()), min_sharded_size=8
  )

  def main() -> None:
    if start is not None:
      processes.start(start)
    trainer.train(experiment(**{**settings, "parallel": parallel}), workdir)

  sys.exit(errors.run(main))


PHASES: dict[str, tuple[Any, str]] = {
  "start": (trainer, "check"),
  "compiling": (memory, "compile_within"),
  "training": (log.Reporter, "progress"),
  "evaluation": (log.Reporter, "evaluating"),
  "checkpoint": (checkpoints.ocp.CheckpointManager, "wait_until_finished"),
  "model": (perceiver, "save"),
  "plots": (sums.Task, "plots"),
}


def train_signalled(
  phase: str, number: int, to_group: bool, *arguments: Any
) -> None:
  """Trains as `train`; a signal comes as soon as a phase has begun.

  Args:
    phase: one of `PHASES`.
    number: of the signal.
    to_group: whether it goes to all processes of the group.
    *arguments: of `train`.
  """
  owner, name = PHASES[phase]
  function = getattr(owner, name)

  def interrupted(*args: Any, **kwargs: Any) -> Any:
    setattr(owner, name, function)  # It comes once.
    (os.killpg if to_group else os.kill)(
      os.getpgrp() if to_group else os.getpid(), number
    )
    return function(*args, **kwargs)

  setattr(owner, name, interrupted)
  train(*arguments)


def train_killed(name: str, moment: str, *arguments: Any) -> None:
  """Trains as `train`, until kill -9 comes as a file is written.

  Args:
    name: of the file.
    moment: "half" or "whole", of the unfinished file; "renamed", of the file;
      or "row", half of one more row.
    *arguments: of `train`.
  """
  replace = os.replace

  def killed(temporary: pathlib.Path, path: pathlib.Path) -> None:
    is_due = pathlib.Path(path).name == name
    if is_due and moment == "half":
      os.truncate(temporary, os.path.getsize(temporary) // 2)
    if not is_due or moment == "renamed":
      replace(temporary, path)
    if is_due:
      os.kill(os.getpid(), signal.SIGKILL)

  def killed_in_a_row(self: log.Reporter, *unused: Any) -> None:
    self._file.write(b'{"step": 1')
    self._file.flush()
    os.kill(os.getpid(), signal.SIGKILL)

  if moment == "row":
    log.Reporter.write = killed_in_a_row  # type: ignore[method-assign]
  else:
    os.replace = killed  # type: ignore[assignment]
  train(*arguments)


def evaluate(workdir: pathlib.Path, *options: str) -> None:
  """Evaluates a run from its folder."""
  model_registry.ModelConfig = sums.ModelConfig
  sys.exit(experiments_evaluate.main([str(workdir), *options]))


def contents(workdir: pathlib.Path) -> tuple[bytes, dict[str, bytes]]:
  """Returns the results of a run: its log, and the bits of its model."""
  # Not the file: safetensors writes its notes in any order.
  arrays = safetensors_numpy.load_file(workdir / "model.safetensors")
  bits = {name: array.tobytes() for name, array in arrays.items()}
  return (workdir / "metrics.jsonl").read_bytes(), bits


def meet(start: processes.DistributedConfig) -> None:
  """Brings processes together, and prints what process 0 sends to all."""

  def main() -> None:
    processes.start(start)
    print(processes.broadcast(f"from {start.process_id or 0}"))

  sys.exit(errors.run(main))
