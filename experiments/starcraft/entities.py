"""What an agent sees of a battle: a set of entities, one for each unit."""

import jax
import jax.numpy as jnp

from experiments.starcraft import units
from perceiver import position_encoding

Array = jax.Array

# Waves down to two lengths: what is within reach of what must be told apart.
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
    position_encoding.features(_POSITIONS, state.position / units.FIELD),
  )
  entities = jnp.concatenate(parts, axis=-1, dtype=jnp.float32)
  return entities, units.living(state)
