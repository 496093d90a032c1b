"""The best model of a run by an evaluation metric, kept beside the last one.

It is selected on the examples that it is reported on, so that its number is too
good for others. Papers that report their best evaluation compare with it.
"""

from collections.abc import Callable, Collection
import math
import pathlib

from experiments.cluster import processes
from experiments.data import files
from experiments.runs import log
from experiments.training import evaluation
from experiments.training import tasks
import perceiver
from perceiver.checkpoints import store

FILE = "best.safetensors"


def keep(
  workdir: pathlib.Path,
  metric: str | None,
  step: int,
  found: evaluation.Evaluation,
  task: tasks.Task,
  variables: Callable[[], perceiver.Variables],
) -> list[str]:
  """Writes a model unless the one that is kept was as good.

  A better evaluation whose model was not kept is named, such as one of before
  --from-step. To be called in all processes, before this one is in the log.

  Args:
    workdir: the run's folder.
    metric: as `TrainConfig.best_metric`; nothing is kept if None.
    step: steps made so far.
    found: the model's evaluation.
    task: the problem, whose model the variables are of.
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
  name, sign = check(metric, found.metrics)
  value = found.metrics[name]
  before, others = processes.from_process_zero(
    lambda: _evaluations(workdir, metric, step)
  )
  is_better = before is None or sign * (value - before[1]) > 0
  if math.isfinite(value) and is_better:
    whole, before = variables(), (step, value)
    notes = {"step": str(step), "metric": metric, "value": repr(float(value))}
    notes["selected"] = f"the best kept by {name} on {found.split}"
    save = lambda: perceiver.save(
      workdir / FILE, tasks.named_model(task), whole, notes
    )
    processes.on_process_zero(save)
  if before is not None:
    lines.append(
      f"best: {name} {before[1]:.4g} at step {before[0]}, in {workdir / FILE}; "
      "it is selected on the examples that this is of"
    )
    at, top = max(others, key=lambda pair: sign * pair[1], default=before)
    if sign * (top - before[1]) > 0:
      lines[-1] += f". That of step {at}, {top:.4g}, was not kept"
  return lines


def direction(metric: str) -> tuple[str, int]:
  """Returns the name of a `best_metric`, and -1 where lower is better, or 1."""
  return metric.removeprefix("-"), -1 if metric.startswith("-") else 1


def check(metric: str, names: Collection[str]) -> tuple[str, int]:
  """Returns a metric's name, and 1 if higher is better or else -1.

  Args:
    metric: as `TrainConfig.best_metric`.
    names: of the metrics that an evaluation has.

  Raises:
    files.InputError: if it is none of them.
  """
  name, sign = direction(metric)
  if name not in names:
    raise files.InputError(
      f"train.best_metric is {metric}; expected one of {list(names)}, with a "
      "minus before it where lower is better."
    )
  return name, sign


_Evaluated = tuple[int, float]  # step and value


def _evaluations(
  workdir: pathlib.Path, metric: str, step: int
) -> tuple[_Evaluated | None, list[_Evaluated]]:
  """Returns that of the model that is kept, and those before a step.

  The first is None if no model of this run is kept by this metric.
  """
  file, path = workdir / FILE, workdir / log.METRICS
  rows = log.read_rows(path) if path.exists() else []
  name, _ = direction(metric)
  values = {row["step"]: row.get(name) for row in rows if row["kind"] == "eval"}
  known = [
    (at, value)
    for at, value in values.items()
    if at < step and isinstance(value, float) and math.isfinite(value)
  ]
  notes = store.notes(file) if file.exists() else {}
  if notes.get("metric") != metric or int(notes["step"]) not in values:
    return None, known
  return (int(notes["step"]), float(notes["value"])), known
