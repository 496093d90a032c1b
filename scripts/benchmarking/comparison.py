"""Measures several implementations in turn: A B A B."""

from collections.abc import Callable, Sequence
import contextlib
import dataclasses
import enum
import statistics
from typing import Any

import numpy as np
import tabulate

from scripts.benchmarking import job as benchmarking_job
from scripts.benchmarking import worker


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
  """The measurements of one job.

  Attributes:
    job: the job.
    seconds: of every run after the first, in their order.
    first_seconds: of the first run.
    facts: further measurements, such as "compile_seconds", "operations",
      "temporary_bytes", "resting_bytes" and "peak_bytes".
    difference: relative L2 distance of the outputs from those of the first
      job; None of the first itself, and of gradients.
  """

  job: benchmarking_job.Job
  seconds: tuple[float, ...]
  first_seconds: float
  facts: dict[str, Any]
  difference: float | None

  @property
  def median(self) -> float:
    """The median of the seconds."""
    return statistics.median(self.seconds)

  def to_dict(self) -> dict[str, Any]:
    """Returns all of it as plain values."""
    job = dataclasses.asdict(self.job)
    return {
      **{k: x.value if isinstance(x, enum.Enum) else x for k, x in job.items()},
      "median_seconds": self.median,
      "seconds": list(self.seconds),
      "first_seconds": self.first_seconds,
      "difference": self.difference,
      **self.facts,
    }


def compare(
  jobs: Sequence[benchmarking_job.Job],
  repeats: int,
  report: Callable[[str], None] = print,
  make_worker: Callable[[benchmarking_job.Job], worker.Worker] = worker.Worker,
) -> list[Row]:
  """Measures jobs in turn, `repeats` times each after a first run.

  Jobs that cannot be measured are reported and left out.

  Args:
    jobs: the jobs; their outputs should agree with those of the first.
    repeats: number of measurements of each.
    report: prints a line of progress.
    make_worker: starts the process of a job.
  """
  with contextlib.ExitStack() as stack:
    workers, first = [], []
    for job in jobs:
      candidate = make_worker(job)
      stack.callback(candidate.stop)
      try:
        first.append(candidate.first_seconds())
        workers.append(candidate)
      except worker.WorkerError as error:
        report(str(error))
    seconds: list[list[float]] = [[] for _ in workers]
    for _ in range(repeats):
      for candidate, found in zip(workers, seconds):
        found.append(candidate.request("run"))
    outputs = [np.asarray(x.request("outputs")) for x in workers]
    return [
      Row(
        job=candidate.job,
        seconds=tuple(found),
        first_seconds=once,
        facts=candidate.request("facts"),
        difference=_difference(outputs[0], output) if i else None,
      )
      for i, (candidate, found, once, output) in enumerate(
        zip(workers, seconds, first, outputs)
      )
    ]


def _difference(reference: np.ndarray, found: np.ndarray) -> float | None:
  if not reference.size:
    return None
  if reference.shape != found.shape:
    return float("inf")
  scale = max(float(np.linalg.norm(reference)), 1e-30)
  return float(np.linalg.norm(found - reference)) / scale


def table(rows: Sequence[Row], rate: float) -> str:
  """Returns the rows as a Markdown table.

  Args:
    rows: rows of any number of comparisons.
    rate: operations per second of a large matrix product on this machine.
  """
  cells = [_cells(row, rate) for row in rows]
  return tabulate.tabulate(
    cells, headers="keys", tablefmt="pipe", disable_numparse=True
  )


def _cells(row: Row, rate: float) -> dict[str, str]:
  """Returns the cells of a row by the headers of their columns."""
  job, facts = row.job, row.facts
  operations = facts.get("operations")
  size = "" if job.size is None else f" {'×'.join(map(str, job.size))}"
  precision = "" if job.precision.value == "float32" else " bfloat16"
  process_bytes = facts["peak_bytes"] - facts["resting_bytes"]
  share = "" if not operations else f"{operations / row.median / rate:.0%}"
  return {
    "model": f"{job.case}{size}{precision}, batch {job.batch_size}",
    "computed": job.computation.value,
    "by": job.implementation.value,
    "median s": f"{row.median:.3g}",
    "range": f"{min(row.seconds):.3g}–{max(row.seconds):.3g}",
    "compile s": _number(facts.get("compile_seconds"), 1, ".1f"),
    "temporaries GB": _number(facts.get("temporary_bytes"), 1e9, ".2f"),
    "process GB": _number(process_bytes, 1e9, ".2f"),
    "GFLOP": _number(operations, 1e9, ".0f"),
    "of matrix rate": share,
    "differs": "" if row.difference is None else f"{row.difference:.0e}",
  }


def _number(value: float | None, unit: float, form: str) -> str:
  return "" if value is None else format(value / unit, form)
