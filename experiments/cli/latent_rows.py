"""The evaluation of one model at several numbers of its first latents."""

from collections.abc import Callable, Mapping
import pathlib
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.cli import candidates
from experiments.data import loader
from experiments.runs import metric_meanings
from experiments.runs import plots
from experiments.runs import result_table
from experiments.training import evaluation
from experiments.training import gradients
from experiments.training import latent_sizes
from experiments.training import sharding
from experiments.training import tasks
import perceiver

_NUM_TIMED = 10


class Row(NamedTuple):
  """The evaluation with one number of latents."""

  num_latents: int
  values: Mapping[str, np.ndarray]  # {metric: [examples]}
  flops: int  # of one example
  seconds: float  # for one example, the median

  def means(self) -> dict[str, float]:
    """Returns the metrics' means over all examples."""
    return {
      name: float(np.mean(x, dtype=np.float64))
      for name, x in self.values.items()
    }


def evaluate(
  candidate: candidates.Candidate, num_latents: int, examples: int | None
) -> Row:
  """Evaluates a model with its first latents.

  Args:
    candidate: the model, with all its latents.
    num_latents: how many to use.
    examples: how many to evaluate on, the first ones; None for all.
  """
  task = latent_sizes.with_first(candidate.task, num_latents)
  config, split = candidate.config, task.eval_split()
  loop = evaluation.Loop(
    split=split if examples is None else loader.first(split, examples),
    batch_size=config.evaluation_batch_size,
    mesh=candidate.mesh,
    loader_threads=config.loader_threads,
    loader_workers=config.loader_workers,
  )
  compute = _by_example(task, candidate)
  values = loop.collect(lambda batch: compute(candidate.variables, batch))
  model = task.model
  return Row(num_latents, values, model.num_flops(), _seconds(model, candidate))


def _by_example(
  task: tasks.Task, candidate: candidates.Candidate
) -> Callable[[Any, Any], Mapping[str, jax.Array]]:
  """Returns the compiled metrics of every example."""

  def compute(variables: Any, batch: tasks.Batch) -> dict[str, jax.Array]:
    losses = task.losses(variables, batch, rng=None, is_training=False)
    weight = batch["weight"]
    found = gradients.per_example(task, losses, weight.shape)
    return {"weight": weight, **found}

  compiled = jax.jit(compute, out_shardings=sharding.replicated(candidate.mesh))
  return candidate.config.eval_matmul_precision.applied(compiled)


def _seconds(model: perceiver.Model, candidate: candidates.Candidate) -> float:
  """Returns the median time of one example on one device."""
  variables = sharding.to_host(candidate.mesh, candidate.variables)
  variables = jax.device_put(variables, jax.local_devices()[0])
  inputs = jax.tree.map(
    lambda x: jnp.zeros(x.shape, x.dtype), model.config.example(1)
  )
  run = candidate.config.eval_matmul_precision.applied(
    lambda: jax.block_until_ready(model.apply(variables, *inputs))
  )
  run()  # compiles
  found = []
  for _ in range(_NUM_TIMED):
    start = time.perf_counter()
    run()
    found.append(time.perf_counter() - start)
  return float(np.median(found))


def table(rows: list[Row]) -> result_table.ResultTable:
  """Returns metrics, operations and time for each number of latents."""
  return result_table.ResultTable(
    "one model with its first latents only; operations and time of one example",
    ("latents", *rows[0].means(), "GFLOP", "ms"),
    tuple(
      (
        str(row.num_latents),
        *(f"{x:.4f}" for x in row.means().values()),
        f"{row.flops / 1e9:.4g}",
        f"{row.seconds * 1e3:.2f}",
      )
      for row in rows
    ),
  )


def plot(rows: list[Row], metric: str, path: pathlib.Path) -> pathlib.Path:
  """Plots a metric over the number of latents and over operations."""
  figure, axes = plots.pyplot().subplots(1, 2, figsize=(9, 3.2), sharey=True)
  values = [row.means()[metric] for row in rows]
  unit = metric_meanings.of(metric).unit
  sizes = [row.num_latents for row in rows]
  operations = [row.flops / 1e9 for row in rows]
  axes[0].plot(sizes, values, marker=".")
  axes[0].set_xscale("log", base=2)
  axes[0].set_xticks(sizes, sizes)
  axes[0].set(xlabel="latents", ylabel=f"{metric}{', ' * bool(unit)}{unit}")
  axes[1].plot(operations, values, marker=".")
  if operations[-1] > 10 * operations[0]:
    axes[1].set_xscale("log")
  axes[1].set(xlabel="operations for one example, GFLOP")
  return plots.save(figure, path, "the same model with its first latents only")
