"""How battles begin: two armies, some lengths apart."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from experiments.starcraft.game import units

Array = jax.Array

_GAP = 8.0  # lengths between the edges of the armies, about
_CROWDING = 0.6  # lengths from an army's middle, over the root of its number
_LEAST_HEALTH = 0.5  # share of the full health that units begin with


@dataclasses.dataclass(frozen=True, kw_only=True)
class BattleConfig:
  """Which armies meet.

  Attributes:
    num_slots: slots for units, of which each army may fill half.
    min_units: fewest units of an army.
    max_units: most units of an army.
    even: whether the second army is the first one's mirror image, so that
      only the commanders make a difference.
  """

  num_slots: int = 512
  min_units: int = 8
  max_units: int = 256
  even: bool = False

  def __post_init__(self) -> None:
    if not 0 <= self.min_units <= self.max_units <= self.num_slots // 2:
      raise ValueError(
        f"BattleConfig: num_slots is {self.num_slots}, min_units "
        f"{self.min_units} and max_units {self.max_units}; expected 0 <= "
        "min_units <= max_units <= num_slots / 2."
      )


def draw(key: Array, num_battles: int, config: BattleConfig) -> units.State:
  """Draws beginnings of battles.

  Armies have any size and mixture of kinds, units some part of their health;
  the line between the armies has any direction.

  Args:
    key: decides everything.
    num_battles: B.
    config: which armies.

  Returns:
    States in which army 0 stands in the first half of the slots.
  """
  keys = jax.random.split(key, 3)
  armies = [_army(k, num_battles, config) for k in keys[:2]]
  if config.even:
    armies[1] = armies[0]
  angle = jax.random.uniform(keys[2], (num_battles, 1, 1), maxval=2 * np.pi)
  sides = [
    _placed(army, owner, angle + np.pi * owner)
    for owner, army in enumerate(armies)
  ]
  free = config.num_slots - 2 * (config.num_slots // 2)
  joined = (jnp.concatenate(x, axis=1) for x in zip(*sides))
  pad = lambda x: jnp.pad(x, [(0, 0), (0, free), (0, 0)][: x.ndim])
  return units.State(*map(pad, joined))


def _army(key: Array, num_battles: int, config: BattleConfig) -> units.State:
  """Draws an army around the origin, with an edge at x = 0."""
  size, kinds, where, health = jax.random.split(key, 4)
  shape = (num_battles, config.num_slots // 2)
  number = jax.random.randint(
    size, (num_battles, 1), config.min_units, config.max_units + 1
  )
  in_use = jnp.arange(shape[1]) < number  # [B, U / 2]
  taste, each = jax.random.split(kinds)
  logits = 1.5 * jax.random.normal(taste, (num_battles, 1, len(units.KINDS)))
  kind = jax.random.categorical(each, logits, shape=shape)
  spread = _CROWDING * jnp.sqrt(number)[..., None]  # [B, 1, 1]
  offset = jax.random.truncated_normal(where, -2, 2, (*shape, 2)) * spread
  full = jnp.asarray([kind.health for kind in units.KINDS])[kind]
  share = jax.random.uniform(health, shape, minval=_LEAST_HEALTH)
  return units.State(
    kind=kind.astype(jnp.int32),
    owner=jnp.zeros(shape, jnp.int32),
    position=offset + spread * jnp.array([2.0, 0.0]),
    health=jnp.where(in_use, full * share, 0).astype(jnp.float32),
    cooldown=jnp.zeros(shape, jnp.int32),
  )


def _placed(army: units.State, owner: int, angle: Array) -> units.State:
  """Moves an army away from the origin, into a direction [B, 1, 1]."""
  x, y = jnp.split(army.position + jnp.array([_GAP / 2, 0.0]), 2, axis=-1)
  cosine, sine = jnp.cos(angle), jnp.sin(angle)
  turned = jnp.concatenate([x * cosine - y * sine, x * sine + y * cosine], -1)
  return army._replace(
    owner=jnp.full_like(army.owner, owner),
    position=jnp.clip(turned, -units.FIELD, units.FIELD),
  )
