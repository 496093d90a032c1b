"""Accuracy of every digits recipe, with several seeds each."""

import pathlib
import statistics
import subprocess
import sys

import tabulate
import tyro

from experiments.cli import paths
from experiments.image_classification.digits import configs
from experiments.runs import log


def accuracy(recipe: str, seed: int, workdir: pathlib.Path) -> float:
  """Trains one recipe with one seed and returns its held-out accuracy."""
  command = [sys.executable, "-m", "experiments.train", "digits"]
  command += ["--recipe", recipe, "--workdir", str(workdir)]
  command += ["--train.seed", str(seed)]
  subprocess.run(command, check=True, capture_output=True, text=True)
  rows = log.read_rows(workdir / "metrics.jsonl")
  return [row["top_1"] for row in rows if row["kind"] == "eval"][-1]


def main(
  *, seeds: int = 3, workdir: pathlib.Path = pathlib.Path("runs/digits-table")
) -> None:
  """Trains every digits recipe with several seeds and prints a table.

  Runs that are finished already are not repeated.

  Args:
    seeds: number of seeds.
    workdir: folder of the runs.
  """
  rows = []
  for recipe in configs.EXPERIMENTS:
    found = [
      100 * accuracy(recipe, seed, workdir / f"{recipe}-{seed}")
      for seed in range(seeds)
    ]
    each = " · ".join(f"{x:.1f}" for x in found)
    print(f"{recipe}: {each}", file=sys.stderr, flush=True)
    rows.append([f"`{recipe}`", each, f"{statistics.mean(found):.1f}"])
  headers = ["recipe", "held-out accuracy, %", "mean"]
  print(
    tabulate.tabulate(rows, headers, tablefmt="pipe", disable_numparse=True)
  )


if __name__ == "__main__":
  tyro.cli(main, registry=paths.REGISTRY)
