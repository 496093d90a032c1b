"""The interface between an experiment's problem and the trainer."""

from collections.abc import Callable, Mapping
import dataclasses
import functools
import pathlib
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np

from experiments.data import loader
from experiments.training import losses
import perceiver

Array = jax.Array
# Every entry has the leading axis B; "weight" [B] is 0 where an example is
# only padding and must not count.
Batch = Mapping[str, Array]
BatchShapes = Mapping[str, jax.ShapeDtypeStruct]


class Losses(NamedTuple):
  """Loss and metrics of a batch, example by example."""

  loss: Array  # [B], of which training minimises the weighted mean
  metrics: Mapping[str, Array]  # {name: [B]}, to be reported
  state: Any  # the model's state after the step (batch-norm averages)
  outputs: Any = None  # of the model, where the task can compare them


def classified(logits: Array, labels: Array, state: Any) -> Losses:
  """Returns cross-entropy in nats, and whether the class was recognised.

  Args:
    logits: [B, classes].
    labels: [B].
    state: the model's, after the step.
  """
  targets = jax.nn.one_hot(labels, logits.shape[-1])
  return Losses(
    losses.softmax_cross_entropy(logits, targets),
    {"top_1": losses.top_k_correct(logits, labels)},
    state,
    logits,
  )


class Task(Protocol):
  """A problem: its model, its data, its loss per example, its pictures.

  A task never reduces over the batch, takes no gradient and counts no
  devices: the trainer does all three.
  """

  @property
  def model(self) -> Any:
    """The `perceiver.Model` that is trained."""

  def train_split(self) -> loader.Split:
    """Returns the examples to learn from."""

  def eval_split(self) -> loader.Split:
    """Returns the examples to evaluate on."""

  def losses(
    self,
    variables: Any,
    batch: Batch,
    *,
    rng: Array | None,
    is_training: bool,
  ) -> Losses:
    """Computes loss and metrics of every example; traced by JAX.

    Args:
      variables: the model's parameters and state, a `perceiver.Variables`.
      batch: arrays with the leading axis B.
      rng: a key that is different in every step, or None in evaluation,
        where nothing is random.
      is_training: whether this is a training step.

    Returns:
      Losses with one number per example. `state` is only used in training.
    """

  def plots(self, variables: Any, workdir: pathlib.Path) -> list[pathlib.Path]:
    """Plots the run and its model; returns the files."""


@runtime_checkable
class HasShapes(Protocol):
  """A task whose batches have shapes that are known without its data."""

  def example_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns shapes and types of an example of the training split."""


class HasSplits:
  """The splits of a task that opens both at once, by `splits()`."""

  splits: Callable[[], tuple[loader.Split, loader.Split]]

  @functools.cached_property
  def _both(self) -> tuple[loader.Split, loader.Split]:
    return self.splits()

  def train_split(self) -> loader.Split:
    """Returns the examples to learn from."""
    return self._both[0]

  def eval_split(self) -> loader.Split:
    """Returns the examples to evaluate on."""
    return self._both[1]


@runtime_checkable
class HasClassNames(Protocol):
  """A task whose model tells classes apart; their names, or None."""

  class_names: Callable[[], tuple[str, ...]] | None


def named_model(task: Task) -> perceiver.Model:
  """Returns the task's model, which states the names of its classes."""
  if not isinstance(task, HasClassNames) or task.class_names is None:
    return task.model
  return dataclasses.replace(task.model, class_names=task.class_names())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
  """The published result of a recipe, and ours.

  Attributes:
    metric: name of the evaluation metric that the numbers are of.
    paper: the paper's number, None where it has none.
    ours: the number reached with this code, None if it was never run in full.
    source: where the paper's number stands, such as "Perceiver IO, Table 7".
    split: the data set and part that the paper's number is of, by the name of
      its `loader.Split`. The number is shown beside no other evaluation.
    also: further numbers of the same model, of other metrics or splits.
  """

  metric: str
  paper: float | None = None
  ours: float | None = None
  source: str = ""
  split: str = ""
  also: tuple["Result", ...] = ()

  def __post_init__(self) -> None:
    if self.paper is not None and not self.split:
      raise ValueError(
        f"Result: the paper's {self.metric} is given without its split; "
        'expected a data set and part, such as "imagenet2012 validation"'
      )

  def row(self) -> tuple["Result", ...]:
    """Returns this number and the further ones."""
    return (self, *self.also)


def batch_shapes(
  split: loader.Split, batch_size: int
) -> dict[str, jax.ShapeDtypeStruct]:
  """Returns the shapes of a batch, found by preparing a single example.

  Raises:
    ValueError: if there is none.
  """
  if not len(split.source):
    raise ValueError(f"split {split.name!r} has no examples")
  example = split.transform(split.source[0], np.random.default_rng(0))
  arrays = {
    name: (np.shape(value), np.asarray(value).dtype)
    for name, value in example.items()
  }
  return batched(shapes(**arrays), batch_size)


def shapes(
  **arrays: tuple[tuple[int, ...], Any],
) -> dict[str, jax.ShapeDtypeStruct]:
  """Returns {name: shape and type} of arrays given as (shape, type)."""
  return {name: jax.ShapeDtypeStruct(*x) for name, x in arrays.items()}


def batched(
  example: BatchShapes, batch_size: int
) -> dict[str, jax.ShapeDtypeStruct]:
  """Returns the shapes of a batch of examples of these shapes."""
  whole = dict(example) | {"weight": jax.ShapeDtypeStruct((), np.float32)}
  return {
    name: jax.ShapeDtypeStruct((batch_size, *x.shape), x.dtype)
    for name, x in whole.items()
  }
