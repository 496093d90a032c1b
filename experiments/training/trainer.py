"""Training, the same for every experiment.

The trainer is for the machine and not the problem: it owns the gradient, the
reduction over the batch, the schedule, devices, checkpoints, the log and
signals. A step is in `state`, the work between steps in `loop`.

The same command continues a run, exactly: the data position is the step, and
all else is in the checkpoint. SIGTERM and the other signals of
`signals.CAUGHT` save after the current step and exit with code 143, SIGINT
(Ctrl-C) with 130; a second one stops at once.
"""

import contextlib
import dataclasses
import pathlib
from typing import Any, Protocol

from jax.sharding import Mesh

from experiments.cluster import processes
from experiments.cluster import signals
from experiments.runs import folder as run_folder
from experiments.runs import occupancy
from experiments.runs import outside_files
from experiments.training import config as training_config
from experiments.training import evaluation
from experiments.training import loop
from experiments.training import pretrained
from experiments.training import program as training_program
from experiments.training import resuming
from experiments.training import sharding
from experiments.training import tasks
import perceiver

# Every experiment has one.
TrainConfig = training_config.TrainConfig


class Experiment(Protocol):
  """A whole recipe: a frozen dataclass with at least these fields."""

  @property
  def model(self) -> Any:
    """The model's configuration."""

  @property
  def train(self) -> TrainConfig:
    """The training's configuration."""

  def task(self) -> tasks.Task:
    """Builds the problem: model, data, losses."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
  """The results of a finished training.

  Attributes:
    step: steps made.
    evaluation: the last evaluation.
    model_file: the trained model, for `perceiver.load`.
    plots: files of plots to look at.
  """

  step: int
  evaluation: evaluation.Evaluation
  model_file: pathlib.Path
  plots: tuple[pathlib.Path, ...]


def train(
  experiment: Experiment,
  workdir: pathlib.Path,
  *,
  amend: bool = False,
  from_step: int | None = None,
  checkpoint: pathlib.Path | None = None,
) -> Report:
  """Trains to the end, from wherever the folder's last checkpoint is.

  Args:
    experiment: the recipe.
    workdir: the run's folder, made if it does not exist. Several processes
      share one.
    amend: go on with changed values of `training_config.MAY_BE_AMENDED`.
    from_step: go on from this checkpoint, not from the newest one.
    checkpoint: begin with the arrays of this model, as in `pretrained.begin`.

  Returns:
    The result, once everything is on disk.

  Raises:
    ValueError: if the devices cannot share the batch, or the configuration
      does not fit together; nothing has been written then.
    run_folder.ConfigError: if the folder is another configuration's.
    run_folder.GoneError: if the run has had checkpoints, and none is left.
    occupancy.InUseError: if another run is using the folder.
    occupancy.ApartError: if the processes do not share the folder.
    checkpoints.MismatchError: if the checkpoint is another model's.
    perceiver.CheckpointError: if a run cannot begin with `checkpoint`.
    checkpoints.SaveError: if a checkpoint cannot be written.
    memory.MemoryLimitError: if a step needs more memory than there is.
    losses.NonFiniteError: if loss or gradient stop being numbers; the
      checkpoints from before remain.
    loader.WorkerError: if a process that prepares examples dies.
    processes.DisagreementError: if processes have different configurations.
    processes.PeerError: if another process of the run fails.
    SystemExit: with code 130 after SIGINT, 143 after another signal.
  """
  mesh = check(experiment)
  experiment = outside_files.for_run(experiment, workdir)
  with contextlib.ExitStack() as stack:
    stack.enter_context(occupancy.occupied(workdir))
    resuming.check_same(experiment)
    task = experiment.task()
    start = pretrained.begin(workdir, task.model, checkpoint)
    program = training_program.Program(experiment.train, task, mesh, start)
    program.announce(workdir)
    changes = resuming.claim(
      workdir, experiment, program, start, amend=amend, from_step=from_step
    )
    stop = stack.enter_context(signals.StopRequest())
    stack.enter_context(processes.raising_peer_errors())
    run = loop.Run(
      experiment, task, program, mesh, workdir, stop, stack, changes
    )
    run.to_the_end()
    return _finish(run, task, workdir)


def check(experiment: Experiment) -> Mesh:
  """Refuses a configuration that cannot work, before anything is built.

  Returns:
    The devices of the experiment.

  Raises:
    ValueError: naming the setting.
  """
  config = experiment.train
  return sharding.make_training_mesh(
    config.parallel, config.batch_size, config.accumulate
  )


def _finish(run: loop.Run, task: tasks.Task, workdir: pathlib.Path) -> Report:
  """Writes the model and the plots."""
  step, result = run.result()
  model_file = workdir / run_folder.MODEL
  plots: list[pathlib.Path] = []
  variables, model = run.variables(), tasks.named_model(task)
  processes.on_process_zero(
    lambda: perceiver.save(model_file, model, variables, {"step": str(step)})
  )
  with signals.exiting():  # Plots can wait for the same command.
    run.leave_if_asked()
    processes.on_process_zero(
      lambda: plots.extend(task.plots(variables, workdir))
    )
  return Report(
    step=step, evaluation=result, model_file=model_file, plots=tuple(plots)
  )
