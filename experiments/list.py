"""Lists the experiments: size, cost, results, and the command that runs each.

  python -m experiments.list           all recipes and their results
  python -m experiments.list NAME...   their parameters and operations as well
  python -m experiments.list --runs DIR
  python -m experiments.list --table 2107.14795:7 [--runs DIR]

With --runs it lists the runs in a folder instead: how far each of them is, what
came out, and with which code, devices and seed. With --table it prints the rows
of a paper's table or figure (2103.03206:fig5): the paper's numbers, ours from
the logs of the runs in the folder and from what `evaluate` noted beside them,
and the commands that repeat each row.
"""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import pathlib
import sys
import textwrap
from typing import Any

import tabulate
import tyro

from experiments.cli import arguments as cli_arguments
from experiments.cli import errors
from experiments.cli import registry
from experiments.cli.papers import listing
from experiments.data import files
from experiments.runs import log as runs_log
from experiments.runs import progress
from experiments.runs import provenance
from experiments.training import tasks
import perceiver

_PROG = "python -m experiments.list"
_HEADER = ("recipe", "metric", "paper", "ours")
_SIZED_HEADER = ("recipe", "parameters", "GFLOPs", *_HEADER[1:])
_SIZED_WIDTHS = (None, None, None, 12, None, None)  # 80 columns, all in all
_HINT = "\n`list NAME` counts parameters and operations, too"


@dataclasses.dataclass(frozen=True, kw_only=True)
class List:
  """Lists the experiments, or runs of them.

  Attributes:
    names: the experiments to list, or a part of their names, with parameters
      and operations, which takes a second a recipe; all, without, if none.
    runs: list the runs in this folder and below.
    table: print this table of a paper, with our numbers from the logs in
      `runs`, which is the folder runs if None.
  """

  names: tyro.conf.Positional[tuple[str, ...]] = ()
  runs: pathlib.Path | None = None
  table: str | None = None


def main(arguments: Sequence[str] | None = None) -> int:
  """Prints the lists and returns the exit code."""
  return errors.run(lambda: _main(cli_arguments.given(arguments)))


def _main(arguments: Sequence[str]) -> None:
  options = cli_arguments.parse(List, arguments, _PROG)
  if options.table is not None:
    runs = options.runs or pathlib.Path("runs")
    print(listing.describe(options.table, runs))
    return
  if options.runs is not None:
    print("\n".join(_runs(options.runs)))
    return
  names = registry.matching(options.names)
  print(
    "paper: published results; ours: this code's; *: fine-tuned, with "
    "--checkpoint" + _HINT * (not options.names) + "\n",
    flush=True,
  )
  for name in names:
    choices = registry.choices(name)
    command = f"python -m experiments.train {choices[0].name}"
    print(f"{command} --recipe NAME | --mini", flush=True)
    if options.names:
      print(f"{_with_sizes(choices)}\n", flush=True)
    else:
      rows = [(_recipe(x), *_result(x.result)) for x in choices]
      print(f"{_table(rows, _HEADER, (None,) * 4)}\n", flush=True)


def _runs(folder: pathlib.Path) -> list[str]:
  """Returns a paragraph for every run, the one started last at the end.

  Raises:
    files.InputError: if there is none.
  """
  found = [
    path.parent
    for path in files.list_files(folder, provenance.NAME, recursive=True)
  ]
  if not found:
    raise files.InputError(f"{folder} has no runs.")
  starts = {run: provenance.read(run) for run in found}
  begun = lambda run: str(starts[run][-1].get("time")) if starts[run] else ""
  return [_run(run, starts[run]) for run in sorted(found, key=begun)]


def _run(workdir: pathlib.Path, starts: Sequence[Mapping[str, Any]]) -> str:
  start: Mapping[str, Any] = starts[-1] if starts else {}
  log = workdir / runs_log.METRICS
  rows = runs_log.read_rows(log) if log.exists() else []
  results = [row for row in rows if row["kind"] == "eval"]
  found = {
    "experiment": registry.name_of(str(start.get("experiment", "–"))),
    "step": f"{rows[-1]['step'] if rows else 0}{listing.of_steps(workdir)}",
    "evaluation": _numbers(results[-1]) if results else "–",
    "seed": str(start.get("seed", "–")),
    "devices": _devices(start.get("devices")),
    "code": _commit(start.get("git")),
    "starts": f"{len(starts)}, the last one {start.get('time', '–')}",
  }
  return f"{workdir}\n{_table(found.items())}\n"


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


def _with_sizes(choices: Sequence[registry.Choice]) -> str:
  """Returns a table of recipes with parameters and operations."""
  count = progress.counter("counting operations", unit=" recipes")
  rows = []
  for number, choice in enumerate(choices, 1):
    model = perceiver.create(choice.experiment.model)
    sizes = f"{model.num_parameters():,}", f"{model.num_flops() / 1e9:.3g}"
    rows.append((_recipe(choice), *sizes, *_result(choice.result)))
    count(number, len(choices))
  return _table(rows, _SIZED_HEADER, _SIZED_WIDTHS)


def _recipe(choice: registry.Choice) -> str:
  return choice.recipe + "*" * choice.experiment.train.fine_tuning


def _result(result: tasks.Result | None) -> tuple[str, str, str]:
  """Returns the metric, the paper's number and ours."""
  if result is None:
    return "–", "–", "–"
  number = lambda x: "–" if x is None else f"{x:g}"
  metric = f"{result.split} {result.metric}".strip().replace("_", " ")
  return metric, number(result.paper), number(result.ours)


def _table(
  rows: Iterable[Sequence[str]],
  headers: Sequence[str] = (),
  widths: Sequence[int | None] = (None, None),
) -> str:
  """Returns words in columns, indented; wide ones are broken into lines."""
  text = tabulate.tabulate(
    rows,
    headers,
    tablefmt="plain",
    disable_numparse=True,
    maxcolwidths=[*widths],
  )
  return textwrap.indent(text, "  ")


if __name__ == "__main__":
  sys.exit(main())
