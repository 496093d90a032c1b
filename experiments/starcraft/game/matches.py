"""Scores of a policy in battles between even armies."""

import dataclasses
import functools
from typing import Any

import jax
import numpy as np

from experiments.starcraft import battle_blocks
from experiments.starcraft import entities as starcraft_entities
from experiments.starcraft import objective
from experiments.starcraft.game import scenarios
from experiments.starcraft.game import scripted_policies
from experiments.starcraft.game import simulator
from experiments.starcraft.game import units
from experiments.training import evaluation
import perceiver
from perceiver import bounds

Array = jax.Array

# The policies of the other army, by the name of the score against them. The
# baseline replaces the built-in bot of the paper.
OPPONENTS: dict[str, simulator.Policy] = {
  "win_rate": scripted_policies.baseline,
  "expert_score": scripted_policies.expert,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RolloutConfig:
  """Battles of a policy in evaluation.

  Attributes:
    num_battles: battles against each opponent, the same for every policy.
    num_steps: steps of a battle at most.
    seed: seed of the first states.
  """

  num_battles: int = 512
  num_steps: int = 64
  seed: int = 2

  def __post_init__(self) -> None:
    bounds.check_ranges(self, "num_battles", "num_steps")


def policy(
  model: perceiver.Model, variables: Any, side: int
) -> simulator.Policy:
  """Returns a model as the policy of one army.

  Args:
    model: a `PolicyConfig`'s.
    variables: its parameters and state.
    side: the army; actions of the other one have no meaning.
  """

  def act(state: units.State) -> units.Actions:
    entities, mask = starcraft_entities.encode(state, side)
    decisions = model.apply(variables, entities, mask=mask)
    return objective.to_actions(decisions)

  return act


def score(
  model: perceiver.Model,
  variables: Any,
  opponent: simulator.Policy,
  scenario: scenarios.ScenarioConfig,
  config: RolloutConfig,
  watch: evaluation.Watch = evaluation.UNWATCHED,
) -> float:
  """Returns the share of battles won, a draw counted as half a win.

  Args:
    model: the policy's.
    variables: its parameters and state.
    opponent: policy of the other army, which begins as an equal of the first.
    scenario: sizes of the armies.
    config: number and length of the battles.
    watch: follows it by blocks of battles.
  """
  even = dataclasses.replace(scenario, even=True)
  found = battle_blocks.points(
    lambda key: _points(
      model, opponent, even, config.num_steps, variables, key
    ),
    config.num_battles,
    config.seed,
    watch,
  )
  return float(np.mean(found, dtype=np.float64))


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _points(
  model: perceiver.Model,
  opponent: simulator.Policy,
  scenario: scenarios.ScenarioConfig,
  num_steps: int,
  variables: Any,
  key: Array,
) -> Array:  # [B]
  """Simulates a block of battles; returns the policy's points."""
  state = scenarios.sample(key, battle_blocks.SIZE, scenario)
  policies = (policy(model, variables, 0), opponent)
  return simulator.points(simulator.rollout(policies, state, num_steps)[0])
