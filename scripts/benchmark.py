"""Measures time and memory of our models, and of others where installed.

  python -m scripts.benchmark                        # all models
  python -m scripts.benchmark --cases optical_flow --who ours reference
  python -m scripts.benchmark --cases optical_flow --size 1080 1920 --repeats 1
  python -m scripts.benchmark --sweep inputs --output DIR

Jobs of one model run in turn, A B A B, each in a process of its own. Numbers
are printed as a table and, with --output, written as JSON.
"""

import argparse
from collections.abc import Sequence
import importlib.util
import json
import pathlib
import sys

import jax

from perceiver import model
from scripts.benchmarking import cases
from scripts.benchmarking import comparison
from scripts.benchmarking import job
from scripts.benchmarking import ours
from scripts.benchmarking import sweep


def main(arguments: Sequence[str] | None = None) -> int:
  """Measures what the command line says; returns the exit status."""
  options = _parse(arguments)
  precision = model.Precision(options.precision)
  rate = ours.matrix_rate(precision)
  say = lambda text: print(text, file=sys.stderr, flush=True)
  say(f"{_machine()}; matrix product {rate / 1e9:,.0f} GFLOP/s")
  if options.sweep:
    points = sweep.run(sweep.Side(options.sweep), options.repeats, say)
    print(sweep.table(points))
    if options.output:
      sweep.write(points, options.output)
    return 0
  rows: list[comparison.Row] = []
  for name in options.cases:
    for what in options.what:
      say(f"{name}, {what}")
      rows += comparison.compare(
        _jobs(options, name, what, precision), options.repeats, say
      )
  rate = max(rate, ours.matrix_rate(precision))
  print(f"{_machine()}; matrix product {rate / 1e9:,.0f} GFLOP/s\n")
  print(comparison.table(rows, rate))
  if options.output:
    options.output.mkdir(parents=True, exist_ok=True)
    found = {
      "machine": _machine(),
      "matrix_rate": rate,
      "rows": [row.to_dict() for row in rows],
    }
    file = options.output / "benchmark.json"
    file.write_text(json.dumps(found, indent=2) + "\n")
  return 0


def _machine() -> str:
  device = jax.devices()[0]
  return f"{jax.device_count()} × {device.device_kind}, JAX {jax.__version__}"


def _jobs(
  options: argparse.Namespace,
  name: str,
  what: str,
  precision: model.Precision,
) -> list[job.Job]:
  return [
    job.Job(
      who=job.Who(who),
      what=job.What(what),
      case=name,
      batch_size=options.batch_size or cases.CASES[name].batch_size,
      size=None if options.size is None else tuple(options.size),
      precision=precision,
    )
    for who in options.who
  ]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  whats = [x.value for x in job.What]
  whos = [x.value for x in job.Who]
  add = parser.add_argument
  add("--cases", nargs="+", choices=cases.CASES, default=list(cases.CASES))
  add("--what", nargs="+", choices=whats, default=whats)
  add(
    "--who",
    nargs="+",
    choices=whos,
    help="default: ours, and transformers where it is installed with PyTorch",
  )
  add("--repeats", type=int, default=5, help="runs after the first")
  add("--batch-size", type=int, help="examples at a time")
  add("--size", type=int, nargs="+", help="size of the inputs: " + _sizes())
  add(
    "--precision",
    choices=[x.value for x in model.Precision],
    default="float32",
  )
  add(
    "--sweep",
    choices=[x.value for x in sweep.Side],
    help="instead: time and memory over the number of inputs or of outputs",
  )
  add(
    "--output", type=pathlib.Path, metavar="FOLDER", help="for JSON and plots"
  )
  options = parser.parse_args(arguments)
  if options.repeats < 1 or (options.batch_size or 1) < 1:
    parser.error("--repeats and --batch-size must be at least 1")
  if options.who is None:
    others = all(map(importlib.util.find_spec, ("torch", "transformers")))
    options.who = ["ours", *["transformers"] * others]
  if options.size is not None:
    for name in options.cases:
      try:
        cases.CASES[name].model(tuple(options.size))
      except ValueError as error:
        parser.error(f"--size {options.size}: {error}")
  return options


def _sizes() -> str:
  found = {c.size_help: c.name for c in cases.CASES.values() if c.size_help}
  return "; ".join(f"{size} ({name} …)" for size, name in found.items())


if __name__ == "__main__":
  sys.exit(main())
