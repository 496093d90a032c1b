"""The papers' tables on the command line: commands, states and our numbers."""

from collections.abc import Iterator
import json
import math
import pathlib
from typing import Any

import tabulate

from experiments.cli import errors
from experiments.cli import registry
from experiments.cli.papers import published
from experiments.cli.papers import rows
from experiments.runs import log as runs_log
from experiments.training import best

_HEADER = ("row", "number", "paper", "ours", "state")
_NONE = "–"


def find(name: str) -> rows.Table:
  """Returns a table by its name, such as 2107.14795:7.

  Raises:
    errors.UsageError: if there is no such table.
  """
  if name in published.TABLES:
    return published.TABLES[name]
  raise errors.UsageError(
    f"there is no table {name!r}. There are: {', '.join(published.TABLES)}"
  )


def describe(name: str, runs: pathlib.Path) -> str:
  """Returns a table with our numbers, and the commands that repeat its rows.

  Args:
    name: as in `find`.
    runs: the folder of runs.

  Raises:
    errors.UsageError: if there is no such table.
  """
  table = find(name)
  blocks = [list(_numbers(table, row, runs)) for row in table.rows]
  header, *lines = tabulate.tabulate(
    [line for block in blocks for line in block],
    _HEADER,
    tablefmt="plain",
    disable_numparse=True,
  ).splitlines()
  found = [f"{published.source(name)}: {table.title}", header]
  for row, block in zip(table.rows, blocks):
    found += [line.rstrip() for line in lines[: len(block)]]
    lines = lines[len(block) :]
    found += [f"  {command}" for command in commands(table, row)]
  return "\n".join(found)


def commands(table: rows.Table, row: rows.Row) -> list[str]:
  """Returns the commands that repeat a row, in order; none if nothing does."""
  found: dict[str, None] = {}  # each once
  for cell in table.cells(row):
    experiment, _, recipe = cell.recipe.partition(" ")
    keys = (cell.key, f"{experiment} {row.note}", experiment)
    known = (published.COMMANDS[k] for k in keys if k in published.COMMANDS)
    for template in next(known, ()):
      command = template.format(
        experiment=experiment.replace("_", "-"),
        recipe=recipe,
        run=_run(cell.recipe),
        label=cell.column.label,
        folder=cell.task.split("_")[0].upper(),
      )
      found[f"python -m {command}"] = None
  # Every number of a row is evaluated after all that is trained.
  return sorted(found, key=lambda command: ".evaluate " in command)


def of_steps(workdir: pathlib.Path) -> str:
  """Returns /STEPS, nothing if the run is measured in epochs."""
  steps = _training(workdir).get("steps")
  return f"/{steps}" if steps else ""


def _training(workdir: pathlib.Path) -> dict[str, Any]:
  """Returns a run's training settings, none if they cannot be read."""
  try:
    return dict(json.loads((workdir / "config.json").read_bytes())["train"])
  except (OSError, KeyError, RecursionError, TypeError, ValueError):
    return {}


def _run(recipe: str) -> pathlib.Path | None:
  """Returns the folder of a recipe's run, None if it is no recipe."""
  experiment, _, name = recipe.partition(" ")
  if experiment not in registry.names():
    return None
  return registry.default_workdir(registry.choose(experiment, name))


def _numbers(
  table: rows.Table, row: rows.Row, runs: pathlib.Path
) -> Iterator[tuple[str, ...]]:
  """Yields lines of the numbers of a row, ours and the state of their runs."""
  name, previous = row.name, ""
  note = published.NOTES.get(row.note, row.note)
  for cell in table.cells(row):
    if not cell.number and not cell.recipe:
      continue
    ours, state = _ours(cell, runs)
    state = "; ".join(filter(None, (state, note)))
    shown = state * (state != previous)
    yield name, cell.column.label, cell.number or _NONE, ours, shown
    name, previous = "", state


def _ours(cell: rows.Cell, runs: pathlib.Path) -> tuple[str, str]:
  """Returns our number, and the state of its run or runs."""
  workdir, column = _run(cell.recipe), cell.column
  if workdir is None:
    return _NONE, ""
  pattern = published.RUNS.get(cell.key, workdir.name).format(task=cell.task)
  folders = [path.parent for path in runs.glob(f"{pattern}/{runs_log.METRICS}")]
  found = [runs_log.read_rows(folder / runs_log.METRICS) for folder in folders]
  numbers = [
    number for folder in folders for number in _reported(folder, column)
  ]
  state = "not run"
  if folders:
    last = found[-1][-1]["step"] if found[-1] else 0
    state = f"step {last}{of_steps(folders[-1])}"
  if len(folders) > 1:
    state = f"{len(folders)} runs"
  return f"{column.scale * max(numbers):.2f}" if numbers else _NONE, state


def _reported(folder: pathlib.Path, column: rows.Column) -> list[float]:
  """Returns the number of the best evaluation if a run keeps it, or the last.

  Of a run without such an evaluation it is none.
  """
  files = (folder / runs_log.METRICS, folder / runs_log.EVALUATIONS)
  found = [
    row
    for path in files
    for row in (runs_log.evaluations(path) if path.exists() else ())
    if row.get("split") == column.split and column.metric in row
  ]
  if metric := _training(folder).get("best_metric"):
    name, sign = best.direction(str(metric))
    finite = [row for row in found if math.isfinite(row.get(name, math.nan))]
    found = [max(finite, key=lambda row: sign * row[name])] if finite else found
  return [row[column.metric] for row in found[-1:]]
