"""A process that measures one job, one run for every request.

The processes of several implementations live side by side, and only one of them
runs at a time: A B A B, so that a slow minute of the machine slows down all.
"""

from collections.abc import Callable
import contextlib
import multiprocessing
from multiprocessing import connection as multiprocessing_connection
from types import ModuleType
from typing import Any

from scripts.benchmarking import job as benchmarking_job

# Nothing is inherited: neither a device nor memory.
_CONTEXT = multiprocessing.get_context("spawn")
# A process ends by itself when its connection is closed, unless it computes.
_STOP_SECONDS = 5


class WorkerError(RuntimeError):
  """A process that measures has died."""


class Worker:
  """A process that measures one job."""

  def __init__(self, job: benchmarking_job.Job) -> None:
    self.job = job
    self._connection, other_end = _CONTEXT.Pipe()
    self._process = _CONTEXT.Process(target=serve, args=(job, other_end))
    self._process.start()
    other_end.close()

  def first_seconds(self) -> float:
    """Waits for the first run; returns its seconds.

    Raises:
      WorkerError: if the process has died.
    """
    return self._receive()

  def request(self, name: str) -> Any:
    """Sends one of the requests of `serve`; returns the response.

    Raises:
      WorkerError: if the process has died.
    """
    with contextlib.suppress(BrokenPipeError):
      self._connection.send(name)
    return self._receive()

  def _receive(self) -> Any:
    try:
      return self._connection.recv()
    except (EOFError, ConnectionResetError) as error:
      self._process.join()
      raise WorkerError(
        f"{self.job.implementation.value} could not measure {self.job.case}: "
        f"exit code {self._process.exitcode}"
      ) from error

  def stop(self) -> None:
    """Ends the process."""
    self._connection.close()
    self._process.join(_STOP_SECONDS)
    self._process.kill()
    self._process.join()
    self._process.close()


def _module(implementation: benchmarking_job.Implementation) -> ModuleType:
  if implementation is benchmarking_job.Implementation.TRANSFORMERS:
    from scripts.benchmarking import transformers_port

    return transformers_port
  from scripts.benchmarking import ours

  return ours


def serve(
  job: benchmarking_job.Job, connection: multiprocessing_connection.Connection
) -> None:
  """Computes once, sends the seconds, then responds to requests.

  Args:
    job: the measurement.
    connection: receives "run", for the seconds of a further run, "facts", for
      all that is known besides time, and "outputs", for a sample of them.
  """
  measurement = _module(job.implementation).Measurement(job)
  benchmarking_job.forget_peak()
  # The first run differs from the others: it takes its memory from the system.
  connection.send(measurement.run())
  responses: dict[str, Callable[[], Any]] = {
    "run": measurement.run,
    "facts": lambda: (
      measurement.facts() | {"peak_bytes": benchmarking_job.peak()}
    ),
    "outputs": lambda: benchmarking_job.sample(measurement.outputs()),
  }
  with contextlib.suppress(EOFError):
    while True:
      connection.send(responses[connection.recv()]())
