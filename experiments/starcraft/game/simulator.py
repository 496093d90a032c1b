"""Simulator of battles.

All units act at the same time. Strikes never miss, units do not block one
another, and nothing is random.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from experiments.starcraft.game import units

Array = jax.Array

# Returns actions for both armies; only those of its own army are executed.
Policy = Callable[[units.State], units.Actions]


class Transition(NamedTuple):
  """A state of a battle and the actions that its units take in it."""

  state: units.State
  actions: units.Actions


def step(state: units.State, actions: units.Actions) -> units.State:
  """Returns the state after all units have taken one action.

  An attack on a target that is no living enemy is executed as HOLD.
  """
  can = units.abilities(state)
  distance = units.distances(state)  # [B, U, U]
  foes = units.enemies(state)  # [B, U, U]
  target = actions.target
  attacks = actions.action_kind == units.ActionKind.ATTACK
  attacks &= units.take_target(foes, target)
  in_reach = units.take_target(distance, target) <= can.reach  # [B, U]
  strikes = attacks & in_reach & (state.cooldown == 0)  # [B, U]
  return state._replace(
    position=_moved(state, actions, attacks & ~in_reach, distance, foes),
    health=_struck(state, target, strikes),
    cooldown=jnp.where(
      strikes, can.cooldown, jnp.maximum(state.cooldown - 1, 0)
    ),
  )


def _struck(
  state: units.State,
  target: Array,  # [B, U] integers
  strikes: Array,  # [B, U] bool
) -> Array:  # [B, U]
  """Returns the health of all units after all strikes of a step."""
  damage = jnp.where(strikes, units.abilities(state).damage, 0)  # [B, U]
  slots = jnp.arange(target.shape[1])
  struck = target[..., None] == slots  # [B, U, U]
  harm = jnp.sum(struck * damage[..., None], axis=1)  # [B, U]
  return jnp.maximum(state.health - harm, 0)


def _moved(
  state: units.State,
  actions: units.Actions,
  approaches: Array,  # [B, U] bool
  distance: Array,  # [B, U, U]
  foes: Array,  # [B, U, U] bool
) -> Array:  # [B, U, 2]
  """Returns the positions of all units after a step."""
  retreats = actions.action_kind == units.ActionKind.RETREAT
  retreats &= jnp.any(foes, axis=-1)
  nearest = units.argmin(jnp.where(foes, distance, jnp.inf))  # [B, U]
  goal = jnp.where(approaches, actions.target, nearest)  # [B, U]
  far = units.take_target(distance, goal)  # [B, U]
  position = jnp.take_along_axis(state.position, goal[..., None], axis=1)
  # Units at exactly the same position have no direction between them.
  direction = (position - state.position) / jnp.maximum(far, 1e-6)[..., None]
  speed = units.abilities(state).speed
  length = jnp.where(approaches, jnp.minimum(speed, far), 0)
  length = jnp.where(retreats, -speed, length)  # [B, U]
  moved = state.position + direction * length[..., None]
  return jnp.clip(moved, -units.FIELD, units.FIELD)


def rollout(
  policies: tuple[Policy, Policy],
  state: units.State,
  num_steps: int,
) -> tuple[units.State, Transition]:
  """Simulates battles.

  Args:
    policies: those of the armies 0 and 1.
    state: the first states of the battles.
    num_steps: number of steps; a state stays as it is once one army is gone.

  Returns:
    The last states, and all transitions before them, each array with a leading
    axis of `num_steps`.
  """

  def once(now: units.State, _: None) -> tuple[units.State, Transition]:
    # A policy of both armies is called once.
    given = {policy: policy(now) for policy in dict.fromkeys(policies)}
    first, second = (given[policy] for policy in policies)
    actions = units.where(now.owner == 0, first, second)
    return step(now, actions), Transition(now, actions)

  return jax.lax.scan(once, state, None, length=num_steps)


def points(state: units.State) -> Array:  # [B]
  """Returns the points of army 0: 1 for a win, 0.5 for a draw, 0 for a loss."""
  return (jnp.sign(margin(state)) + 1) / 2


def margin(state: units.State) -> Array:  # [B]
  """Returns the margin of army 0, in [-1, 1].

  The margin is the difference between the total health of the armies over the
  sum of both; 0 if both are 0. Army 0 wins if its margin at the end is above 0.
  """
  own, other = (
    jnp.sum(jnp.where(state.owner == side, state.health, 0), axis=1)
    for side in range(units.NUM_SIDES)
  )
  return (own - other) / jnp.maximum(own + other, 1e-6)
