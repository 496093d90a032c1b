"""The best model of a run by an evaluation metric, kept beside the last one.

It is selected on the examples that it is reported on, so that its number is too
good for others. Papers that report their best evaluation compare with it.
"""

from collections.abc import Callable
import math
import pathlib

from experiments.cluster import processes
from experiments.data import files
from experiments.runs import log
from experiments.training import evaluation
import perceiver
from perceiver.checkpoints import store

FILE = "best.safetensors"


def keep(
  workdir: pathlib.Path,
  metric: str | None,
  step: int,
  found: evaluation.Evaluation,
  model: perceiver.Model,
  variables: Callable[[], perceiver.Variables],
) -> list[str]:
  """Writes a model if no evaluation of its run so far was as good.

  To be called in all processes, before the evaluation is in the log.

  Args:
    workdir: the run's folder.
    metric: as `TrainConfig.best_metric`; nothing is kept if None.
    step: steps made so far.
    found: the model's evaluation.
    model: the model that the variables are of.
    variables: gives them, whole; called in all processes or in none.

  Returns:
    Lines on the evaluation, and on the best one.

  Raises:
    files.InputError: if the evaluation has no such metric.
  """
  lines = [f"step {step}: {found.describe_briefly()}"]
  broken = [n for n, x in found.metrics.items() if not math.isfinite(x)]
  if broken:
    lines.append(
      f"At step {step} {', '.join(broken)} over {found.examples} examples is "
      "not a number; the run goes on."
    )
  if metric is None:
    return lines
  name, sign = direction(metric)
  if name not in found.metrics:
    raise files.InputError(
      f"train.best_metric is {metric}; expected one of {list(found.metrics)}, "
      "with a minus before it where lower is better."
    )
  value = found.metrics[name]
  before = processes.from_process_zero(lambda: _best(workdir, metric))
  is_better = before is None or sign * (value - before[1]) > 0
  if math.isfinite(value) and is_better:
    whole, before = variables(), (step, value)
    notes = {"step": str(step), "metric": metric, "value": repr(float(value))}
    notes["selected"] = f"the best by {name} on {found.split}"
    processes.on_process_zero(
      lambda: perceiver.save(workdir / FILE, model, whole, notes)
    )
  if before is not None:
    lines.append(
      f"best: {name} {before[1]:.4g} at step {before[0]}, in {workdir / FILE}; "
      "it is selected on the examples that this is of"
    )
  return lines


def direction(metric: str) -> tuple[str, int]:
  """Returns the name of a `best_metric`, and -1 where lower is better, or 1."""
  return metric.removeprefix("-"), -1 if metric.startswith("-") else 1


def _best(workdir: pathlib.Path, metric: str) -> tuple[int, float] | None:
  """Returns step and value of the best model, None if none is of this run."""
  file, rows = workdir / FILE, workdir / log.METRICS
  if not file.exists() or not rows.exists():
    return None
  notes = store.notes(file)
  steps = [row["step"] for row in log.read_rows(rows) if row["kind"] == "eval"]
  if notes.get("metric") != metric or int(notes["step"]) not in steps:
    return None
  return int(notes["step"]), float(notes["value"])
