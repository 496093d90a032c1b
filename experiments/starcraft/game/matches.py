"""How often a policy wins battles between even armies."""

from collections.abc import Callable
import dataclasses
import functools
from typing import Any

import jax
import numpy as np

from experiments.starcraft import entities as starcraft_entities
from experiments.starcraft import objective
from experiments.starcraft.game import scenarios
from experiments.starcraft.game import scripted_policies
from experiments.starcraft.game import simulator
from experiments.starcraft.game import units
import perceiver

Array = jax.Array

_BLOCK = 64  # battles at once

# Scripts to play against: the one that was learned from, and a plain one,
# which takes the place of the built-in bot in the paper.
OPPONENTS: dict[str, simulator.Commander] = {
  "plain": scripted_policies.charge,
  "teacher": scripted_policies.command,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlayingConfig:
  """How a policy's battles are played.

  Attributes:
    num_battles: battles against each opponent, the same for every policy.
    num_steps: how long they last at most.
    seed: decides how they begin.
  """

  num_battles: int = 512
  num_steps: int = 64
  seed: int = 2

  def __post_init__(self) -> None:
    if min(self.num_battles, self.num_steps) < 1:
      raise ValueError(
        f"PlayingConfig: num_battles is {self.num_battles} and num_steps "
        f"{self.num_steps}; expected at least 1."
      )


def policy(
  model: perceiver.Model, variables: Any, side: int
) -> simulator.Commander:
  """Returns a policy as a commander of one army.

  Args:
    model: a `PolicyConfig`'s.
    variables: its parameters and state.
    side: the army; orders to the other one mean nothing.
  """

  def command(state: units.State) -> units.Orders:
    entities, mask = starcraft_entities.encode(state, side)
    decisions = model.apply(variables, entities, mask=mask)
    return objective.to_orders(decisions)

  return command


def score(
  model: perceiver.Model,
  variables: Any,
  opponent: simulator.Commander,
  battles: scenarios.BattleConfig,
  config: PlayingConfig,
  on_progress: Callable[[int], None] = lambda done: None,
) -> float:
  """Returns the part of the battles that a policy wins; draws count half.

  Args:
    model: the policy's.
    variables: its parameters and state.
    opponent: commands the other army, which is the policy's mirror image.
    battles: which armies meet.
    config: how many battles.
    on_progress: told how many battles are done; may raise to stop.
  """
  key = jax.random.key(config.seed)
  found = []
  for first in range(0, config.num_battles, _BLOCK):
    points = _points(
      model,
      opponent,
      dataclasses.replace(battles, even=True),
      config.num_steps,
      variables,
      jax.random.fold_in(key, first // _BLOCK),
    )
    found.append(np.asarray(points)[: config.num_battles - first])
    on_progress(first + len(found[-1]))
  return float(np.mean(np.concatenate(found), dtype=np.float64))


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _points(
  model: perceiver.Model,
  opponent: simulator.Commander,
  battles: scenarios.BattleConfig,
  num_steps: int,
  variables: Any,
  key: Array,
) -> Array:  # [B]
  """Plays a block of battles; returns the policy's points."""
  state = scenarios.draw(key, _BLOCK, battles)
  commanders = (policy(model, variables, 0), opponent)
  return simulator.points(simulator.play(commanders, state, num_steps)[0])
