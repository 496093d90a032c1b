"""Lists the experiments: size, cost, results, and the command that runs each.

python -m experiments.list
"""

from collections.abc import Sequence
import sys

from experiments import registry
from experiments import task as task_lib
import perceiver

_HEADER = ("experiment", "parameters", "GFLOPs", "paper", "ours", "command")


def main() -> int:
  """Prints the table and returns the exit code."""
  return registry.run(_main)


def _main() -> None:
  rows = [
    _row(choice)
    for name in registry.names()
    for choice in registry.choices(name)
  ]
  print(table([_HEADER, *rows]))


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


def _label(result: task_lib.Result) -> str:
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
