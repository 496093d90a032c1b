"""The loop of training: log, checkpoints, evaluation and signals."""

import contextlib
import pathlib
import signal
from typing import Any, cast, NoReturn

import jax
from jax.sharding import Mesh

from experiments.cluster import processes
from experiments.cluster import signals
from experiments.data import loader
from experiments.runs import folder as run_folder
from experiments.runs import log
from experiments.training import best
from experiments.training import checkpoints
from experiments.training import config as training_config
from experiments.training import evaluation
from experiments.training import losses as training_losses
from experiments.training import non_finite
from experiments.training import program as training_program
from experiments.training import resuming
from experiments.training import sharding
from experiments.training import state
from experiments.training import tasks

Array = jax.Array


class Run:
  """A training in progress; owns the state.

  Processes of one run go through it side by side: what all do at the same
  time, such as an evaluation, is decided by all or by process 0.
  """

  def __init__(
    self,
    experiment: Any,
    task: tasks.Task,
    program: training_program.Program,
    mesh: Mesh,
    workdir: pathlib.Path,
    stop: signals.StopRequest,
    stack: contextlib.ExitStack,
    changes: run_folder.Changes,
  ) -> None:
    """Goes on from the folder's newest checkpoint, or begins.

    Args:
      experiment: the recipe.
      task: its problem.
      program: what it computes.
      mesh: the devices.
      workdir: the run's folder, which exists.
      stop: whether a signal has come.
      stack: closes what is opened here.
      changes: settings that were others when the run was left.
    """
    config: training_config.TrainConfig = experiment.train
    self._config, self._task, self._mesh = config, task, mesh
    self._workdir, self._signal = workdir, sharding.SharedSignal(mesh, stop)
    self._program, self._split = program, program.split
    self._rate, self._num_steps = program.rate, program.num_steps
    self._checkpoints = stack.enter_context(
      checkpoints.Checkpoints(
        workdir / run_folder.CHECKPOINTS,
        keep=config.keep,
        keep_every=config.keep_every,
        in_background=config.checkpoint_in_background,
      )
    )
    self._state = resuming.first_state(self._checkpoints, program)
    self._reporter = self._open_reporter(experiment, stack, changes)
    watch = evaluation.Watch(
      should_stop=lambda: bool(self._signal.now()),
      on_progress=self._reporter.evaluating,
    )
    self._evaluate = evaluation.make(task, mesh, config, watch)

  def _open_reporter(
    self,
    experiment: Any,
    stack: contextlib.ExitStack,
    changes: run_folder.Changes,
  ) -> log.Reporter:
    first_step, changed = int(self._state.step), list[str]()
    splits = self._split, self._program.eval_split
    processes.on_process_zero(
      lambda: changed.extend(
        resuming.record(
          self._workdir, experiment, self._mesh, first_step, splits, changes
        )
      )
    )
    reporter = stack.enter_context(
      log.Reporter(
        self._workdir,
        first_step=first_step,
        total_steps=self._num_steps,
        is_writer=sharding.process_index() == 0,
        wandb=self._config.wandb,
      )
    )
    if first_step:
      reporter.say(f"Going on from step {first_step} in {self._workdir}")
    for text in resuming.describe(
      changes, first_step, self._num_steps, self._rate
    ):
      reporter.say(text)
    for name in changed:
      reporter.say(f"The examples of {name} are not those of the run's start.")
    return reporter

  def to_the_end(self) -> None:
    """Makes all steps that remain."""
    step = int(self._state.step)
    try:
      self._evaluate_if_due(step)  # A killed run may not have come to it.
      if step < self._num_steps:
        self._make_steps(step)
    except evaluation.Abandoned:
      self._leave(int(self._state.step), self._signal.now())
    except Exception:
      # A signal often comes together with other trouble: saving comes first.
      if sharding.process_count() == 1 and (number := self._signal.now()):
        with contextlib.suppress(Exception):
          self._leave(int(self._state.step), number)
      raise

  def _make_steps(self, step: int) -> None:
    first_step, losses = step, list[Array]()
    with (
      self._program.profiled_step(self._workdir) as make_step,
      contextlib.closing(self._batches(step)) as batches,
    ):
      while step < self._num_steps:
        batch = sharding.put_batch(self._mesh, next(batches))
        self._state, loss = make_step(self._state, batch)
        step += 1
        # The host prepares batches while the devices compute, but never more
        # than two ahead, or they would fill the devices' memory.
        losses = [*losses, loss][-2:]
        jax.block_until_ready(losses[0])
        if step == first_step + 1:
          self._reporter.resume_clock(step)  # The first one loads the data.
        self._after(step)

  def _batches(self, step: int) -> Any:
    return loader.train_batches(
      self._split,
      batch_size=self._config.batch_size,
      seed=self._config.seed,
      start_step=step,
      process_index=sharding.process_index(),
      process_count=sharding.process_count(),
      num_threads=self._config.loader_threads,
      num_workers=self._config.loader_workers,
    )

  def _after(self, step: int) -> None:
    """Logs, saves and evaluates if due; stops if there was a signal."""
    is_last = step == self._num_steps
    if is_last or step % self._config.log_every == 0:
      self._log(step)
    if is_last or step % self._config.checkpoint_every == 0:
      self._save(step)
    if number := self._signal.after_step():
      self._leave(step, number)
    self._evaluate_if_due(step)

  def _log(self, step: int) -> None:
    self._check_finite()
    means = training_losses.averages(self._state.running)
    if "loss" not in means:
      if non_finite.may_go_on(self._state.running, self._num_steps):
        return
      raise self._non_finite_error()
    means["learning_rate"] = float(self._rate(step - 1))
    self._reporter.write("train", step, means)
    self._reporter.progress(step, means["loss"])
    if skipped := means.get(training_losses.SKIPPED):
      self._reporter.say(f"{skipped} steps up to {step} were skipped.")
    self._state = state.clear_running(self._state)

  def _check_finite(self) -> None:
    """Raises if loss or gradient is not a number, unless it is skipped."""
    if self._config.non_finite is training_config.NonFinite.SKIP:
      return
    if training_losses.first_broken(self._state.running):
      raise self._non_finite_error()

  def _non_finite_error(self) -> training_losses.NonFiniteError:
    return non_finite.error(
      self._state.running, self._checkpoints, self._batches, self._workdir
    )

  def _save(self, step: int) -> None:
    self._check_finite()
    self._checkpoints.save(step, state.to_items(self._state))
    self._reporter.resume_clock(step)

  def _leave(self, step: int, number: int) -> NoReturn:
    """Saves and exits, because of a signal."""
    self._save(step)
    self._checkpoints.wait()
    self._reporter.say(
      f"Stopped by {signal.Signals(number).name} after step {step}; the same "
      "command goes on from here."
    )
    raise SystemExit(signals.exit_code(number))

  def _evaluate_if_due(self, step: int) -> None:
    every = self._config.eval_every
    due = step == self._num_steps or (every and step and step % every == 0)
    if not due:
      return
    if self._logged_evaluation(step) is None:
      result = self._evaluate(self._state.variables)
      metric, task = self._config.best_metric, self._task
      lines = best.keep(
        self._workdir, metric, step, result, task, self.variables
      )
      self._reporter.write("eval", step, result.to_row())
      for line in lines:
        self._reporter.say(line)
      self._reporter.resume_clock(step)

  def _logged_evaluation(self, step: int) -> dict[str, Any] | None:
    find = lambda: self._reporter.find("eval", step)
    return cast(dict[str, Any] | None, processes.from_process_zero(find))

  def result(self) -> tuple[int, evaluation.Evaluation]:
    """Returns the number of steps and the last evaluation."""
    self._checkpoints.wait()
    row = self._logged_evaluation(self._num_steps)
    assert row is not None
    return self._num_steps, evaluation.from_row(row)

  def leave_if_asked(self) -> None:
    """Exits after a signal that came when all steps had been made.

    Raises:
      SystemExit: with the signal's exit code.
    """
    if number := self._signal.now():
      raise SystemExit(signals.exit_code(number))

  def variables(self) -> Any:
    """Returns parameters and model state as arrays of NumPy."""
    return sharding.to_host(self._mesh, self._state.variables)
