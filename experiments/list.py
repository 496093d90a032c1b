"""Lists the experiments: size, cost, results, and the command that runs each.

  python -m experiments.list [--runs DIR]

With --runs it lists the runs in a folder instead: how far each of them is, what
came out, and with which code, devices and seed.
"""

import argparse
from collections.abc import Mapping, Sequence
import json
import pathlib
import sys
from typing import Any

from experiments.cli import errors
from experiments.cli import registry
from experiments.data import files
from experiments.runs import log as runs_log
from experiments.runs import provenance
from experiments.training import tasks
import perceiver

_RUN_HEADER = (
  "run",
  "experiment",
  "step",
  "evaluation",
  "seed",
  "devices",
  "code",
  "starts",
  "last started",
)
_HEADER = ("experiment", "parameters", "GFLOPs", "paper", "ours", "command")


def main(arguments: Sequence[str] | None = None) -> int:
  """Prints the table and returns the exit code."""
  return errors.run(lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> None:
  parser = argparse.ArgumentParser(
    prog="python -m experiments.list",
    description="Lists the experiments, or runs of them.",
  )
  parser.add_argument(
    "--runs",
    metavar="DIR",
    type=pathlib.Path,
    help="list the runs in this folder and below",
  )
  options = parser.parse_args(arguments)
  if options.runs is not None:
    print(table([_RUN_HEADER, *_runs(options.runs)]))
    return
  rows = [
    _row(choice)
    for name in registry.names()
    for choice in registry.choices(name)
  ]
  print(table([_HEADER, *rows]))


def _runs(folder: pathlib.Path) -> list[tuple[str, ...]]:
  """Returns a row for every run, the one started last at the end.

  Raises:
    files.InputError: if there is none.
  """
  found = [path.parent for path in folder.rglob(provenance.NAME)]
  if not found:
    raise files.InputError(f"{folder} has no runs.")
  starts = {run: provenance.read(run) for run in found}
  begun = lambda run: str(starts[run][-1].get("time")) if starts[run] else ""
  return [_run(run, starts[run]) for run in sorted(found, key=begun)]


def _run(
  workdir: pathlib.Path, starts: Sequence[Mapping[str, Any]]
) -> tuple[str, ...]:
  start: Mapping[str, Any] = starts[-1] if starts else {}
  log = workdir / runs_log.METRICS
  rows = runs_log.read_rows(log) if log.exists() else []
  results = [row for row in rows if row["kind"] == "eval"]
  return (
    str(workdir),
    registry.name_of(str(start.get("experiment", "–"))),
    f"{rows[-1]['step'] if rows else 0}{_of_steps(workdir)}",
    _numbers(results[-1]) if results else "–",
    str(start.get("seed", "–")),
    _devices(start.get("devices")),
    _commit(start.get("git")),
    str(len(starts)),
    str(start.get("time", "–")),
  )


def _of_steps(workdir: pathlib.Path) -> str:
  """Returns /STEPS, nothing if the run is measured in epochs."""
  try:
    steps = json.loads((workdir / "config.json").read_bytes())["train"]["steps"]
  except (OSError, KeyError, RecursionError, TypeError, ValueError):
    return ""
  return f"/{steps}" if steps else ""


def _numbers(row: Mapping[str, Any]) -> str:
  """Returns the first metrics of an evaluation."""
  numbers = [(n, x) for n, x in row.items() if isinstance(x, float)]
  return ", ".join(f"{name} {value:.4g}" for name, value in numbers[:3])


def _devices(devices: Any) -> str:
  if not isinstance(devices, dict):
    return "–"
  mesh = devices.get("mesh")
  shape = mesh.values() if isinstance(mesh, dict) else ()
  return f"{' × '.join(map(str, shape))} {devices.get('kind', '')}".strip()


def _commit(git: Any) -> str:
  if not isinstance(git, dict):
    return "–"
  return f"{git.get('commit')!s:.8}{' + changes' * bool(git.get('changed'))}"


def _row(choice: registry.Choice) -> tuple[str, ...]:
  model = perceiver.create(choice.experiment.model)
  result = choice.result
  number = lambda x: "–" if x is None else f"{x:g}"
  option = "--mini" if choice.recipe == "mini" else f"--recipe {choice.recipe}"
  return (
    f"{choice.name} {choice.recipe}",
    f"{model.num_parameters():,}",
    f"{model.num_flops() / 1e9:.4g}",
    f"{_label(result)} {number(result.paper)}" if result else "–",
    number(result.ours) if result else "–",
    f"python -m experiments.train {choice.name} {option}",
  )


def _label(result: tasks.Result) -> str:
  """Returns what a result is of."""
  return f"{result.split} {result.metric}".strip()


def table(rows: Sequence[Sequence[str]]) -> str:
  """Returns rows of words as lines with aligned columns."""
  widths = [max(map(len, column)) for column in zip(*rows)]
  lines = (
    "  ".join(word.ljust(width) for word, width in zip(row, widths)).rstrip()
    for row in rows
  )
  return "\n".join(lines)


if __name__ == "__main__":
  sys.exit(main())
