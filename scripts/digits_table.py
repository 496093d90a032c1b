"""Trains every digits recipe with several seeds and prints a table.

  python -m scripts.digits_table [--seeds 3] [--workdir runs/digits-table]

Runs that are finished already are not repeated.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys

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


def main() -> None:
  """Prints one row per recipe, as a Markdown table."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--seeds", type=int, default=3)
  parser.add_argument(
    "--workdir", type=pathlib.Path, default=pathlib.Path("runs/digits-table")
  )
  options = parser.parse_args()
  print("| recipe | held-out accuracy, % | mean |\n|---|---|---|")
  for recipe in configs.EXPERIMENTS:
    found = [
      100 * accuracy(recipe, seed, options.workdir / f"{recipe}-{seed}")
      for seed in range(options.seeds)
    ]
    each = " · ".join(f"{x:.1f}" for x in found)
    mean = statistics.mean(found)
    print(f"| `{recipe}` | {each} | {mean:.1f} |", flush=True)


if __name__ == "__main__":
  main()
