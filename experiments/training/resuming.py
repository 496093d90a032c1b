"""The state that a run goes on from, in its folder's newest checkpoint."""

from collections.abc import Sequence
import contextlib
import pathlib
from typing import Any

from jax.sharding import Mesh
import optax

from experiments.cluster import processes
from experiments.data import loader
from experiments.runs import contents
from experiments.runs import folder as run_folder
from experiments.runs import loggers
from experiments.runs import outside_files
from experiments.runs import provenance
from experiments.training import best
from experiments.training import checkpoints
from experiments.training import config as training_config
from experiments.training import losses
from experiments.training import pretrained
from experiments.training import program as training_program
from experiments.training import sharding
from experiments.training import state as training_state


def check_same(experiment: Any) -> None:
  """Checks that all processes have the same configuration.

  Raises:
    processes.DisagreementError: if they have different ones.
  """
  text = run_folder.to_json(experiment)
  may_differ = training_config.MAY_DIFFER_BETWEEN_PROCESSES
  processes.check_same(run_folder.settings(text, may_differ))


def claim(
  workdir: pathlib.Path,
  experiment: Any,
  program: training_program.Program,
  start: pretrained.Start | None,
  *,
  amend: bool,
  from_step: int | None,
) -> run_folder.Changes:
  """Makes sure that the folder is of this run, for all processes.

  Args:
    workdir: the run's folder.
    experiment: the recipe.
    program: what the run computes.
    start: the checkpoint that the run begins with, if any.
    amend: go on with changed values of `training_config.MAY_BE_AMENDED`.
    from_step: go on from this checkpoint, not from the newest one.

  Returns:
    The settings that were changed on purpose.

  Raises:
    run_folder.ConfigError: if it is another configuration's, or there is no
      checkpoint of that step.
    run_folder.GoneError: if the run has had checkpoints, and none is left.
    files.InputError: if a file that the run needs cannot be copied, or an
      evaluation has no such metric as the best model is to be kept by.
    memory.MemoryLimitError: if a step needs more memory than there is.
  """
  # What cannot be computed is refused before the folder is a run's.
  loggers.check(experiment.train.wandb)
  metric = experiment.train.best_metric
  if metric is not None and (names := program.metrics()):
    best.check(metric, names)
  if processes.from_process_zero(
    lambda: not (workdir / run_folder.CONFIG).exists()
  ):
    _ = program.step

  def on_disk() -> run_folder.Changes:
    config = run_folder.to_json(experiment)
    changes = run_folder.claim(
      workdir,
      config,
      training_config.MAY_DIFFER,
      training_config.MAY_BE_AMENDED,
      amend=amend,
      paths=outside_files.paths(experiment),
    )
    contents.describe(workdir)
    outside_files.keep(workdir, config)
    if from_step is not None:
      run_folder.go_back(workdir, from_step)
    if start is not None:
      start.write(workdir)
    return changes

  return processes.from_process_zero(on_disk)


def first_state(
  stored: checkpoints.Checkpoints, program: training_program.Program
) -> training_state.TrainState:
  """Goes on from the newest checkpoint, or begins.

  A checkpoint may be from before the run was amended to skip steps without a
  number, or not to.

  Args:
    stored: the checkpoints of the run.
    program: what the run computes.

  Raises:
    run_folder.ConfigError: if the run has made more steps than it has.
  """

  def restore(skips: bool) -> training_state.TrainState | None:
    target = program.shapes(skips)
    found = stored.restore(training_state.to_items(target))
    return found and training_state.from_items(target, found[1])

  try:
    state = restore(program.skips)
  except checkpoints.MismatchError as error:
    state = None
    with contextlib.suppress(checkpoints.MismatchError):
      state = restore(not program.skips)
      assert state is not None
      state = _count_skipped(state, program.skips)
    if state is None:
      raise error
  if state is None:
    state = program.first_state()
    if program.start is not None:  # From here on it is not needed.
      stored.save(0, training_state.to_items(state))
    return state
  if (made := int(state.step)) > program.num_steps:
    raise run_folder.ConfigError(
      f"The run in {stored.directory.parent} has made {made} steps; expected "
      f"at least as many, not {program.num_steps}. Give it more, or go back "
      "with --from-step."
    )
  return state


def _count_skipped(
  state: training_state.TrainState, skips: bool
) -> training_state.TrainState:
  """Adds the number of skipped steps to the sums of the log, or drops it."""
  sums = dict(state.running.sums)
  if skips:
    zeros = training_state.clear_running(state).running.sums
    sums[losses.SKIPPED] = zeros[losses.GUARDED[0]]
  else:
    del sums[losses.SKIPPED]
  return state._replace(running=state.running._replace(sums=sums))


def record(
  workdir: pathlib.Path,
  experiment: Any,
  mesh: Mesh,
  first_step: int,
  splits: Sequence[loader.Split],
  changes: run_folder.Changes,
) -> list[str]:
  """Records the start of a part of a run, and then its configuration.

  In this order no change of a setting is missing from the history.

  Returns:
    The names of splits whose examples are not those of the run's first part.
  """
  changed = provenance.record(
    workdir,
    experiment,
    devices=sharding.describe(mesh),
    first_step=first_step,
    splits=splits,
    changes=changes,
  )
  run_folder.write_config(workdir, experiment)
  return changed


def describe(
  changes: run_folder.Changes,
  first_step: int,
  num_steps: int,
  rate: optax.Schedule,
) -> list[str]:
  """Returns lines on the settings that a run goes on with.

  Args:
    changes: of settings.
    first_step: steps made before.
    num_steps: of the whole run.
    rate: learning rate of a step, counted from 0.
  """
  lines = [
    f"From step {first_step} on {name} is {now}, not {then}."
    for name, (then, now) in changes.items()
  ]
  if changes:
    lines.append(
      f"The learning rate is {float(rate(first_step)):.3g} at step {first_step}"
      f" and {float(rate(num_steps - 1)):.3g} at the end, step {num_steps}."
    )
  return lines
