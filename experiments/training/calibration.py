"""The trust that a classifier's probabilities deserve, and a temperature.

A model is calibrated if, of the examples that it is 80 % sure of, 80 % are
right. Dividing all logits by one temperature, fitted on examples of its own,
changes no answer and mends most of the error (Guo et al., 1706.04599).
"""

from collections.abc import Mapping
import dataclasses
from typing import Any, Protocol, runtime_checkable

import jax
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int
import numpy as np
from scipy import special  # type: ignore[import-untyped]

from experiments.data import files
from experiments.data import loader
from experiments.runs import result_table
from experiments.training import config as training_config
from experiments.training import evaluation
from experiments.training import sharding
from experiments.training import tasks

NUM_BINS = 15
# Of the temperatures that are tried; that of a trained model is inside.
_RANGE = (1e-3, 1e3)
_NUM_HALVINGS = 60


@runtime_checkable
class Classifies(Protocol):
  """A task whose every example has one right class."""

  def logits_and_labels(
    self, variables: Any, batch: tasks.Batch
  ) -> tuple[Array, Array]:
    """Returns logits [B, F] and labels [B], negative where there is none.

    Raises:
      ValueError: if the task, as it is configured, has no such logits.
    """


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calibration:
  """A temperature, and the errors on examples that it was not fitted on.

  Attributes:
    temperature: that logits are divided by.
    num_fitted: examples that it was fitted on.
    num_rest: the other examples, which the rest is of.
    error: expected calibration error, before and after.
    nats: cross-entropy, nats, before and after.
  """

  temperature: float
  num_fitted: int
  num_rest: int
  error: tuple[float, float]
  nats: tuple[float, float]

  def table(self) -> result_table.ResultTable:
    """Returns both errors, before and after, with a caption."""
    is_bound = bool(np.isclose(self.temperature, _RANGE, rtol=1e-3).any())
    bound = " (an end of its range: the examples determine none)" * is_bound
    rows = {
      f"calibration error ({NUM_BINS} bins of equal width)": self.error,
      "cross-entropy, nats": self.nats,
    }
    return result_table.ResultTable(
      f"calibration: temperature {self.temperature:.4g}{bound}, fitted on "
      f"{self.num_fitted} examples; on the other {self.num_rest}",
      ("", "before", "after"),
      tuple((name, *(f"{x:.4f}" for x in row)) for name, row in rows.items()),
    )


def expected_error(
  logits: Float[np.ndarray, "B F"],
  labels: Int[np.ndarray, "B"],
  num_bins: int = NUM_BINS,
) -> float:
  """Returns the expected calibration error of the likeliest classes.

  Examples fall into bins of equal width by the probability of their likeliest
  class, 0 < p ≤ 1, a bin including its upper end. The error is the mean over
  examples of the distance, within their bin, of mean probability and share of
  right answers.
  """
  probabilities = special.softmax(np.asarray(logits, np.float64), axis=-1)
  confidence = probabilities.max(-1)
  right = probabilities.argmax(-1) == labels
  bins = np.ceil(confidence * num_bins).astype(int)
  distances = np.bincount(bins, confidence - right, num_bins + 1)
  return float(np.abs(distances).sum() / len(labels))


def cross_entropy(
  logits: Float[np.ndarray, "B F"], labels: Int[np.ndarray, "B"]
) -> float:
  """Returns the mean cross-entropy, nats."""
  logs = special.log_softmax(np.asarray(logits, np.float64), axis=-1)
  return float(0 - np.take_along_axis(logs, labels[:, None], -1).mean())


def fit_temperature(
  logits: Float[np.ndarray, "B F"], labels: Int[np.ndarray, "B"]
) -> float:
  """Returns the temperature of the least cross-entropy.

  Cross-entropy is convex in 1 / temperature; bisection of the logarithm finds
  where its derivative is zero. Where all answers are right, or none is better
  than chance, the temperature is at an end of its range.
  """
  logits = np.asarray(logits, np.float64)
  mine = np.take_along_axis(logits, labels[:, None], -1)[:, 0]
  low, high = np.log(1 / _RANGE[1]), np.log(1 / _RANGE[0])
  for _ in range(_NUM_HALVINGS):
    middle = (low + high) / 2
    weights = special.softmax(np.exp(middle) * logits, axis=-1)
    slope = np.mean((weights * logits).sum(-1) - mine)
    low, high = (low, middle) if slope > 0 else (middle, high)
  return float(np.exp(-(low + high) / 2))


def calibrate(
  logits: Float[np.ndarray, "B F"],
  labels: Int[np.ndarray, "B"],
  share: float,
  seed: int = 0,
) -> Calibration:
  """Fits a temperature on a share of the examples, and tries it on the rest.

  Args:
    logits: of every example.
    labels: those below 0 do not count.
    share: of the examples that the temperature is fitted on, chosen at random.
    seed: of that choice.

  Raises:
    files.InputError: if there are too few examples.
  """
  known = labels >= 0
  logits, labels = logits[known], labels[known].astype(int)
  order = np.random.default_rng(seed).permutation(len(labels))
  count = round(share * len(labels))
  if not 0 < count < len(labels):
    raise files.InputError(
      f"{len(labels)} examples leave {count} to fit a temperature on; expected "
      "at least one, and one for the rest"
    )
  fitted, rest = order[:count], order[count:]
  temperature = fit_temperature(logits[fitted], labels[fitted])
  both = [logits[rest], logits[rest] / temperature]
  errors = [expected_error(x, labels[rest]) for x in both]
  nats = [cross_entropy(x, labels[rest]) for x in both]
  return Calibration(
    temperature=temperature,
    num_fitted=count,
    num_rest=len(rest),
    error=(errors[0], errors[1]),
    nats=(nats[0], nats[1]),
  )


def collect(
  task: tasks.Task,
  variables: Any,
  mesh: Mesh,
  config: training_config.TrainConfig,
  *,
  only_first: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
  """Returns logits and labels of the evaluation split.

  Args:
    task: a classifier's.
    variables: of its model.
    mesh: the devices.
    config: gives batch size, precision and the loader's threads.
    only_first: how many examples to take; all if None.

  Raises:
    files.InputError: if the task has no logits of one class for each example.
  """
  if not isinstance(task, Classifies):
    raise files.InputError(
      f"{type(task).__name__} has no single right class for each example; "
      "expected a classifier, whose probabilities can be calibrated"
    )

  def compute(variables: Any, batch: tasks.Batch) -> dict[str, Array]:
    logits, labels = task.logits_and_labels(variables, batch)
    return {"logits": logits, "labels": labels, "weight": batch["weight"]}

  compiled = jax.jit(compute, out_shardings=sharding.replicated(mesh))
  split = task.eval_split()
  loop = evaluation.Loop(
    split=split if only_first is None else loader.first(split, only_first),
    batch_size=config.evaluation_batch_size,
    mesh=mesh,
    loader_threads=config.loader_threads,
    loader_workers=config.loader_workers,
  )

  def of_batch(batch: tasks.Batch) -> Mapping[str, Array]:
    return compiled(variables, batch)

  try:
    found = config.eval_matmul_precision.applied(loop.collect)(of_batch)
  except ValueError as error:
    raise files.InputError(str(error)) from error
  return found["logits"], found["labels"]
