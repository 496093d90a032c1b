"""Converts a checkpoint, as `perceiver convert`, or the folder of a run.

  python -m scripts.convert_checkpoint SOURCE DESTINATION [--to FORM]

The run need not be finished; its newest checkpoint is taken then.
"""

from collections.abc import Sequence
import pathlib
import sys

from experiments.data import paths
import perceiver
from perceiver import __main__ as command


def main(arguments: Sequence[str] | None = None) -> int:
  """Converts as the command line says; returns the exit status."""
  words = sys.argv[1:] if arguments is None else arguments
  return command.main(["convert", *words], path=paths.local, load=_load)


def _load(
  source: pathlib.Path, name: str | None
) -> tuple[perceiver.Model, perceiver.Variables]:
  """Reads a checkpoint, or the newest one of a run that is not finished."""
  is_run = (source / "config.json").exists() and (
    source / "metrics.jsonl"
  ).exists()
  if not is_run or (source / "model.safetensors").exists():
    return perceiver.load(source, name)
  from experiments import evaluate  # much to load, for this case alone

  model, variables = evaluate.load_run(source)
  if name is not None and perceiver.create(name) != model:
    raise ValueError(f"{source} is a run of another model; expected {name}.")
  return model, variables


if __name__ == "__main__":
  sys.exit(main())
