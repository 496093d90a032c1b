"""Evaluation of a run's checkpoints while it makes them."""

from collections.abc import Callable
import pathlib
import time
from typing import Any

from experiments.cli import candidates
from experiments.cluster import processes
from experiments.runs import folder as run_folder
from experiments.runs import log
from experiments.runs import occupancy
from experiments.runs import progress
from experiments.training import checkpoints
from experiments.training import evaluation
from experiments.training import sharding
from experiments.training import trainer

_PAUSE_SECONDS = 5.0


def follow(experiment: trainer.Experiment, run: pathlib.Path) -> None:
  """Evaluates all checkpoints of a run, and those to come, until it ends.

  Results go into the run's log. Checkpoints that are in the log are left out,
  and those that the run evaluates itself.

  Args:
    experiment: the run's, perhaps with other data.
    run: its folder.

  Raises:
    run_folder.MovedError: if it is another one by now, as after --restart.
  """
  place = run_folder.Place(run)
  found: candidates.Candidate | None = None
  evaluate: Callable[[Any], evaluation.Evaluation] | None = None
  lost = set[int]()
  while True:
    has_ended, steps = processes.from_process_zero(
      lambda: _look(experiment.train, run, lost)
    )
    for step in steps:
      try:
        found = (
          candidates.at_step(found, run, step)
          if found
          else candidates.load(experiment, run, step)
        )
      except (FileNotFoundError, checkpoints.DamagedError) as error:
        _say(str(error))
        lost.add(step)
        continue
      evaluate = evaluate or candidates.evaluator(found)
      _note(place, run, step, evaluate(found.variables))
    if has_ended and not steps:
      break
    if not steps:
      time.sleep(_PAUSE_SECONDS)
  _say(f"No run is going on in {run}.")


def _look(
  config: trainer.TrainConfig, run: pathlib.Path, lost: set[int]
) -> tuple[bool, list[int]]:
  """Returns whether the run has ended, and the steps to be evaluated."""
  has_ended = not occupancy.is_occupied(run)  # First: it may end right now.
  every = config.eval_every
  steps = run_folder.checkpoint_steps(run / run_folder.CHECKPOINTS)
  # Of a length in epochs, any newest one may be the last.
  last = config.steps or (steps[-1] if steps else 0)
  own = lambda step: step == last or (every and step % every == 0)
  done = _evaluated(run) | lost
  return has_ended, [
    step for step in steps if step not in done and (has_ended or not own(step))
  ]


def _evaluated(run: pathlib.Path) -> set[int]:
  path = run / log.METRICS
  rows = log.read_rows(path) if path.exists() else []
  return {row["step"] for row in rows if row["kind"] == "eval"}


def _note(
  place: run_folder.Place,
  run: pathlib.Path,
  step: int,
  found: evaluation.Evaluation,
) -> None:
  def write() -> None:
    place.check()
    if step not in _evaluated(run):  # It takes a while.
      log.add_row(run, "eval", step, found.to_row())

  processes.on_process_zero(write)
  _say(f"step {step}: {found.describe_briefly()}")


def _say(text: str) -> None:
  if not sharding.process_index():
    progress.write(text)
