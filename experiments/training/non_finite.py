"""The end of a run whose loss or gradient is not a number.

A row of the log waits for a step that is not skipped, for a while.
"""

from collections.abc import Callable
import contextlib
import pathlib

from experiments.data import loader
from experiments.runs import folder as run_folder
from experiments.training import checkpoints
from experiments.training import losses
from experiments.training import sharding

_ENOUGH_SKIPPED = 10  # steps of a row, and no other, for the run to end


def may_go_on(running: losses.Running, num_steps: int) -> bool:
  """Returns whether steps that were all skipped may be part of the next row.

  Args:
    running: the sums of the log.
    num_steps: of the whole run.
  """
  return int(running.num_steps) < min(_ENOUGH_SKIPPED, num_steps)


def error(
  running: losses.Running,
  stored: checkpoints.Checkpoints,
  batches: Callable[[int], loader.Batches],
  workdir: pathlib.Path,
) -> losses.NonFiniteError:
  """Returns the error of a run that cannot go on, and keeps the batch.

  Args:
    running: the sums of the log, with the step.
    stored: the checkpoints of the run.
    batches: from a step on.
    workdir: the run's folder.
  """
  found = losses.first_broken(running)
  assert found is not None
  step, name = found
  stored.wait()
  last = max(stored.steps(), default=None)
  skips = losses.SKIPPED in running.sums
  skip = "" if skips else "--train.non-finite skip, "
  intact = (
    f"The checkpoint of step {last} is intact: go on from it with --amend and "
    f"{skip}a lower --train.base-rate or a clipped gradient "
    "(--train.optimizer.clip-norm), or from an earlier one with --from-step."
    if last is not None
    else "There is no checkpoint yet: begin anew with --amend and a lower "
    "--train.base-rate."
  )
  kept = _keep_batch(step, batches, workdir)
  all_skipped = " nor at any step since, all skipped"
  return losses.NonFiniteError(
    f"{name} is not a finite number at step {step}"
    f"{all_skipped * skips}. {intact}"
    + f" The step's batch is in {kept}."
    * bool(kept)
  )


def _keep_batch(
  step: int, batches: Callable[[int], loader.Batches], workdir: pathlib.Path
) -> pathlib.Path | None:
  """Prepares the batch of a step again, and writes down this one's share."""
  index = sharding.process_index()
  name = f"step-{step}" + f"-process-{index}" * bool(index) + ".npz"
  with contextlib.closing(batches(step - 1)) as again:
    return run_folder.keep_batch(
      next(again), workdir / "non_finite" / name, step=step
    )
