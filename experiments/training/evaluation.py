"""Evaluation of a model on a whole split, every example counted once."""

from collections.abc import Callable, Iterable, Iterator, Mapping
import contextlib
import dataclasses
import functools
from typing import Any, Protocol, runtime_checkable, TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
import numpy as np

from experiments.data import files
from experiments.data import loader
from experiments.runs import result_table
from experiments.training import config as training_config
from experiments.training import gradients
from experiments.training import sharding
from experiments.training import tasks
from perceiver import errors

Array = jax.Array
Item = TypeVar("Item")


class IncompleteError(errors.PerceiverError, RuntimeError):
  """An evaluation saw fewer or more examples than the split has."""


class Abandoned(Exception):
  """An evaluation was given up because the run is to stop."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
  """The result of an evaluation.

  Attributes:
    metrics: mean over the examples, of the loss and of every metric.
    examples: how many examples were counted.
    expected: how many the split has.
    split: its name.
    skipped: how many could not be read and were left out, on demand.
    is_partial: whether only the first of them were evaluated, on demand.
    details: tables and remarks of its own.
  """

  metrics: Mapping[str, float]
  examples: int
  expected: int
  split: str
  skipped: int = 0
  is_partial: bool = False
  details: tuple[result_table.ResultTable | str, ...] = ()

  def describe(self, result: tasks.Result | None = None) -> str:
    """Returns the metrics in words, beside the paper's results.

    Args:
      result: the paper's numbers and which metrics they are of.
    """
    papers = self.papers(result)
    lines = [self.counts()]
    for name, value in self.metrics.items():
      line = f"  {name} {value:.4f}"
      if name in papers:
        paper, source = papers[name].paper, papers[name].source
        assert paper is not None
        line += (
          f"  (paper {paper:g}, difference {value - paper:+.4f}"
          f"{', ' * bool(source)}{source})"
        )
      lines.append(line)
    return "\n".join([*lines, *(f"\n{detail}" for detail in self.details)])

  def describe_briefly(self) -> str:
    """Returns the metrics in one line."""
    numbers = ", ".join(f"{n} {value:.4g}" for n, value in self.metrics.items())
    return f"{numbers} on {self.counts()}"

  def papers(self, result: tasks.Result | None) -> dict[str, tasks.Result]:
    """Returns the paper's results on this very split, by metric."""
    row = () if result is None or self.is_partial else result.row()
    return {
      r.metric: r for r in row if r.paper is not None and r.split == self.split
    }

  def counts(self) -> str:
    """Returns the number of examples and their split in words."""
    skipped = f", {self.skipped} unreadable" if self.skipped else ""
    partial = ", the first ones only" if self.is_partial else ""
    return (
      f"{self.examples} of {self.expected} examples of {self.split}{skipped}"
      f"{partial}"
    )

  def to_row(self) -> dict[str, Any]:
    """Returns all of it as one flat mapping, for the log."""
    counts = {"examples": self.examples, "expected": self.expected}
    if self.skipped:
      counts["skipped"] = self.skipped
    return {**self.metrics, **counts, "split": self.split}


def from_row(row: Mapping[str, Any]) -> Evaluation:
  """Returns the evaluation that a row of the log records."""
  counts = {name: row[name] for name in ("examples", "expected", "split")}
  others = {*counts, "skipped", "step", "kind", "follower"}
  metrics = {name: x for name, x in row.items() if name not in others}
  return Evaluation(metrics=metrics, skipped=row.get("skipped", 0), **counts)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Watch:
  """Follows an evaluation, and may stop it.

  Attributes:
    should_stop: called before every step: whether to raise `Abandoned`.
    on_progress: called after every step with the number of examples that are
      done, and of all.
  """

  should_stop: Callable[[], bool] = lambda: False
  on_progress: Callable[[int, int], None] = lambda done, total: None

  def __call__(
    self, items: Iterable[Item], total: int, step: int = 1
  ) -> Iterator[Item]:
    """Yields items of `step` examples each, `total` examples in all.

    Raises:
      Abandoned: if it should stop.
    """
    for number, item in enumerate(items, 1):
      if self.should_stop():
        raise Abandoned
      yield item
      self.on_progress(min(number * step, total), total)


UNWATCHED = Watch()


class Evaluator(Protocol):
  """A task's own way to evaluate variables."""

  def __call__(self, variables: Any, watch: Watch) -> Evaluation:
    """Evaluates the model's parameters and state.

    Raises:
      Abandoned: if the watch stops it.
    """


