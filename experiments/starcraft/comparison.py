"""What the encoders of entities cost, and what policies with them reach.

  python -m experiments.starcraft.comparison --run runs/starcraft-mini
      --run runs/starcraft-mini_transformer

Prints a row for each of the recipes, with what its run found, if there is one:
for 512 entities parameters, operations and time of the encoder alone, and the
operations of the whole policy.
"""

import argparse
from collections.abc import Sequence
import dataclasses
import pathlib
import sys
import time
from typing import Any

import jax

from experiments.data import files
from experiments.runs import log
from experiments.starcraft import configs
from experiments.starcraft import model as starcraft_model
import perceiver
from perceiver import config_json

_NUM_ENTITIES = 512  # of table 9 of 2107.14795
_BATCH_SIZE = 8  # entities of so many agents at once are timed
_NUM_TIMINGS = 5  # of which the shortest counts
_METRICS = (
  "action_accuracy",
  "action_kind_accuracy",
  "target_accuracy",
  "winning_accuracy",
  "win_rate",
  "expert_score",
)
_HEADER = ("recipe", "parameters", "GFLOPs", "ms", "policy_GFLOPs", *_METRICS)


def main(arguments: Sequence[str] | None = None) -> int:
  """Runs the command.

  Args:
    arguments: the command line without the program's name.

  Returns:
    The exit code.
  """
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument(
    "--run",
    metavar="DIR",
    type=pathlib.Path,
    action="append",
    default=[],
    help="the folder of a finished run",
  )
  folders = parser.parse_args(arguments).run
  try:
    found = dict(_found(folder) for folder in folders)
  except files.InputError as error:
    print(f"error: {error}", file=sys.stderr)
    return 1
  print(*("  ".join(row) for row in table(found)), sep="\n")
  return 0


def table(found: dict[str, dict[str, Any]]) -> list[list[str]]:
  """Returns a header and a row for every recipe, in words of equal width.

  Args:
    found: {recipe: {metric: value}}, of those that were run.
  """
  rows: list[tuple[str, ...]] = [_HEADER]
  for name, experiment in _recipes().items():
    policy = at_full_size(experiment.model)
    encoding = perceiver.create(policy.encoder)
    metrics = found.get(name, {})
    rows.append(
      (
        name,
        f"{encoding.num_parameters():,}",
        _giga(encoding),
        f"{1000 * seconds(encoding):.1f}",
        _giga(perceiver.create(policy)),
        *(f"{metrics[m]:.3f}" if m in metrics else "–" for m in _METRICS),
      )
    )
  widths = [max(map(len, column)) for column in zip(*rows)]
  return [[w.ljust(n) for w, n in zip(row, widths)] for row in rows]


def _recipes() -> dict[str, configs.Experiment]:
  return {**configs.EXPERIMENTS, "mini": configs.MINI}


def _giga(model: perceiver.Model) -> str:
  return f"{model.num_flops(textbook=True) / 1e9:.3f}"


def at_full_size(
  policy: starcraft_model.PolicyConfig,
) -> starcraft_model.PolicyConfig:
  """Returns a policy for as many entities as in the paper."""
  slots = dataclasses.replace(policy.encoder.entities, num_slots=_NUM_ENTITIES)
  return dataclasses.replace(
    policy, encoder=dataclasses.replace(policy.encoder, entities=slots)
  )


def seconds(model: perceiver.Model) -> float:
  """Returns the seconds that the encoder takes for one agent's entities."""
  variables = model.init(jax.random.key(0))
  (example,) = model.config.example(_BATCH_SIZE)
  entities = jax.random.normal(jax.random.key(1), example.shape)
  jax.block_until_ready(model.apply(variables, entities))  # Compiles.
  taken = []
  for _ in range(_NUM_TIMINGS):
    start = time.perf_counter()
    jax.block_until_ready(model.apply(variables, entities))
    taken.append(time.perf_counter() - start)
  return min(taken) / _BATCH_SIZE


def _found(folder: pathlib.Path) -> tuple[str, dict[str, Any]]:
  """Returns the recipe of a run, and its last evaluation.

  Raises:
    files.InputError: if it is no finished run of one of the recipes.
  """
  text = files.read_bytes(folder / "config.json").decode(errors="replace")
  try:
    stored = config_json.from_json(text, configs.Experiment)
  except (KeyError, TypeError, ValueError) as error:
    raise files.InputError(f"{folder} is no run of starcraft: {error}") from (
      error
    )
  names = [n for n, e in _recipes().items() if e.model == stored.model]
  rows = [
    row for row in log.read_rows(folder / log.METRICS) if row["kind"] == "eval"
  ]
  if not names or not rows:
    missing = "an evaluation" if names else "the model of a recipe"
    raise files.InputError(f"{folder} does not have {missing}")
  return names[0], rows[-1]


if __name__ == "__main__":
  sys.exit(main())
