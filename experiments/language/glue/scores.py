"""The metrics of GLUE, each of a whole development set, and their average."""

from collections.abc import Callable, Mapping

import numpy as np
from scipy import stats  # type: ignore[import-untyped]
from sklearn import metrics

from experiments.language.glue import glue_tasks

# (labels [n], predictions [n]) -> a number of at most 1
Metric = Callable[[np.ndarray, np.ndarray], float]


def accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
  """Returns the share of predictions that are right."""
  return float(np.mean(labels == predictions))


def f1(labels: np.ndarray, predictions: np.ndarray) -> float:
  """Returns the F1 of class 1; 0 where it neither occurs nor is predicted."""
  return float(metrics.f1_score(labels, predictions, zero_division=0))


def matthews(labels: np.ndarray, predictions: np.ndarray) -> float:
  """Returns Matthews' correlation; 0 if one of the two is constant."""
  if _is_constant(labels) or _is_constant(predictions):
    return 0.0
  return float(metrics.matthews_corrcoef(labels, predictions))


def pearson(labels: np.ndarray, predictions: np.ndarray) -> float:
  """Returns the linear correlation; 0 if one of the two is constant."""
  if _is_constant(labels) or _is_constant(predictions):
    return 0.0
  return float(stats.pearsonr(labels, predictions).statistic)


def spearman(labels: np.ndarray, predictions: np.ndarray) -> float:
  """Returns the correlation of ranks; 0 if one of the two is constant."""
  if _is_constant(labels) or _is_constant(predictions):
    return 0.0
  return float(stats.spearmanr(labels, predictions).statistic)


METRICS: dict[str, Metric] = {
  "accuracy": accuracy,
  "f1": f1,
  "matthews": matthews,
  "pearson": pearson,
  "spearman": spearman,
}


def split_metrics(
  task: glue_tasks.Task,
  split: glue_tasks.EvalSplit,
  labels: np.ndarray,  # [n]
  predictions: np.ndarray,  # [n]
) -> dict[str, float]:
  """Returns {"split_metric": value} of a development set, all in [-1, 1]."""
  labels, predictions = (
    np.asarray(x, np.float64) for x in (labels, predictions)
  )
  return {
    f"{split.name}_{name}": METRICS[name](labels, predictions)
    for name in task.metrics
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
  for task in glue_tasks.TASKS.values():
    names = [f"{split.name}_{task.metrics[0]}" for split in task.eval_splits]
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


def _is_constant(values: np.ndarray) -> bool:
  return bool(np.all(values == values[:1]))
