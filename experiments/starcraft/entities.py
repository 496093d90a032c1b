"""What an agent sees of a battle: a set of entities, one for each unit."""

import jax
import jax.numpy as jnp

from experiments.starcraft.game import units
from perceiver import position_encoding

Array = jax.Array

# Of places in lengths over FIELD, waves down to two lengths: what is within
# reach of what must be told apart.
_POSITIONS = position_encoding.Fourier(
  num_bands=8, max_resolution=(2 * units.FIELD, 2 * units.FIELD)
)
_LONGEST_COOLDOWN = max(kind.cooldown for kind in units.KINDS)
_MOST_HEALTH = max(kind.health for kind in units.KINDS)
# Side, health twice, cooldown twice.
_NUM_NUMBERS = 5

NUM_CHANNELS = _NUM_NUMBERS + len(units.KINDS) + _POSITIONS.channels(2)


def encode(
  state: units.State, side: int | Array = 0
) -> tuple[Array, Array]:  # [B, U, C] float32, [B, U] bool
  """Returns the units as entities, and which slots are in use.

  Places are given as one's own army sees them, wherever on the field it stands
  and whichever way it looks: orders depend on neither.

  Args:
    state: the battles.
    side: whose units are marked as one's own.
  """
  full = units.abilities(state).health  # [B, U]
  numbers = (
    jnp.where(state.owner == side, 1, -1),
    state.health / full,
    state.health / _MOST_HEALTH,
    state.cooldown / _LONGEST_COOLDOWN,
    state.cooldown == 0,
  )
  parts = (
    jnp.stack(numbers, axis=-1),  # [B, U, 5]
    jax.nn.one_hot(state.kind, len(units.KINDS)),
    position_encoding.features(_POSITIONS, seen(state, side) / units.FIELD),
  )
  entities = jnp.concatenate(parts, axis=-1, dtype=jnp.float32)
  return entities, units.living(state)


def seen(state: units.State, side: int | Array = 0) -> Array:  # [B, U, 2]
  """Returns places as an army sees them, in lengths.

  The origin is halfway between the armies' middles, the first axis points from
  its own to the other's. If there is no way from one to the other, directions
  stay as they are.

  Args:
    state: the battles.
    side: the army.
  """
  here = _middle(state, state.owner == side)  # [B, 2]
  there = _middle(state, state.owner != side)  # [B, 2]
  x, y = jnp.moveaxis(state.position - ((here + there) / 2)[:, None], -1, 0)
  way = there - here  # [B, 2]
  length = jnp.sqrt(jnp.sum(way**2, axis=-1, keepdims=True))  # [B, 1]
  least = 1e-3  # lengths
  way = jnp.where(
    length < least, jnp.eye(1, 2), way / jnp.maximum(length, least)
  )
  cosine, sine = jnp.split(way, 2, axis=-1)  # [B, 1]
  return jnp.stack([x * cosine + y * sine, y * cosine - x * sine], axis=-1)


def _middle(state: units.State, chosen: Array) -> Array:  # [B, 2]
  """Returns the mean place of the living units chosen; the origin if none."""
  counted = (chosen & units.living(state))[..., None]  # [B, U, 1]
  total = jnp.sum(jnp.where(counted, state.position, 0), axis=1)
  return total / jnp.maximum(jnp.sum(counted, axis=1), 1)