@runtime_checkable
class HasEvaluator(Protocol):
  """A task whose examples do not all have one shape, or are no batch."""

  def make_evaluator(self) -> Evaluator | None:
    """Returns the evaluator; None if batches of `eval_split` will do."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loop:
  """One pass over a split, batch by batch.

  Attributes:
    split: the examples.
    batch_size: examples at a time, over all devices; more if they cannot share
      so many evenly.
    mesh: the devices, and with several processes their shares of a batch; None
      if this process computes all of it on its own.
    loader_threads: as in `TrainConfig`.
    loader_workers: as in `TrainConfig`.
    watch: follows it batch by batch.
  """

  split: loader.Split
  batch_size: int
  mesh: Mesh | None = None
  loader_threads: int | None = None
  loader_workers: int = 0
  watch: Watch = UNWATCHED

  def outputs(
    self, compute: Callable[[Mapping[str, Any]], Mapping[str, Any]]
  ) -> Iterator[dict[str, np.ndarray]]:
    """Yields the outputs of a compiled function for each batch.

    Fetching it only after the next batch is under way keeps the devices busy
    and at most two batches in their memory.

    Args:
      compute: gives arrays, the same in every process.
    """
    with contextlib.closing(self._batches()) as batches:
      pending: Mapping[str, Any] | None = None
      total = len(self.split.source)
      for batch in self.watch(batches, total, self._size):
        shared = sharding.put_batch(self.mesh, batch) if self.mesh else batch
        pending, ready = compute(shared), pending
        if ready is not None:
          yield jax.device_get(ready)
      if pending is not None:
        yield jax.device_get(pending)

  def collect(
    self, compute: Callable[[Mapping[str, Any]], Mapping[str, Any]]
  ) -> dict[str, np.ndarray]:
    """Returns the outputs of a compiled function for each example, in order.

    Args:
      compute: gives arrays with the leading axis B, the same in every process;
        among them the batch's "weight", by which padding is left out.
    """
    rows = list(self.outputs(compute))
    whole = {
      name: np.concatenate([row[name] for row in rows]) for name in rows[0]
    }
    real = whole.pop("weight") > 0
    return {name: array[real] for name, array in whole.items()}

  def means(
    self, compute: Callable[[Mapping[str, Any]], Mapping[str, Any]]
  ) -> dict[str, float]:
    """Returns the means over all examples of what `collect` returns."""
    return {
      name: float(np.mean(values, dtype=np.float64))
      for name, values in self.collect(compute).items()
    }

  @property
  def _size(self) -> int:
    return sharding.round_up(self.mesh, self.batch_size)

  def _batches(self) -> loader.Batches:
    return loader.eval_batches(
      self.split,
      batch_size=self._size,
      process_index=sharding.process_index() if self.mesh else 0,
      process_count=sharding.process_count() if self.mesh else 1,
      num_threads=self.loader_threads,
      num_workers=self.loader_workers,
    )


def make(
  task: tasks.Task,
  mesh: Mesh,
  config: training_config.TrainConfig,
  watch: Watch = UNWATCHED,
  *,
  only_first: int | None = None,
) -> Callable[[Any], Evaluation]:
  """Prepares the evaluation of a task, to be compiled at its first use.

  Batch size and devices change the result by the rounding of float32 at most.

  Args:
    task: gives the examples and their losses and metrics.
    mesh: the devices.
    config: gives the batch size, over all devices, and the loader's threads.
    watch: follows it.
    only_first: how many examples to evaluate on; all if None.

  Returns:
    A function of the variables. It raises `IncompleteError` if examples were
    missed or counted twice, and `Abandoned` if it is to stop.

  Raises:
    files.InputError: if `only_first` is given for a task with an evaluator of
      its own.
  """
  own = task.make_evaluator() if isinstance(task, HasEvaluator) else None
  if own is not None and only_first is not None:
    raise files.InputError(
      "The metrics of this experiment are of a whole split: leave out "
      "--examples"
    )
  traced = config.eval_matmul_precision.applied
  if own is not None:
    return traced(functools.partial(_by_own, own, mesh, watch))
  whole = task.eval_split()
  loop = Loop(
    split=whole if only_first is None else loader.first(whole, only_first),
    batch_size=config.evaluation_batch_size,
    mesh=mesh,
    loader_threads=config.loader_threads,
    loader_workers=config.loader_workers,
    watch=watch,
  )
  sums = sums_of_batch(task, mesh)
  return traced(functools.partial(_by_batches, loop, sums, len(whole.source)))


def sums_of_batch(
  task: tasks.Task, mesh: Mesh
) -> Callable[[Any, tasks.Batch], Mapping[str, Array]]:
  """Returns the compiled function of variables and batch to weighted sums."""

  def sums(variables: Any, batch: tasks.Batch) -> dict[str, Array]:
    weight = batch["weight"]  # [B]
    losses = task.losses(variables, batch, rng=None, is_training=False)
    values = gradients.per_example(task, losses, weight.shape)
    counted = lambda x: jnp.sum(jnp.where(weight > 0, weight * x, 0))
    found = {name: counted(value) for name, value in values.items()}
    return {"weight": jnp.sum(weight)} | found

  return jax.jit(sums, out_shardings=sharding.replicated(mesh))


def _by_batches(
  loop: Loop,
  compute: Callable[[Any, tasks.Batch], Mapping[str, Array]],
  expected: int,
  variables: Any,
) -> Evaluation:
  """Returns the means over all examples, added up in double precision."""
  totals: dict[str, float] = {"weight": 0.0}
  for sums in loop.outputs(functools.partial(compute, variables)):
    for name, value in sums.items():
      totals[name] = totals.get(name, 0.0) + float(value)
  count, size = totals.pop("weight"), len(loop.split.source)
  _check_complete(loop.split.name, count, size)
  return Evaluation(
    metrics={name: total / count for name, total in totals.items()},
    examples=round(count),
    expected=expected,
    split=loop.split.name,
    is_partial=size < expected,
  )


def _by_own(
  own: Evaluator, mesh: Mesh, watch: Watch, variables: Any
) -> Evaluation:
  if sharding.process_count() > 1:  # Each evaluates all of it.
    variables = sharding.to_host(mesh, variables)
  found = own(variables, watch)
  _check_complete(found.split, found.examples + found.skipped, found.expected)
  return found


def _check_complete(name: str, count: float, expected: int) -> None:
  if count != expected:
    raise IncompleteError(
      f"The evaluation of {name!r} saw {count:g} examples, but the split has "
      f"{expected}. Its metrics would not be those of the whole split."
    )
