"""Compares encoders of entities: their cost, and policies with them.

  python -m experiments.evaluate starcraft-encoders \\
      --runs runs/starcraft-mini runs/starcraft-mini_transformer
"""

import dataclasses
import pathlib
import time
from typing import Any

import jax
import tabulate

from experiments.data import files
from experiments.runs import configs as runs_configs
from experiments.runs import log
from experiments.starcraft import configs
from experiments.starcraft import model as starcraft_model
import perceiver

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparisonConfig:
  """Compares encoders of entities: their cost, and policies with them.

  Prints a row for each recipe: for 512 entities parameters, operations and time
  of the encoder alone, and the operations of the whole policy; then the last
  evaluation of its run, if there is one.

  Attributes:
    runs: the folders of finished runs.
  """

  runs: tuple[pathlib.Path, ...] = ()


def run(config: ComparisonConfig) -> None:
  """Runs the command `evaluate starcraft-encoders`.

  Raises:
    files.InputError: if a folder has no finished run of one of the recipes.
  """
  print(table(dict(_found(folder) for folder in config.runs)))


def table(found: dict[str, dict[str, Any]]) -> str:
  """Returns a header and a row for every recipe.

  Args:
    found: {recipe: {metric: value}} of the runs.
  """
  rows = []
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
  return tabulate.tabulate(
    rows, _HEADER, tablefmt="plain", disable_numparse=True
  )


def _recipes() -> dict[str, configs.Experiment]:
  return {**configs.EXPERIMENTS, "mini": configs.MINI}


def _giga(model: perceiver.Model) -> str:
  return f"{model.num_flops(reference=True) / 1e9:.3f}"


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
  stored = runs_configs.read(folder, configs.Experiment)
  names = [n for n, e in _recipes().items() if e.model == stored.model]
  rows = [
    row for row in log.read_rows(folder / log.METRICS) if row["kind"] == "eval"
  ]
  if not names or not rows:
    missing = "an evaluation" if names else "the model of a recipe"
    raise files.InputError(f"{folder} does not have {missing}")
  return names[0], rows[-1]
