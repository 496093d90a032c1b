"""Measures time and memory of our models, and of other implementations.

  python -m scripts.benchmark                        # all models
  python -m scripts.benchmark --implementations ours reference
  python -m scripts.benchmark --cases optical_flow --size 1080 1920 --repeats 1
  python -m scripts.benchmark --sweep inputs --output DIR

Jobs of one model run in turn, A B A B, each in a process of its own. Numbers
are printed as a table and, with --output, written as JSON.
"""

from collections.abc import Sequence
import dataclasses
import importlib.util
import json
import os
import pathlib
import sys

import jax
import tyro

if not __package__:  # Run as a file, not with -m.
  sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from experiments.cli import paths
from perceiver import model
from scripts.benchmarking import cases as benchmarking_cases
from scripts.benchmarking import comparison
from scripts.benchmarking import job
from scripts.benchmarking import ours
from scripts.benchmarking import sweep as benchmarking_sweep


def _installed() -> tuple[job.Implementation, ...]:
  others = all(map(importlib.util.find_spec, ("torch", "transformers")))
  return (
    job.Implementation.OURS,
    *[job.Implementation.TRANSFORMERS] * others,
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
  """Options of the command.

  Attributes:
    cases: names of models.
    computations: outputs or gradients.
    implementations: ours, and transformers where it is installed with PyTorch.
    repeats: runs after the first one.
    batch_size: examples at a time; each model has its own default.
    size: height and width in pixels of images and frames, length in bytes of
      texts; the published size if None.
    precision: precision of the activations.
    sweep: measure time and memory over the number of inputs, or of outputs,
      instead of whole models.
    output: folder for JSON and plots.
  """

  cases: tuple[str, ...] = benchmarking_cases.RELEASED
  computations: tuple[job.Computation, ...] = tuple(job.Computation)
  implementations: tuple[job.Implementation, ...] = dataclasses.field(
    default_factory=_installed
  )
  repeats: int = 5
  batch_size: int | None = None
  size: tuple[int, ...] | None = None
  precision: model.Precision = model.Precision.FLOAT32
  sweep: benchmarking_sweep.Side | None = None
  output: pathlib.Path | None = None

  def __post_init__(self) -> None:
    if self.repeats < 1 or (self.batch_size or 1) < 1:
      raise ValueError(
        f"--repeats is {self.repeats} and --batch-size {self.batch_size}; "
        "expected 1 or more."
      )
    for name in self.cases:
      if name not in benchmarking_cases.CASES:
        known = ", ".join(benchmarking_cases.CASES)
        raise ValueError(f"--cases has {name}; expected some of {known}.")
      benchmarking_cases.CASES[name].model(self.size)


def main(arguments: Sequence[str] | None = None) -> int:
  """Runs the command; returns the exit status."""
  options = tyro.cli(
    Options,
    args=arguments,
    registry=paths.REGISTRY,
    description=__doc__,
    config=(tyro.conf.EnumChoicesFromValues, tyro.conf.AvoidSubcommands),
  )
  # Processes of several implementations share a GPU: nobody takes all memory.
  os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
  rate = ours.matrix_rate(options.precision)
  _report(f"{_machine()}; matrix product {rate / 1e9:,.0f} GFLOP/s")
  if options.sweep:
    points = benchmarking_sweep.run(options.sweep, options.repeats, _report)
    print(benchmarking_sweep.table(points))
    if options.output:
      benchmarking_sweep.write(points, options.output)
    return 0
  rows = _compare(options)
  rate = max(rate, ours.matrix_rate(options.precision))
  print(f"{_machine()}; matrix product {rate / 1e9:,.0f} GFLOP/s\n")
  print(comparison.table(rows, rate))
  if options.output:
    _write(rows, rate, options.output)
  return 0


def _report(text: str) -> None:
  print(text, file=sys.stderr, flush=True)


def _machine() -> str:
  device = jax.devices()[0]
  return f"{jax.device_count()} × {device.device_kind}, JAX {jax.__version__}"


def _compare(options: Options) -> list[comparison.Row]:
  rows: list[comparison.Row] = []
  for name in options.cases:
    for computation in options.computations:
      _report(f"{name}, {computation.value}")
      default = benchmarking_cases.CASES[name].batch_size
      jobs = [
        job.Job(
          implementation=implementation,
          computation=computation,
          case=name,
          batch_size=options.batch_size or default,
          size=options.size,
          precision=options.precision,
        )
        for implementation in options.implementations
      ]
      rows += comparison.compare(jobs, options.repeats, _report)
  return rows


def _write(
  rows: Sequence[comparison.Row], rate: float, folder: pathlib.Path
) -> None:
  folder.mkdir(parents=True, exist_ok=True)
  content = {
    "machine": _machine(),
    "matrix_rate": rate,
    "rows": [row.to_dict() for row in rows],
  }
  text = json.dumps(content, indent=2) + "\n"
  (folder / "benchmark.json").write_text(text)


if __name__ == "__main__":
  sys.exit(main())
