"""Programs that show a run's numbers, beside the rows of its log.

Each is a `Logger`; the numbers that they get are those of the rows.
"""

import importlib
import json
import pathlib
import time
from types import ModuleType
from typing import Any, Protocol
import uuid

from experiments.data import files
from experiments.runs import folder as run_folder
from experiments.runs import progress

WANDB_ID = "wandb-id.txt"  # of the run there, for all its parts


class Logger(Protocol):
  """Shows numbers; to be closed."""

  def add(self, name: str, value: float, step: int) -> None:
    """Adds a number.

    Args:
      name: of the metric, with the kind of row before it, "train/loss".
      value: the number.
      step: steps made so far.

    Raises:
      OSError: if the disk is full.
    """

  def close(self) -> None:
    """Completes what was written."""


def check(wandb: str | None) -> None:
  """Makes sure that a program that was asked for is installed.

  Args:
    wandb: the project of Weights & Biases, if any.

  Raises:
    files.InputError: naming the extra.
  """
  if wandb is not None:
    _load_wandb()


def open_all(
  workdir: pathlib.Path, first_step: int, wandb: str | None
) -> list[Logger]:
  """Opens the loggers of a run.

  Args:
    workdir: the run's folder.
    first_step: steps made before.
    wandb: the project of Weights & Biases that gets the numbers, too.

  Raises:
    OSError: if the disk is full.
    files.InputError: if Weights & Biases is not installed, or does not begin.
  """
  # What can be refused comes first: nothing is left open then.
  found: list[Logger] = []
  if wandb is not None:
    found.append(WeightsAndBiases(workdir, wandb))
  return [*found, EventFile(workdir, first_step)]


class EventFile:
  """Numbers for TensorBoard in the run's folder, written at once.

  tensorboardX would hand them to a thread, which ends when the clock jumps or
  the disk is full; the program then waits for it for ever.
  """

  def __init__(self, folder: pathlib.Path, first_step: int) -> None:
    """Makes the file.

    Args:
      folder: of the run.
      first_step: later steps in earlier files are not to be shown.

    Raises:
      OSError: if the disk is full.
    """
    # Only runs wait for this: it loads PyTorch where that is installed.
    from tensorboardX import event_file_writer
    from tensorboardX.proto import event_pb2
    from tensorboardX.proto import summary_pb2

    self._events, self._summaries = event_pb2, summary_pb2
    self._writer = event_file_writer.EventsWriter(str(folder / "events"))
    started = self._events.SessionLog(status=self._events.SessionLog.START)
    self._write(first_step + 1, session_log=started)

  def add(self, name: str, value: float, step: int) -> None:
    """Adds a number; see `Logger`."""
    number = self._summaries.Summary.Value(tag=name, simple_value=value)
    self._write(step, summary=self._summaries.Summary(value=[number]))

  def close(self) -> None:
    """Completes the file."""
    self._writer.close()

  def _write(self, step: int, **content: object) -> None:
    event = self._events.Event(step=step, wall_time=time.time(), **content)
    self._writer.write_event(event)
    self._writer.flush()


class WeightsAndBiases:
  """A run at Weights & Biases; WANDB_MODE=offline keeps it in the folder.

  All parts of a run are one run there. W&B's own steps cannot go back, so that
  numbers are shown by a metric "step"; those of steps that are made again after
  a kill are there twice. Once the run has begun, trouble there is reported once
  and ends the logging, not the training.
  """

  def __init__(self, workdir: pathlib.Path, project: str) -> None:
    """Begins the run there, or goes on with it.

    Args:
      workdir: the run's folder, with its configuration.
      project: of Weights & Biases.

    Raises:
      files.InputError: if it is not installed, or does not begin.
    """
    wandb, path = _load_wandb(), workdir / WANDB_ID
    if not path.exists():
      files.write_text(path, uuid.uuid4().hex[:8] + "\n")
    try:
      self._run = wandb.init(
        project=project,
        id=path.read_text(encoding="utf-8").strip(),
        name=workdir.name,
        dir=str(workdir),
        resume="allow",
        settings={"console": "off"},  # The progress is for the terminal.
        config=json.loads((workdir / run_folder.CONFIG).read_bytes()),
      )
      self._run.define_metric("*", step_metric="step")
    except Exception as error:  # W&B has many, and those of the network.
      raise files.InputError(
        f"Weights & Biases does not begin: {error} WANDB_MODE=offline does "
        "without its server."
      ) from error

  def add(self, name: str, value: float, step: int) -> None:
    """Adds a number; see `Logger`."""
    self._try("log", {name: value, "step": step})

  def close(self) -> None:
    """Sends what is left."""
    self._try("finish")

  def _try(self, method: str, *arguments: Any) -> None:
    try:
      if self._run is not None:
        getattr(self._run, method)(*arguments)
    except Exception as error:
      self._run = None
      progress.write(f"warning: no more is sent to Weights & Biases: {error}")


def _load_wandb() -> ModuleType:
  try:
    return importlib.import_module("wandb")
  except ModuleNotFoundError as error:
    raise files.InputError(
      "--train.wandb needs Weights & Biases: `pip install -e '.[wandb]'`."
    ) from error
