"""What becomes of units that follow orders: battles, step by step.

All units act at once. Strikes never miss, units do not stand in one another's
way, and nothing is random.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from experiments.starcraft.game import units

Array = jax.Array

# Gives orders to both armies; those of one of them are then followed.
Commander = Callable[[units.State], units.Orders]


class Moment(NamedTuple):
  """A state of a battle, and what its units are told then."""

  state: units.State
  orders: units.Orders


def step(state: units.State, orders: units.Orders) -> units.State:
  """Returns the state after all units have followed their orders once.

  An order to attack what is no living enemy is an order to hold.
  """
  can = units.abilities(state)
  distance = units.distances(state)  # [B, U, U]
  foes = units.enemies(state)  # [B, U, U]
  target = orders.target
  attacks = (orders.choice == units.Choice.ATTACK) & units.towards(foes, target)
  in_reach = units.towards(distance, target) <= can.reach  # [B, U]
  strikes = attacks & in_reach & (state.cooldown == 0)  # [B, U]
  return state._replace(
    position=_moved(state, orders, attacks & ~in_reach, distance, foes),
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
  """Returns everybody's health after all strikes of a step."""
  damage = jnp.where(strikes, units.abilities(state).damage, 0)  # [B, U]
  slots = jnp.arange(target.shape[1])
  struck = target[..., None] == slots  # [B, U, U]
  harm = jnp.sum(struck * damage[..., None], axis=1)  # [B, U]
  return jnp.maximum(state.health - harm, 0)


def _moved(
  state: units.State,
  orders: units.Orders,
  approaches: Array,  # [B, U] bool
  distance: Array,  # [B, U, U]
  foes: Array,  # [B, U, U] bool
) -> Array:  # [B, U, 2]
  """Returns where everybody is after a step."""
  retreats = (orders.choice == units.Choice.RETREAT) & jnp.any(foes, axis=-1)
  nearest = units.least(jnp.where(foes, distance, jnp.inf))  # [B, U]
  goal = jnp.where(approaches, orders.target, nearest)  # [B, U]
  far = units.towards(distance, goal)  # [B, U]
  there = jnp.take_along_axis(state.position, goal[..., None], axis=1)
  # Units in the very same place have no direction to go.
  direction = (there - state.position) / jnp.maximum(far, 1e-6)[..., None]
  speed = units.abilities(state).speed
  length = jnp.where(approaches, jnp.minimum(speed, far), 0)
  length = jnp.where(retreats, -speed, length)  # [B, U]
  moved = state.position + direction * length[..., None]
  return jnp.clip(moved, -units.FIELD, units.FIELD)


def play(
  commanders: tuple[Commander, Commander],
  state: units.State,
  num_steps: int,
) -> tuple[units.State, Moment]:
  """Plays battles to the end.

  Args:
    commanders: of the armies 0 and 1.
    state: how the battles begin.
    num_steps: how long they last; nothing happens once an army is no more.

  Returns:
    How they end, and all moments before, each array with a leading axis of
    `num_steps`.
  """

  def once(now: units.State, _: None) -> tuple[units.State, Moment]:
    # A script that commands both armies is asked once.
    given = {command: command(now) for command in dict.fromkeys(commanders)}
    first, second = (given[command] for command in commanders)
    orders = units.either(now.owner == 0, first, second)
    return step(now, orders), Moment(now, orders)

  return jax.lax.scan(once, state, None, length=num_steps)


def points(state: units.State) -> Array:  # [B]
  """Returns who has won: 1 for army 0, 0 for army 1, 0.5 for a draw."""
  return (jnp.sign(advantage(state)) + 1) / 2


def advantage(state: units.State) -> Array:  # [B]
  """Returns how far army 0 is ahead, from -1 to 1.

  That is the difference of what health the armies have left, over the sum; 0
  if neither has any. An army has won if it is ahead at the end.
  """
  own, other = (
    jnp.sum(jnp.where(state.owner == side, state.health, 0), axis=1)
    for side in range(units.NUM_SIDES)
  )
  return (own - other) / jnp.maximum(own + other, 1e-6)
