"""Evaluation of a model on a whole split, every example counted once."""

from collections.abc import Callable, Iterator, Mapping
import contextlib
import dataclasses
import functools
import math
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
import numpy as np

from experiments.data import files
from experiments.data import loader
from experiments.training import gradients
from experiments.training import sharding
from experiments.training import tasks
from perceiver import errors

Array = jax.Array


class IncompleteError(errors.PerceiverError, RuntimeError):
  """An evaluation saw fewer or more examples than the split has."""


class Abandoned(Exception):
  """An evaluation was given up because the run is to stop."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
  """The result of an evaluation.

  Attributes:
    metrics: mean over the examples, of the loss and of every metric.
    examples: how many examples were seen.
    expected: how many the split has.
    split: its name.
    skipped: how many could not be read and were left out, on demand.
    is_partial: whether only the first of them were looked at, on demand.
    details: what a table of its own says better than a list of metrics.
  """

  metrics: Mapping[str, float]
  examples: int
  expected: int
  split: str
  skipped: int = 0
  is_partial: bool = False
  details: str = ""

  def describe(self, result: tasks.Result | None = None) -> str:
    """Returns the metrics in words, beside what the paper reached.

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
    return "\n".join([*lines, *filter(None, [self.details])])

  def describe_briefly(self) -> str:
    """Returns the metrics in one line."""
    numbers = ", ".join(f"{n} {value:.4g}" for n, value in self.metrics.items())
    return f"{numbers} on {self.counts()}"

  def papers(self, result: tasks.Result | None) -> dict[str, tasks.Result]:
    """Returns what the paper reached, by metric, on this very split."""
    row = () if result is None or self.is_partial else result.row()
    return {
      r.metric: r
      for r in row
      if r.paper is not None and r.split in ("", self.split)
    }

  def counts(self) -> str:
    """Returns how many examples were seen, and of what, in words."""
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
  """Returns the evaluation that a row of the log tells of."""
  metrics = dict(row)
  own = {name: metrics.pop(name) for name in ("examples", "expected", "split")}
  own["skipped"] = metrics.pop("skipped", 0)
  for name in ("step", "kind"):
    metrics.pop(name, None)
  return Evaluation(metrics=metrics, **own)


class Evaluator(Protocol):
  """A task's own way to evaluate variables."""

  def __call__(
    self,
    variables: Any,
    *,
    should_stop: Callable[[], bool],
    on_progress: Callable[[int, int], None],
  ) -> Evaluation:
    """Evaluates; may raise `Abandoned` if `should_stop()`.

    Args:
      variables: the model's parameters and state.
      should_stop: asked now and then whether to give up.
      on_progress: told how many examples of how many are done.
    """


@runtime_checkable
class HasEvaluator(Protocol):
  """A task whose examples do not all have one shape, or are no batch."""

  def make_evaluator(self) -> Evaluator | None:
    """Returns the evaluator; None if batches of `eval_split` will do."""


