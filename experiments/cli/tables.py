"""The papers' tables on the command line: commands, states and our numbers."""

from collections.abc import Iterator
import json
import pathlib

import tabulate

from experiments.cli import errors
from experiments.cli import papers
from experiments.cli import registry
from experiments.runs import log as runs_log
from experiments.training import evaluation
from experiments.training import tasks

_HEADER = ("row", "number", "paper", "ours", "state")
_NONE = "–"


def find(name: str) -> papers.Table:
  """Returns a table by its name, such as 2107.14795:7.

  Raises:
    errors.UsageError: if there is no such table.
  """
  if name in papers.TABLES:
    return papers.TABLES[name]
  raise errors.UsageError(
    f"there is no table {name!r}. There are: {', '.join(papers.TABLES)}"
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
  blocks = [list(_lines(table, row, runs)) for row in table.rows]
  body = [line for block in blocks for line in block]
  text = tabulate.tabulate(
    body, _HEADER, tablefmt="plain", disable_numparse=True
  )
  header, *lines = text.splitlines()
  found = [f"{papers.source(name)}: {table.title}", header]
  for row, block in zip(table.rows, blocks):
    found += [line.rstrip() for line in lines[: len(block)]]
    lines = lines[len(block) :]
    found += [f"  ({row.reason})"] * bool(row.reason and row.recipe)
    found += [f"  {command}" for command in commands(table, row)]
  return "\n".join(found)


def commands(table: papers.Table, row: papers.Row) -> list[str]:
  """Returns the commands that repeat a row, none if nothing does."""
  found: dict[str, None] = {}  # in order, each once
  for cell in table.cells(row):
    experiment, _, recipe = cell.recipe.partition(" ")
    for template in row.commands or papers.COMMANDS.get(experiment, ()):
      command = template.format(
        experiment=experiment.replace("_", "-"),
        recipe=recipe,
        run=_run(cell.recipe) if recipe else "",
        label=cell.column.label,
      )
      found[f"python -m experiments.{command}"] = None
  return sorted(found, key=lambda command: "evaluate" in command)


def _run(recipe: str) -> pathlib.Path:
  """Returns the folder of a recipe's run, as the command names it."""
  experiment, _, name = recipe.partition(" ")
  return registry.default_workdir(registry.choose(experiment, name))


def _lines(
  table: papers.Table, row: papers.Row, runs: pathlib.Path
) -> Iterator[tuple[str, ...]]:
  """Yields the numbers of a row beside ours."""
  name, previous = row.name, ""
  for cell in table.cells(row):
    if cell.number is None and not cell.recipe:
      continue
    ours, state = _NONE, row.reason
    if cell.recipe:
      ours, state = _ours(cell, runs)
    paper = _NONE if cell.number is None else str(cell.number)
    shown = state if state != previous or name else ""
    yield name, cell.column.label, paper, ours, shown
    name, previous = "", state


def _ours(cell: papers.Cell, runs: pathlib.Path) -> tuple[str, str]:
  """Returns our number, and how far its run is."""
  folder = runs / _run(cell.recipe).name
  metrics = folder / runs_log.METRICS
  if not metrics.exists():
    return _NONE, "not run"
  rows = runs_log.read_rows(metrics)
  state = f"step {rows[-1]['step'] if rows else 0}{of_steps(folder)}"
  column = cell.column
  wanted = tasks.Result(metric=column.metric, paper=0, split=column.split)
  for row in reversed([row for row in rows if row["kind"] == "eval"]):
    found = evaluation.from_row(row)
    if column.metric in found.metrics and found.papers(wanted):
      return f"{column.scale * found.metrics[column.metric]:.2f}", state
  return _NONE, state


def of_steps(workdir: pathlib.Path) -> str:
  """Returns /STEPS, nothing if the run is measured in epochs."""
  try:
    steps = json.loads((workdir / "config.json").read_bytes())["train"]["steps"]
  except (OSError, KeyError, RecursionError, TypeError, ValueError):
    return ""
  return f"/{steps}" if steps else ""
