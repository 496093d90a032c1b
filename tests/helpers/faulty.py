"""Functions for the processes of fault tests: runs of `recipes.sums`.

A new process imports this module and calls one of its functions.
"""

import dataclasses
import os
import pathlib
import sys
from typing import Any

from safetensors import numpy as safetensors_numpy

from experiments import evaluate as experiments_evaluate
from experiments.cli import errors
from experiments.cluster import processes
from experiments.training import sharding
from experiments.training import trainer
from perceiver.models import registry as model_registry
from tests.helpers.recipes import sums


def experiment(**settings: Any) -> sums.Experiment:
  """Returns `recipes.sums` with other settings of its training."""
  plain = sums.EXPERIMENTS["plain"]
  return dataclasses.replace(
    plain, train=dataclasses.replace(plain.train, **settings)
  )


def train(
  workdir: pathlib.Path,
  settings: dict[str, Any],
  start: processes.DistributedConfig | None = None,
  seconds_per_example: float = 0.0,
) -> None:
  """Trains `recipes.sums`, as one of several processes if `start` is given."""
  os.environ["TINY_SECONDS_PER_EXAMPLE"] = str(seconds_per_example)
  # Even small arrays are divided.
  parallel = dataclasses.replace(
    settings.get("parallel", sharding.ParallelConfig()), min_sharded_size=8
  )

  def main() -> None:
    if start is not None:
      processes.start(start)
    trainer.train(experiment(**{**settings, "parallel": parallel}), workdir)

  sys.exit(errors.run(main))


def evaluate(workdir: pathlib.Path, *options: str) -> None:
  """Evaluates a run from its folder."""
  model_registry.ModelConfig = sums.ModelConfig
  sys.exit(experiments_evaluate.main([str(workdir), *options]))


def contents(workdir: pathlib.Path) -> tuple[bytes, dict[str, bytes]]:
  """Returns the results of a run: its log, and the bits of its model."""
  # Not the file: safetensors writes its notes in any order.
  arrays = safetensors_numpy.load_file(workdir / "model.safetensors")
  bits = {name: array.tobytes() for name, array in arrays.items()}
  return (workdir / "metrics.jsonl").read_bytes(), bits


def meet(start: processes.DistributedConfig) -> None:
  """Brings processes together, and prints what process 0 sends to all."""

  def main() -> None:
    processes.start(start)
    print(processes.broadcast(f"from {start.process_id or 0}"))

  sys.exit(errors.run(main))
