"""Units of a battle: their kinds, their state and their actions.

B battles, U slots for units. A slot whose unit has no health left, or never
had a unit, is free, and its other entries have no meaning.
"""

import enum
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array

# Battles take place in [-FIELD, FIELD]², in lengths.
FIELD = 20.0
NUM_SIDES = 2


class Kind(NamedTuple):
  """Abilities of the units of a kind; time is counted in steps."""

  name: str
  health: float  # of an unharmed unit
  damage: float  # of a strike
  reach: float  # of a strike, lengths
  cooldown: int  # steps from one strike to the next, less one
  speed: float  # lengths per step


KINDS = (
  Kind("soldier", health=45, damage=6, reach=5, cooldown=1, speed=1.0),
  Kind("brute", health=100, damage=10, reach=1.5, cooldown=1, speed=1.4),
  Kind("archer", health=35, damage=9, reach=8, cooldown=3, speed=1.1),
  Kind("giant", health=200, damage=25, reach=3, cooldown=4, speed=0.8),
)


class State(NamedTuple):
  """All units of B battles."""

  kind: Array  # [B, U] integers, indices into KINDS
  owner: Array  # [B, U] integers, 0 or 1
  position: Array  # [B, U, 2] float32, lengths
  health: Array  # [B, U] float32, 0 in free slots
  cooldown: Array  # [B, U] integers, steps until it may strike again


class ActionKind(enum.IntEnum):
  """Kinds of actions of a unit."""

  HOLD = 0  # Stand still, no attack.
  RETREAT = 1  # Go away from the nearest enemy.
  ATTACK = 2  # Strike the target; if that is out of reach, go there.


class Actions(NamedTuple):
  """Actions of all units."""

  action_kind: Array  # [B, U] integers, of ActionKind
  target: Array  # [B, U] integers, the slot to attack; 0 for other kinds


def where(
  mask: Array,  # [B, U] bool
  actions: Actions,
  others: Actions,
) -> Actions:
  """Returns the first actions where the mask is True, else the others."""
  return Actions(*(jnp.where(mask, x, y) for x, y in zip(actions, others)))


class Abilities(NamedTuple):
  """Abilities of each unit, those of its kind."""

  health: Array  # [B, U]
  damage: Array  # [B, U]
  reach: Array  # [B, U]
  cooldown: Array  # [B, U]
  speed: Array  # [B, U]


def abilities(state: State) -> Abilities:
  """Returns the abilities of each unit."""
  return Abilities(
    *(
      jnp.asarray(np.array([getattr(kind, name) for kind in KINDS]))[state.kind]
      for name in Abilities._fields
    )
  )


def living(state: State) -> Array:  # [B, U] bool
  """Returns a mask of the slots in use."""
  return state.health > 0


def distances(state: State) -> Array:  # [B, U, U]
  """Returns the distances between all pairs of units, in lengths."""
  x, y = state.position[..., 0], state.position[..., 1]
  dx, dy = (v[:, :, None] - v[:, None] for v in (x, y))
  # Sums over an axis of two take ten times as long on CPUs.
  return jnp.sqrt(dx * dx + dy * dy)


def enemies(state: State) -> Array:  # [B, U, U] bool
  """Returns whether units i and j are living enemies of one another."""
  return _both_live(state) & (state.owner[:, :, None] != state.owner[:, None])


def friends(state: State) -> Array:  # [B, U, U] bool
  """Returns whether units i and j are alive and of one army, as i and i are."""
  return _both_live(state) & (state.owner[:, :, None] == state.owner[:, None])


def _both_live(state: State) -> Array:  # [B, U, U] bool
  alive = living(state)
  return alive[:, :, None] & alive[:, None]


def take_target(
  pairs: Array,  # [B, U, U]
  target: Array,  # [B, U] integers
) -> Array:  # [B, U]
  """Returns for each unit i the entry [:, i, target of i]."""
  return jnp.take_along_axis(pairs, target[..., None], axis=-1)[..., 0]


def argmin(
  pairs: Array,  # [B, U, U]
) -> Array:  # [B, U] integers
  """Returns for each unit i the first j of the smallest entry [:, i, j].

  Two plain minima take a third of the time of `jnp.argmin` on CPUs.
  """
  slots = jnp.arange(pairs.shape[-1])
  smallest = jnp.min(pairs, axis=-1, keepdims=True)
  return jnp.min(jnp.where(pairs == smallest, slots, slots[-1]), axis=-1)
