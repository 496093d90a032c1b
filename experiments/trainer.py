"""Training, the same for every experiment.

The trainer knows the machine and not the problem: it owns the gradient, the
reduction over the batch, the schedule, devices, checkpoints, the log and
signals. What a step computes is in `train_state`.

The same command continues a run, exactly: the data position is the step, and
all else is in the checkpoint. SIGTERM and SIGINT (Ctrl-C) save after the
current step and exit with code 143 and 130; a second one stops at once.
"""

import contextlib
import dataclasses
import pathlib
from typing import Any, NoReturn, Protocol

import jax
from jax.sharding import Mesh
import numpy as np
import optax

from experiments import checkpointing
from experiments import evaluation
from experiments import loading
from experiments import optimizers
from experiments import parallel
from experiments import reporting
from experiments import signals
from experiments import task as task_lib
from experiments import train_config
from experiments import train_state
import perceiver
from perceiver import config_json

Array = jax.Array

# What may change between the parts of one run: it decides how often something
# is written and where things are, not what is learned.
MAY_DIFFER = (
  "data.data_dir",
  "train.checkpoint_every",
  "train.eval_batch_size",
  "train.eval_every",
  "train.keep",
  "train.loader_threads",
  "train.loader_workers",
  "train.log_every",
  "train.parallel",
)


class NonFiniteError(FloatingPointError):
  """Training has produced a loss or a gradient that is not a number."""


# How a model is trained; every experiment has one.
TrainConfig = train_config.TrainConfig


