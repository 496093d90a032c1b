"""Scripts that give orders: the one to be learned from, and a plain one.

What `command` tells a unit depends on how it stands to all others: who is in
reach, who is weak already, who else strikes the same enemy, who is stronger
around here. Equal cases are decided by distance, never by slot.
"""

import jax
import jax.numpy as jnp

from experiments.starcraft.game import units

Array = jax.Array

# Lengths around a unit that decide which army is the stronger one there.
SIGHT = 6.0
# A unit flees if it has less than this share of its health, and the enemies
# in sight more than this many times the health of the friends.
WEAK = 0.4
OUTNUMBERED = 1.5
# How close an enemy of shorter reach may come to reaching a unit that waits
# for its next strike, in lengths.
MARGIN = 1.5
# An enemy may be one length farther away for so much less health.
HEALTH_PER_LENGTH = 15.0


def command(state: units.State) -> units.Orders:
  """Gives the orders that are to be learned, to both armies."""
  distance, foes = units.distances(state), units.enemies(state)  # [B, U, U]
  cost = costs(state, distance, foes)  # [B, U, U]
  target, spare = targets(state, distance, cost)  # [B, U]
  retreats = flees(state, distance, foes) | evades(state, distance, foes)
  attacks = jnp.any(foes, axis=-1) & ~spare
  choice = jnp.where(attacks, units.Choice.ATTACK, units.Choice.HOLD)
  return _orders(jnp.where(retreats, units.Choice.RETREAT, choice), target)


def charge(state: units.State) -> units.Orders:
  """Tells every unit to attack the nearest enemy."""
  foes = units.enemies(state)
  distance = jnp.where(foes, units.distances(state), jnp.inf)
  choice = jnp.where(
    jnp.any(foes, axis=-1), units.Choice.ATTACK, units.Choice.HOLD
  )
  return _orders(choice, units.least(distance))


def _orders(choice: Array, target: Array) -> units.Orders:
  attacks = choice == units.Choice.ATTACK
  return units.Orders(
    choice.astype(jnp.int32), jnp.where(attacks, target, 0).astype(jnp.int32)
  )


def costs(
  state: units.State,
  distance: Array,  # [B, U, U]
  foes: Array,  # [B, U, U] bool
) -> Array:  # [B, U, U]
  """Returns what speaks against each enemy as a target; infinite for others.

  Near and weak enemies are good targets. Beyond reach, distance counts twice.
  """
  reach = units.abilities(state).reach[..., None]  # [B, U, 1]
  beyond = jnp.maximum(distance - reach, 0)
  cost = distance + beyond + state.health[:, None] / HEALTH_PER_LENGTH
  return jnp.where(foes, cost, jnp.inf)


def targets(
  state: units.State,
  distance: Array,  # [B, U, U]
  cost: Array,  # [B, U, U]
) -> tuple[Array, Array]:  # [B, U] integers, [B, U] bool
  """Returns whom units should attack, and who should rather hold.

  Each has a first choice. If those who are nearer to it kill it with their
  next strikes anyway, the second choice in reach is taken; who has none, holds.
  """
  can = units.abilities(state)
  first = units.least(cost)  # [B, U]
  far = units.towards(distance, first)  # [B, U]
  strikes = units.living(state) & (state.cooldown == 0) & (far <= can.reach)
  # Striking the same enemy makes units of one army.
  before = (first[:, :, None] == first[:, None]) & strikes[:, None]
  before &= far[:, None] < far[:, :, None]  # [B, U, U]: j strikes before i
  harm = jnp.sum(before * can.damage[:, None], axis=-1)  # [B, U]
  wasted = strikes & (harm >= units.of_target(state.health, first))
  others = jnp.arange(cost.shape[-1]) != first[..., None]  # [B, U, U]
  within = others & (distance <= can.reach[..., None])
  rest = jnp.where(within, cost, jnp.inf)
  no_other = jnp.all(jnp.isinf(rest), axis=-1)
  target = jnp.where(wasted, units.least(rest), first)
  return target, wasted & no_other


def flees(
  state: units.State,
  distance: Array,  # [B, U, U]
  foes: Array,  # [B, U, U] bool
) -> Array:  # [B, U] bool
  """Returns which units are weak, with the enemy much stronger around them."""
  health = state.health[:, None] * (distance <= SIGHT)  # [B, U, U]
  against = jnp.sum(health * foes, axis=-1)  # [B, U]
  beside = jnp.sum(health * units.friends(state), axis=-1)  # [B, U]
  weak = state.health < WEAK * units.abilities(state).health
  return units.living(state) & weak & (against > OUTNUMBERED * beside)


def evades(
  state: units.State,
  distance: Array,  # [B, U, U]
  foes: Array,  # [B, U, U] bool
) -> Array:  # [B, U] bool
  """Returns which units wait for their next strike with an enemy too near.

  Only enemies of shorter reach are evaded, and only where they soon could
  strike.
  """
  reach = units.abilities(state).reach  # [B, U]
  shorter = reach[:, None] < reach[..., None]  # [B, U, U]
  near = distance <= reach[:, None] + MARGIN
  return jnp.any(foes & shorter & near, axis=-1) & (state.cooldown > 0)