def make(
  task: tasks.Task,
  mesh: Mesh,
  batch_size: int,
  *,
  loader_threads: int | None = None,
  loader_workers: int = 0,
  should_stop: Callable[[], bool] = lambda: False,
  on_progress: Callable[[int, int], None] = lambda done, total: None,
  only_first: int | None = None,
) -> Callable[[Any], Evaluation]:
  """Prepares the evaluation of a task, to be compiled at its first use.

  Batch size and devices change the result by the rounding of float32 at most.

  Args:
    task: gives the examples and their losses and metrics.
    mesh: the devices.
    batch_size: examples at a time, over all devices.
    loader_threads: as in `TrainConfig`.
    loader_workers: as in `TrainConfig`.
    should_stop: asked between batches whether to give up.
    on_progress: told, after each batch, how many batches of how many are done.
    only_first: how many examples to look at; all if None.

  Returns:
    A function of the variables. It raises `IncompleteError` if examples were
    missed or counted twice, and `Abandoned` if it was told to stop.

  Raises:
    files.InputError: if a part is asked of a task with an evaluator of its own.
  """
  own = task.make_evaluator() if isinstance(task, HasEvaluator) else None
  if own is not None:
    if only_first is not None:
      raise files.InputError(
        f"{type(task).__name__} evaluates a whole split or nothing: leave out "
        "--examples"
      )
    return functools.partial(_by_own, own, mesh, should_stop, on_progress)
  sharding.check_batch_size(mesh, batch_size, "the evaluation's batch size")
  whole = task.eval_split()
  split = whole if only_first is None else loader.first(whole, only_first)
  batches = functools.partial(
    loader.eval_batches,
    split,
    batch_size=batch_size,
    process_index=sharding.process_index(),
    process_count=sharding.process_count(),
    num_threads=loader_threads,
    num_workers=loader_workers,
  )
  sums_of_batch = jax.jit(
    functools.partial(_weighted_sums, task),
    out_shardings=sharding.replicated(mesh),
  )

  num_batches = math.ceil(len(split.source) / batch_size)

  def evaluate(variables: Any) -> Evaluation:
    sums = functools.partial(sums_of_batch, variables)
    with contextlib.closing(batches()) as local_batches:
      put = _put(
        local_batches, mesh, should_stop, lambda n: on_progress(n, num_batches)
      )
      found = _result(split, _totals(sums, put))
    expected = len(whole.source)
    return dataclasses.replace(
      found, expected=expected, is_partial=found.examples < expected
    )

  return evaluate


def _put(
  batches: Iterator[Mapping[str, np.ndarray]],
  mesh: Mesh,
  should_stop: Callable[[], bool],
  on_progress: Callable[[int], None],
) -> Iterator[tasks.Batch]:
  """Yields batches on the devices; raises `Abandoned` if it is to stop."""
  for done, batch in enumerate(batches):
    if should_stop():
      raise Abandoned
    yield sharding.put_batch(mesh, batch)
    on_progress(done + 1)


def _totals(
  sums_of_batch: Callable[[tasks.Batch], Mapping[str, Array]],
  batches: Iterator[tasks.Batch],
) -> dict[str, float]:
  """Adds up what a function gives for batches.

  Fetching the sums only after the next batch is under way keeps the devices
  busy and at most two batches in their memory.
  """
  totals, pending = dict[str, float](), None
  for batch in batches:
    pending, ready = sums_of_batch(batch), pending
    _add(totals, ready)
  _add(totals, pending)
  return totals


def _by_own(
  own: Evaluator,
  mesh: Mesh,
  should_stop: Callable[[], bool],
  on_progress: Callable[[int, int], None],
  variables: Any,
) -> Evaluation:
  if sharding.process_count() > 1:  # Each evaluates all of it.
    variables = sharding.to_host(mesh, variables)
  found = own(variables, should_stop=should_stop, on_progress=on_progress)
  _check_complete(found.split, found.examples + found.skipped, found.expected)
  return found


def _weighted_sums(
  task: tasks.Task, variables: Any, batch: tasks.Batch
) -> dict[str, Array]:
  weight = batch["weight"]  # [B]
  losses = task.losses(variables, batch, rng=None, is_training=False)
  gradients.check_per_example(task, losses, weight.shape)
  values = {"loss": losses.loss, **losses.metrics}  # {name: [B]}
  counted = lambda x: jnp.sum(jnp.where(weight > 0, weight * x, 0))
  sums = {name: counted(value) for name, value in values.items()}
  return {"weight": jnp.sum(weight)} | sums


def _add(totals: dict[str, float], sums: Mapping[str, Array] | None) -> None:
  """Adds the sums of one batch in double precision."""
  for name, value in (sums or {}).items():
    totals[name] = totals.get(name, 0.0) + float(np.asarray(value))


def _result(split: loader.Split, totals: dict[str, float]) -> Evaluation:
  seen, expected = totals.pop("weight", 0.0), len(split.source)
  _check_complete(split.name, seen, expected)
  return Evaluation(
    metrics={name: total / seen for name, total in totals.items()},
    examples=round(seen),
    expected=expected,
    split=split.name,
  )


def _check_complete(name: str, seen: float, expected: int) -> None:
  if seen != expected:
    raise IncompleteError(
      f"The evaluation of {name!r} saw {seen:g} examples, but the split has "
      f"{expected}. Its metrics would not be those of the whole split."
    )