class Experiment(Protocol):
  """A whole recipe: a frozen dataclass with at least these fields."""

  @property
  def model(self) -> Any:
    """The model's configuration."""

  @property
  def train(self) -> TrainConfig:
    """How it is trained."""

  def task(self) -> task_lib.Task:
    """Builds the problem: model, data, losses."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
  """What a finished training has to show.

  Attributes:
    step: steps made.
    evaluation: the last evaluation.
    model_file: the trained model, for `perceiver.load`.
    figures: pictures to look at.
  """

  step: int
  evaluation: evaluation.Evaluation
  model_file: pathlib.Path
  figures: tuple[pathlib.Path, ...]


def train(experiment: Experiment, workdir: pathlib.Path) -> Report:
  """Trains to the end, from wherever the folder's last checkpoint is.

  Args:
    experiment: the recipe.
    workdir: the run's folder, made if it does not exist.

  Returns:
    The result, once everything is on disk.

  Raises:
    ValueError: if the devices cannot share the batch, or the configuration
      does not fit together; nothing has been written then.
    reporting.ConfigError: if the folder is another configuration's.
    checkpointing.MismatchError: if the checkpoint is another model's.
    NonFiniteError: if loss or gradient stop being numbers; the checkpoints
      from before remain.
    SystemExit: with code 143 or 130 after SIGTERM or SIGINT.
  """
  mesh = check(experiment)
  task = experiment.task()
  # Fails before there is a folder if the training is too short.
  train_config.learning_rate(experiment.train, len(task.train_split().source))
  if parallel.process_index() == 0:
    text = config_json.to_json(experiment)
    reporting.claim(workdir, text, MAY_DIFFER)
  with contextlib.ExitStack() as stack:
    stop = stack.enter_context(signals.StopRequest())
    run = _Run(experiment.train, task, mesh, workdir, stop, stack)
    run.to_the_end()
    return run.finish()


def check(experiment: Experiment) -> Mesh:
  """Refuses what cannot work, before anything is built.

  Returns:
    The devices that the experiment asks for.

  Raises:
    ValueError: naming the setting.
  """
  config = experiment.train
  mesh = parallel.make_mesh(config.parallel)
  parallel.check_batch_size(mesh, config.batch_size, "batch_size")
  parallel.check_batch_size(mesh, _eval_batch_size(config), "eval_batch_size")
  return mesh


def _eval_batch_size(config: TrainConfig) -> int:
  return config.eval_batch_size or config.batch_size


def batch_shapes(
  split: loading.Split, batch_size: int
) -> dict[str, jax.ShapeDtypeStruct]:
  """Finds out the shapes of a batch by preparing a single example.

  Raises:
    ValueError: if there is none.
  """
  if not len(split.source):
    raise ValueError(f"split {split.name!r} has no examples")
  example = split.transform(split.source[0], np.random.default_rng(0))
  shapes = {
    name: jax.ShapeDtypeStruct(
      (batch_size, *np.shape(value)), np.asarray(value).dtype
    )
    for name, value in example.items()
  }
  return shapes | {"weight": jax.ShapeDtypeStruct((batch_size,), np.float32)}


class _Run:
  """A training in progress; owns what changes."""

  def __init__(
    self,
    config: TrainConfig,
    task: task_lib.Task,
    mesh: Mesh,
    workdir: pathlib.Path,
    stop: signals.StopRequest,
    stack: contextlib.ExitStack,
  ) -> None:
    self._config, self._task, self._mesh = config, task, mesh
    self._workdir, self._stop = workdir, stop
    self._split = task.train_split()
    self._rate, self._num_steps = train_config.learning_rate(
      config, len(self._split.source)
    )
    optimizer = optimizers.build(config.optimizer, self._rate)
    self._checkpoints = stack.enter_context(
      checkpointing.Checkpoints(workdir / "checkpoints", keep=config.keep)
    )
    self._state = self._first_state(optimizer)
    self._make_step = train_state.make_step(task, optimizer, mesh, self._state)
    first_step = int(self._state.step)
    self._reporter = self._open_reporter(first_step, stack)
    self._evaluate = evaluation.make(
      task,
      mesh,
      _eval_batch_size(config),
      loader_threads=config.loader_threads,
      loader_workers=config.loader_workers,
      should_stop=lambda: stop.came,
      on_progress=self._reporter.evaluating,
    )

  def _first_state(
    self, optimizer: optax.GradientTransformation
  ) -> train_state.TrainState:
    """Goes on from the newest checkpoint, or begins."""
    shapes = batch_shapes(self._split, self._config.batch_size)
    target = train_state.abstract(self._task, optimizer, shapes, self._mesh)
    restored = self._checkpoints.restore(train_state.to_items(target))
    if restored is None:
      return train_state.create(
        self._task, optimizer, shapes, self._mesh, self._config.seed
      )
    return train_state.from_items(target, restored[1])

  def _open_reporter(
    self, first_step: int, stack: contextlib.ExitStack
  ) -> reporting.Reporter:
    is_writer = parallel.process_index() == 0
    if is_writer:
      devices = parallel.describe(self._mesh)
      reporting.record_provenance(self._workdir, devices, first_step)
    reporter = stack.enter_context(
      reporting.Reporter(
        self._workdir,
        first_step=first_step,
        total_steps=self._num_steps,
        is_writer=is_writer,
      )
    )
    if first_step:
      reporter.say(f"Going on from step {first_step} in {self._workdir}")
    return reporter

  def to_the_end(self) -> None:
    """Makes all steps that remain."""
    step = int(self._state.step)
    try:
      self._evaluate_if_due(step)  # A killed run may not have come to it.
      if step < self._num_steps:
        self._make_steps(step)
    except evaluation.Abandoned:
      self._leave(int(self._state.step))

  def _make_steps(self, step: int) -> None:
    first_step, losses = step, list[Array]()
    with contextlib.closing(self._batches(step)) as batches:
      while step < self._num_steps:
        batch = parallel.put_batch(self._mesh, next(batches))
        self._state, loss = self._make_step(self._state, batch)
        step += 1
        # The host prepares batches while the devices compute, but never more
        # than two ahead, or they would fill the devices' memory.
        losses = [*losses, loss][-2:]
        jax.block_until_ready(losses[0])
        if step == first_step + 1:
          self._reporter.resume_clock(step)  # Compiling is no step's time.
        self._after(step)

  def _batches(self, step: int) -> Any:
    return loading.train_batches(
      self._split,
      batch_size=self._config.batch_size,
      seed=self._config.seed,
      start_step=step,
      process_index=parallel.process_index(),
      process_count=parallel.process_count(),
      num_threads=self._config.loader_threads,
      num_workers=self._config.loader_workers,
    )

  def _after(self, step: int) -> None:
    """Does what is due after a step: first what must not be lost."""
    is_last = step == self._num_steps
    if is_last or step % self._config.log_every == 0:
      self._log(step)
    if is_last or step % self._config.checkpoint_every == 0:
      self._save(step)
    if self._stop.came:
      self._leave(step)
    self._evaluate_if_due(step)

  def _log(self, step: int) -> None:
    self._check_finite()
    running = jax.device_get(self._state.running)
    means = {
      n: float(x) / int(running.num_steps) for n, x in running.sums.items()
    }
    means["learning_rate"] = float(self._rate(step - 1))
    self._reporter.write("train", step, means)
    self._reporter.progress(step, means["loss"])
    self._state = train_state.clear_running(self._state)

  def _check_finite(self) -> None:
    broken = jax.device_get(self._state.running.broken_at)
    found = [(int(step), name) for name, step in broken.items() if step]
    if found:
      step, name = min(found)
      last = max(self._checkpoints.steps(), default=None)
      raise NonFiniteError(
        f"{name} is not a finite number at step {step}. "
        + (
          f"The checkpoint of step {last} is intact."
          if last
          else "There is no checkpoint yet."
        )
      )

  def _save(self, step: int) -> None:
    self._check_finite()
    self._checkpoints.save(step, train_state.to_items(self._state))
    self._reporter.resume_clock(step)

  def _leave(self, step: int) -> NoReturn:
    """Saves and exits, because a signal asked for it."""
    assert self._stop.signal is not None
    self._save(step)
    self._reporter.say(
      f"Stopped by {self._stop.signal.name} after step {step}; the same "
      "command goes on from here."
    )
    raise SystemExit(128 + self._stop.signal)

  def _evaluate_if_due(self, step: int) -> None:
    every = self._config.eval_every
    due = step == self._num_steps or (every and step and step % every == 0)
    if due and self._reporter.find("eval", step) is None:
      result = self._evaluate(self._state.variables)
      self._reporter.write("eval", step, result.to_row())
      self._reporter.say(f"step {step}: {result.describe_briefly()}")
      self._reporter.resume_clock(step)

  def finish(self) -> Report:
    """Writes the model and the pictures."""
    row = self._reporter.find("eval", self._num_steps)
    assert row is not None
    model_file = self._workdir / "model.safetensors"
    figures: list[pathlib.Path] = []
    if parallel.process_index() == 0:
      variables = jax.device_get(self._state.variables)
      notes = {"step": str(self._num_steps)}
      perceiver.save(model_file, self._task.model, variables, notes)
      figures = self._task.figures(variables, self._workdir)
    return Report(
      step=self._num_steps,
      evaluation=evaluation.from_row(row),
      model_file=model_file,
      figures=tuple(figures),
    )
