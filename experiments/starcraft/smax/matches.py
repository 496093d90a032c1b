"""Scores of a policy in SMAX's battles against its heuristic policy."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.starcraft import battle_blocks
from experiments.starcraft import model as starcraft_model
from experiments.starcraft.smax import battles
from experiments.starcraft.smax import entities
from experiments.training import evaluation
import perceiver
from perceiver import bounds

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class RolloutConfig:
  """Battles of a policy in evaluation.

  Attributes:
    num_battles: battles of every policy, of the same first states.
    seed: seed of the battles.
  """

  num_battles: int = 2048
  seed: int = 2

  def __post_init__(self) -> None:
    bounds.check_ranges(self, "num_battles")


def choose(
  decisions: starcraft_model.Decisions,
  available: Array,  # [B, N, 5 + E] bool
) -> Array:  # [B, N] integers, SMAX's actions of the allies
  """Returns the likeliest available actions: the kind, then its target."""
  attack = int(battles.ActionKind.ATTACK)
  allies, total = available.shape[1], sum(available.shape[1:]) - attack
  kinds = decisions.action_kinds[:, :allies]  # [B, N, 6]
  targets = decisions.targets[:, :allies, allies:total]  # [B, N, E]
  can = available[..., attack:]
  possible = jnp.concatenate(
    [available[..., :attack], jnp.any(can, axis=-1, keepdims=True)], axis=-1
  )
  kind = jnp.argmax(jnp.where(possible, kinds, -jnp.inf), axis=-1)
  target = jnp.argmax(jnp.where(can, targets, -jnp.inf), axis=-1)
  return jnp.where(kind == attack, attack + target, kind)


def win_rate(
  model: perceiver.Model | None,
  variables: Any,
  scenario: str,
  num_slots: int,
  config: RolloutConfig,
  watch: evaluation.Watch = evaluation.UNWATCHED,
) -> float:
  """Returns the share of battles that the allies win; draws are not won.

  Args:
    model: the allies' policy, a `PolicyConfig`'s; SMAX's heuristic if None.
    variables: its parameters and state.
    scenario: a key of `battles.SIZES`.
    num_slots: slots of the model.
    config: number and seed of the battles.
    watch: follows it by blocks of battles.
  """
  found = battle_blocks.points(
    lambda key: _points(model, scenario, num_slots, variables, key),
    config.num_battles,
    config.seed,
    watch,
  )
  return float(np.mean(found == 1))


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _points(
  model: perceiver.Model | None,
  scenario: str,
  num_slots: int,
  variables: Any,
  key: Array,
) -> Array:  # [B]
  """Plays a block of battles; returns the allies' points."""
  if model is None:
    return battles.play(scenario, key, battle_blocks.SIZE, None, num_slots)

  def act(units: battles.Units, available: Array) -> Array:
    found, mask = entities.encode(units)
    return choose(model.apply(variables, found, mask=mask), available)

  return battles.play(scenario, key, battle_blocks.SIZE, act, num_slots)
