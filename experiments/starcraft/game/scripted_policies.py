"""Scripted policies: the expert, which is imitated, and a baseline.

An action of the expert depends on how a unit stands to all others: who is in
reach, who has little health left, who else attacks the same enemy, which army
is stronger around it. Ties are broken by distance, never by slot.
"""

import jax
import jax.numpy as jnp

from experiments.starcraft.game import units

Array = jax.Array

# Lengths around a unit within which the armies' health is compared.
SIGHT = 6.0
# A unit flees if it has less than this share of its health, and the enemies
# in sight more than this many times the health of the friends.
WEAK = 0.4
OUTNUMBERED = 1.5
# Lengths beyond the reach of an enemy within which it is evaded.
EVASION_DISTANCE = 1.5
# An enemy may be one length farther away for so much less health.
HEALTH_PER_LENGTH = 15.0


def expert(state: units.State) -> units.Actions:
  """Returns the expert's actions for both armies."""
  distance, foes = units.distances(state), units.enemies(state)  # [B, U, U]
  cost = costs(state, distance, foes)  # [B, U, U]
  target, spare = targets(state, distance, cost)  # [B, U]
  retreats = flees(state, distance, foes) | evades(state, distance, foes)
  attacks = jnp.any(foes, axis=-1) & ~spare
  kind = jnp.where(attacks, units.ActionKind.ATTACK, units.ActionKind.HOLD)
  return _actions(jnp.where(retreats, units.ActionKind.RETREAT, kind), target)


def baseline(state: units.State) -> units.Actions:
  """Returns the actions of units that attack the nearest enemy."""
  foes = units.enemies(state)
  distance = jnp.where(foes, units.distances(state), jnp.inf)
  kind = jnp.where(
    jnp.any(foes, axis=-1), units.ActionKind.ATTACK, units.ActionKind.HOLD
  )
  return _actions(kind, units.argmin(distance))


def _actions(kind: Array, target: Array) -> units.Actions:
  attacks = kind == units.ActionKind.ATTACK
  return units.Actions(
    kind.astype(jnp.int32), jnp.where(attacks, target, 0).astype(jnp.int32)
  )


def costs(
  state: units.State,
  distance: Array,  # [B, U, U]
  foes: Array,  # [B, U, U] bool
) -> Array:  # [B, U, U]
  """Returns the cost of each enemy as a target, infinite for other slots.

  Near and weak enemies cost little. Beyond reach, distance counts twice.
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
  """Returns the targets of all units, and a mask of those that should hold.

  The first target is the cheapest. If nearer units kill it with their next
  strikes, it is replaced by the cheapest of the others in reach; units without
  such a target hold.
  """
  can = units.abilities(state)
  first = units.argmin(cost)  # [B, U]
  far = units.take_target(distance, first)  # [B, U]
  strikes = units.living(state) & (state.cooldown == 0) & (far <= can.reach)
  # Units that strike the same enemy are of one army.
  before = (first[:, :, None] == first[:, None]) & strikes[:, None]
  before &= far[:, None] < far[:, :, None]  # [B, U, U]: j strikes before i
  harm = jnp.sum(before * can.damage[:, None], axis=-1)  # [B, U]
  health = jnp.take_along_axis(state.health, first, axis=1)  # [B, U]
  wasted = strikes & (harm >= health)
  others = jnp.arange(cost.shape[-1]) != first[..., None]  # [B, U, U]
  within = others & (distance <= can.reach[..., None])
  rest = jnp.where(within, cost, jnp.inf)
  no_other = jnp.all(jnp.isinf(rest), axis=-1)
  target = jnp.where(wasted, units.argmin(rest), first)
  return target, wasted & no_other


def flees(
  state: units.State,
  distance: Array,  # [B, U, U]
  foes: Array,  # [B, U, U] bool
) -> Array:  # [B, U] bool
  """Returns whether units are weak and outnumbered in their surroundings."""
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
  """Returns whether units wait for their next strike with an enemy too near.

  Only enemies of shorter reach are evaded, and only where they could soon
  strike.
  """
  reach = units.abilities(state).reach  # [B, U]
  shorter = reach[:, None] < reach[..., None]  # [B, U, U]
  near = distance <= reach[:, None] + EVASION_DISTANCE
  return jnp.any(foes & shorter & near, axis=-1) & (state.cooldown > 0)
