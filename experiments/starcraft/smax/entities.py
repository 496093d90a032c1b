"""Entities: what the allies see of a battle, as the input of a policy."""

import jax
import jax.numpy as jnp

from experiments.starcraft.smax import battles
from perceiver import position_encoding

Array = jax.Array

# Of positions in the map, with wavelengths down to two lengths: a unit in range
# must differ from one that is not.
_POSITIONS = position_encoding.Fourier(
  num_bands=8, max_resolution=(2 * battles.HALF_WIDTH, 2 * battles.HALF_WIDTH)
)
_MAX_COOLDOWN = max(kind.cooldown for kind in battles.KINDS)
_MAX_HEALTH = max(kind.health for kind in battles.KINDS)
# Side, health twice, cooldown, readiness, movement, aim, and its offset.
_NUM_NUMBERS = 10

NUM_CHANNELS = _NUM_NUMBERS + len(battles.KINDS) + _POSITIONS.channels(2)


def encode(
  units: battles.Units,
) -> tuple[Array, Array]:  # [B, U, C] float32, [B, U] bool
  """Returns the units as entities, and a mask of the slots in use."""
  mask = units.health > 0  # [B, U]
  slots = jnp.arange(mask.shape[1])
  position = units.position / battles.HALF_WIDTH  # [B, U, 2]
  aimed = jnp.take_along_axis(position, units.aim[..., None], axis=1)
  seen = jnp.take_along_axis(mask, units.aim, axis=1) & (units.aim != slots)
  numbers = (
    jnp.where(units.owner == 0, 1, -1),
    units.health / battles.full_health(units.kind),
    units.health / _MAX_HEALTH,
    units.cooldown / _MAX_COOLDOWN,
    units.cooldown == 0,
    seen,
  )
  parts = (
    jnp.stack(numbers, axis=-1),  # [B, U, 6]
    units.movement,
    jnp.where(seen[..., None], aimed - position, 0),
    jax.nn.one_hot(units.kind, len(battles.KINDS)),
    position_encoding.features(_POSITIONS, position),
  )
  return jnp.concatenate(parts, axis=-1, dtype=jnp.float32), mask
