"""A process that measures one job, one run for every request.

The processes of several implementations live side by side, and only one of them
runs at a time: A B A B, so that a slow minute of the machine slows down all.
"""

from concurrent import futures
from concurrent.futures import process
import multiprocessing
from types import ModuleType
from typing import Any

from scripts.benchmarking import job as benchmarking_job

# Of a process, which measures one job: its measurement, and the seconds of the
# first run.
_measured: list[tuple[Any, float]] = []


class WorkerError(RuntimeError):
  """A process that measures has died."""


class Worker:
  """A process that measures one job."""

  def __init__(self, job: benchmarking_job.Job) -> None:
    self.job = job
    # Nothing is inherited: neither a device nor memory.
    context = multiprocessing.get_context("spawn")
    self._pool = futures.ProcessPoolExecutor(1, context, _start, (job,))

  def first_seconds(self) -> float:
    """Waits for the first run; returns its seconds.

    Raises:
      WorkerError: if the process has died.
    """
    return self.request("first")

  def request(self, name: str) -> Any:
    """Returns the response to a request.

    Args:
      name: "run", for the seconds of a further run, "first", for those of the
        first one, "facts", for all that is known besides time, or "outputs",
        for a sample of them.

    Raises:
      WorkerError: if the process has died.
    """
    try:
      return self._pool.submit(_respond, name).result()
    except process.BrokenProcessPool as error:
      raise WorkerError(
        f"{self.job.implementation.value} could not measure {self.job.case}: "
        "see the output of its process"
      ) from error

  def stop(self) -> None:
    """Ends the process."""
    self._pool.shutdown()


def _module(implementation: benchmarking_job.Implementation) -> ModuleType:
  if implementation is benchmarking_job.Implementation.TRANSFORMERS:
    from scripts.benchmarking import transformers_port

    return transformers_port
  from scripts.benchmarking import ours

  return ours


def _start(job: benchmarking_job.Job) -> None:
  """Makes the first run.

  It differs from the others: it takes its memory from the system.
  """
  measurement = _module(job.implementation).Measurement(job)
  benchmarking_job.forget_peak()
  _measured.append((measurement, measurement.run()))


def _respond(name: str) -> Any:
  ((measurement, first_seconds),) = _measured
  if name == "first":
    return first_seconds
  if name == "run":
    return measurement.run()
  if name == "facts":
    return measurement.facts() | {"peak_bytes": benchmarking_job.peak()}
  return benchmarking_job.sample(measurement.outputs())
