"""The metrics of GLUE, each of a whole development set, and their average."""

from collections.abc import Callable, Mapping
import importlib
from typing import Any

import numpy as np

from experiments.language.glue import glue_tasks

_METRICS, _STATS = "sklearn.metrics", "scipy.stats"

# (labels [n], predictions [n]) -> a number of at most 1
Metric = Callable[[np.ndarray, np.ndarray], float]


def _imported(module: str, name: str, **options: Any) -> Callable[..., Any]:
  """Returns a function of a module that is imported when it is called."""

  def function(labels: np.ndarray, predictions: np.ndarray) -> Any:
    found = getattr(importlib.import_module(module), name)
    return found(labels, predictions, **options)

  return function


def _correlation(function: Callable[..., Any]) -> Metric:
  """Returns a correlation that is 0 if one of the two is constant."""

  def metric(labels: np.ndarray, predictions: np.ndarray) -> float:
    if any(np.all(x == x[:1]) for x in (labels, predictions)):
      return 0.0
    found = function(labels, predictions)
    return float(getattr(found, "statistic", found))

  return metric


def _sign_accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
  """Returns the share of degrees on the right side of half the range."""
  labels_above, above = (
    x > glue_tasks.MAX_DEGREE / 2 for x in (labels, predictions)
  )
  return float(np.mean(labels_above == above))


METRICS: dict[str, Metric] = {
  "accuracy": _imported(_METRICS, "accuracy_score"),
  # Of class 1; 0 where it neither occurs nor is predicted.
  "f1": _imported(_METRICS, "f1_score", zero_division=0),
  "matthews": _correlation(_imported(_METRICS, "matthews_corrcoef")),
  "pearson": _correlation(_imported(_STATS, "pearsonr")),
  "sign_accuracy": _sign_accuracy,
  "spearman": _correlation(_imported(_STATS, "spearmanr")),
}


def split_metrics(
  task: glue_tasks.Task,
  split: glue_tasks.EvalSplit,
  labels: np.ndarray,  # [n]
  predictions: np.ndarray,  # [n]
) -> dict[str, float]:
  """Returns {"split_metric": value} of a development set, all in [-1, 1]."""
  both = [np.asarray(x, np.float64) for x in (labels, predictions)]
  prefix = f"{task.name}{split.suffix}"
  return {
    f"{prefix}_{name}": float(METRICS[name](*both)) for name in task.metrics
  }


def score(found: Mapping[str, float]) -> float:
  """Returns the mean over tasks of each one's first metric.

  MNLI's two development sets are averaged first, and WNLI is left out unless
  it is alone (2107.14795 appendix F.4). With all eight other tasks this is the
  average of table 14.

  Args:
    found: {"split_metric": value} of one task or more.

  Raises:
    ValueError: if there are no values, or only one of MNLI's two.
  """
  means = {}
  for task in glue_tasks.ALL.values():
    names = task.main_metrics
    values = [found[name] for name in names if name in found]
    if values and len(values) < len(names):
      raise ValueError(f"{task.name}: of {names} only {len(values)} are known")
    if values:
      means[task.name] = sum(values) / len(values)
  if not means:
    raise ValueError(f"no task's metric is among {sorted(found)}")
  if len(means) > 1:
    means.pop("wnli", None)
  return sum(means.values()) / len(means)
