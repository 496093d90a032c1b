"""The process that measures one job, one run for every line it is sent.

Processes of several people's code live side by side, and only one of them runs
at a time: A B A B, so that a slow minute of the machine is everybody's.
"""

from collections.abc import Callable
import contextlib
import json
import subprocess
import sys
from types import ModuleType
from typing import Any

import numpy as np

from scripts.benchmarking import job as benchmarking_job

_ANSWER = "ANSWER"


class WorkerError(RuntimeError):
  """A process that was to measure has failed."""


class Worker:
  """A process that measures one job."""

  def __init__(self, job: benchmarking_job.Job) -> None:
    self.job = job
    self._process = subprocess.Popen(
      [sys.executable, "-m", __name__, job.to_json()],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      text=True,
    )

  def ready(self) -> float:
    """Waits until it has computed once, and returns the seconds of that."""
    return self._answer()

  def ask(self, question: str) -> Any:
    """Sends one of the questions of `serve` and returns the answer.

    Raises:
      WorkerError: if the process has died.
    """
    assert self._process.stdin
    with contextlib.suppress(BrokenPipeError):
      print(question, file=self._process.stdin, flush=True)
    return self._answer()

  def _answer(self) -> Any:
    assert self._process.stdout
    for line in self._process.stdout:  # libraries may print as well
      if line.startswith(_ANSWER):
        return json.loads(line.removeprefix(_ANSWER))
    raise WorkerError(
      f"{self.job.who.value} could not measure {self.job.case}: exit code "
      f"{self._process.wait()}"
    )

  def stop(self) -> None:
    """Ends the process."""
    with self._process:  # closes its pipes and waits
      self._process.kill()


def _module(who: benchmarking_job.Who) -> ModuleType:
  if who is benchmarking_job.Who.TRANSFORMERS:
    from scripts.benchmarking import transformers_port

    return transformers_port
  from scripts.benchmarking import ours

  return ours


def serve(job: benchmarking_job.Job) -> None:
  """Computes once, then answers questions from standard input.

  run: computes, and answers with the seconds. facts: what is known besides
  time. outputs: some of them.
  """
  measurement = _module(job.who).Measurement(job)
  benchmarking_job.forget_peak()
  # The first run is not like the others: it takes its memory from the system.
  print(_ANSWER, json.dumps(measurement.run()), flush=True)
  answers: dict[str, Callable[[], Any]] = {
    "run": measurement.run,
    "facts": lambda: (
      measurement.facts() | {"peak_bytes": benchmarking_job.peak()}
    ),
    "outputs": lambda: _summary(measurement.outputs()),
  }
  for line in sys.stdin:
    print(_ANSWER, json.dumps(answers[line.strip()]()), flush=True)


def _summary(outputs: np.ndarray, length: int = 4096) -> list[float]:
  """Returns so many of the outputs, evenly spread, to compare with others'."""
  step = max(1, len(outputs) // length)
  return outputs[::step].astype(float).tolist()


if __name__ == "__main__":
  serve(benchmarking_job.from_json(sys.argv[1]))
