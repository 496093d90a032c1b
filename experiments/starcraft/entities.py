"""Entities: the state of a battle as the input of a policy, one per unit."""

import jax
import jax.numpy as jnp

from experiments.starcraft.game import units
from perceiver import position_encoding

Array = jax.Array

# Of positions in lengths over FIELD, with wavelengths down to two lengths: a
# unit in reach must differ from one that is not.
_POSITIONS = position_encoding.Fourier(
  num_bands=8, max_resolution=(2 * units.FIELD, 2 * units.FIELD)
)
_MAX_COOLDOWN = max(kind.cooldown for kind in units.KINDS)
_MAX_HEALTH = max(kind.health for kind in units.KINDS)
# Side, health twice, cooldown twice.
_NUM_NUMBERS = 5

NUM_CHANNELS = _NUM_NUMBERS + len(units.KINDS) + _POSITIONS.channels(2)


def encode(
  state: units.State, side: int | Array = 0
) -> tuple[Array, Array]:  # [B, U, C] float32, [B, U] bool
  """Returns the units as entities, and a mask of the slots in use.

  Positions are those of `army_positions`: actions do not depend on where an
  army stands, nor on its direction.

  Args:
    state: state of the battles.
    side: the army whose units are marked as one's own.
  """
  full = units.abilities(state).health  # [B, U]
  numbers = (
    jnp.where(state.owner == side, 1, -1),
    state.health / full,
    state.health / _MAX_HEALTH,
    state.cooldown / _MAX_COOLDOWN,
    state.cooldown == 0,
  )
  positions = army_positions(state, side) / units.FIELD  # [B, U, 2]
  parts = (
    jnp.stack(numbers, axis=-1),  # [B, U, 5]
    jax.nn.one_hot(state.kind, len(units.KINDS)),
    position_encoding.features(_POSITIONS, positions),
  )
  entities = jnp.concatenate(parts, axis=-1, dtype=jnp.float32)
  return entities, units.living(state)


def army_positions(
  state: units.State, side: int | Array = 0
) -> Array:  # [B, U, 2]
  """Returns positions in the coordinates of an army, in lengths.

  The origin is halfway between the centres of the armies, and the first axis
  points from its own to the other's. If both centres are equal, the axes stay
  as they are.

  Args:
    state: state of the battles.
    side: the army.
  """
  own = _centre(state, state.owner == side)  # [B, 2]
  other = _centre(state, state.owner != side)  # [B, 2]
  x, y = jnp.moveaxis(state.position - ((own + other) / 2)[:, None], -1, 0)
  axis = other - own  # [B, 2]
  length = jnp.sqrt(jnp.sum(axis**2, axis=-1, keepdims=True))  # [B, 1]
  least = 1e-3  # lengths
  axis = jnp.where(
    length < least, jnp.eye(1, 2), axis / jnp.maximum(length, least)
  )
  cosine, sine = jnp.split(axis, 2, axis=-1)  # [B, 1]
  return jnp.stack([x * cosine + y * sine, y * cosine - x * sine], axis=-1)


def _centre(state: units.State, mask: Array) -> Array:  # [B, 2]
  """Returns the mean position of living units; the origin if there are none."""
  counted = (mask & units.living(state))[..., None]  # [B, U, 1]
  total = jnp.sum(jnp.where(counted, state.position, 0), axis=1)
  return total / jnp.maximum(jnp.sum(counted, axis=1), 1)
