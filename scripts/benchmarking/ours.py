"""Measures a model of ours."""

import time
import timeit
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from perceiver import flops
from scripts.benchmarking import cases
from scripts.benchmarking import job as benchmarking_job


class Measurement:
  """A compiled function and its arguments."""

  def __init__(self, job: benchmarking_job.Job) -> None:
    self._job, model = job, job.model()
    self._options = cases.CASES[job.case].options
    inputs = job.inputs()
    resting = benchmarking_job.resident()
    self._arguments = jax.device_put(
      (benchmarking_job.random_variables(model), inputs)
    )

    def forward(variables: Any, inputs: Any) -> Any:
      return model.apply(variables, *inputs, **self._options)

    def gradient(variables: Any, inputs: Any) -> Any:
      def loss(params: Any) -> jax.Array:
        outputs = forward(variables._replace(params=params), inputs)
        squares = [jnp.mean(jnp.square(x)) for x in jax.tree.leaves(outputs)]
        return jnp.sum(jnp.stack(squares))

      return jax.grad(loss)(variables.params)

    function = (
      gradient
      if job.computation is benchmarking_job.Computation.GRADIENT
      else forward
    )
    started = time.perf_counter()
    self._compiled = jax.jit(function).lower(*self._arguments).compile()
    self._facts = {
      "compile_seconds": time.perf_counter() - started,
      "operations": flops.count(function, *self._arguments),
      "resting_bytes": resting,
    }

  def run(self) -> float:
    """Computes once and returns the seconds that it took."""
    started = time.perf_counter()
    self._outputs = jax.block_until_ready(self._compiled(*self._arguments))
    return time.perf_counter() - started

  def outputs(self) -> np.ndarray:
    """Returns the outputs as one vector, which is empty for a gradient."""
    if self._job.computation is benchmarking_job.Computation.GRADIENT:
      return np.zeros(0, np.float32)
    return benchmarking_job.flat(self._outputs)

  def facts(self) -> dict[str, Any]:
    """Returns all measurements besides time."""
    memory: Any = self._compiled.memory_analysis()
    device = jax.devices()[0]
    statistics = device.memory_stats() or {}
    return {
      **self._facts,
      "device": device.device_kind,
      "temporary_bytes": memory.temp_size_in_bytes,
      "argument_bytes": memory.argument_size_in_bytes,
      "device_peak_bytes": statistics.get("peak_bytes_in_use"),
    }


def matrix_rate(precision: Any, size: int = 4096, repeats: int = 5) -> float:
  """Returns operations per second of a large product of two matrices.

  Args:
    precision: a `Precision` of the factors.
    size: rows and columns of both.
    repeats: number of runs; the fastest one counts.
  """
  key = jax.random.key(0)
  x = jax.random.normal(key, (size, size), precision.dtype)
  product = jax.jit(jnp.matmul)
  run = lambda: product(x, x).block_until_ready()
  seconds = timeit.repeat(run, number=1, repeat=1 + repeats)[1:]
  return 2 * size**3 / min(seconds)
