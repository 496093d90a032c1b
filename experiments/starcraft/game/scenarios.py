"""Random first states of battles: two armies, some lengths apart."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from experiments.starcraft.game import units

Array = jax.Array

_GAP = 8.0  # lengths between the edges of the armies, about
_CROWDING = 0.6  # lengths from an army's centre, over the root of its number
_MIN_HEALTH = 0.5  # share of the full health that units begin with


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScenarioConfig:
  """Sizes of the armies of a battle.

  Attributes:
    num_slots: slots for units, half of them for each army.
    min_units: fewest units of an army.
    max_units: most units of an army.
    even: whether the second army is the first one rotated by half a turn, so
      that only the policies differ.
  """

  num_slots: int = 512
  min_units: int = 8
  max_units: int = 256
  even: bool = False

  def __post_init__(self) -> None:
    if not 0 <= self.min_units <= self.max_units <= self.num_slots // 2:
      raise ValueError(
        f"ScenarioConfig: num_slots is {self.num_slots}, min_units "
        f"{self.min_units} and max_units {self.max_units}; expected 0 <= "
        "min_units <= max_units <= num_slots / 2."
      )


def sample(key: Array, num_battles: int, config: ScenarioConfig) -> units.State:
  """Samples first states of battles.

  Sizes of the armies, their mixtures of kinds, the health of the units and the
  direction from one army to the other are random.

  Args:
    key: random key.
    num_battles: B.
    config: sizes of the armies.

  Returns:
    States in which army 0 occupies the first half of the slots.
  """
  keys = jax.random.split(key, 3)
  armies = [_army(k, num_battles, config) for k in keys[:2]]
  if config.even:
    armies[1] = armies[0]
  angle = jax.random.uniform(keys[2], (num_battles, 1, 1), maxval=2 * np.pi)
  sides = [
    _move(army, owner, angle + np.pi * owner)
    for owner, army in enumerate(armies)
  ]
  free = config.num_slots - 2 * (config.num_slots // 2)
  joined = (jnp.concatenate(x, axis=1) for x in zip(*sides))
  pad = lambda x: jnp.pad(x, [(0, 0), (0, free), (0, 0)][: x.ndim])
  return units.State(*map(pad, joined))


def _army(key: Array, num_battles: int, config: ScenarioConfig) -> units.State:
  """Samples an army around the origin, with an edge at x = 0."""
  size, kinds, positions, health = jax.random.split(key, 4)
  shape = (num_battles, config.num_slots // 2)
  number = jax.random.randint(
    size, (num_battles, 1), config.min_units, config.max_units + 1
  )
  in_use = jnp.arange(shape[1]) < number  # [B, U / 2]
  mixture, each = jax.random.split(kinds)
  logits = 1.5 * jax.random.normal(mixture, (num_battles, 1, len(units.KINDS)))
  kind = jax.random.categorical(each, logits, shape=shape)
  radius = _CROWDING * jnp.sqrt(number)[..., None]  # [B, 1, 1]
  offset = jax.random.truncated_normal(positions, -2, 2, (*shape, 2)) * radius
  full = jnp.asarray([kind.health for kind in units.KINDS])[kind]
  share = jax.random.uniform(health, shape, minval=_MIN_HEALTH)
  return units.State(
    kind=kind.astype(jnp.int32),
    owner=jnp.zeros(shape, jnp.int32),
    position=offset + radius * jnp.array([2.0, 0.0]),
    health=jnp.where(in_use, full * share, 0).astype(jnp.float32),
    cooldown=jnp.zeros(shape, jnp.int32),
  )


def _move(army: units.State, owner: int, angle: Array) -> units.State:
  """Moves an army away from the origin, in a direction [B, 1, 1]."""
  x, y = jnp.split(army.position + jnp.array([_GAP / 2, 0.0]), 2, axis=-1)
  cosine, sine = jnp.cos(angle), jnp.sin(angle)
  turned = jnp.concatenate([x * cosine - y * sine, x * sine + y * cosine], -1)
  return army._replace(
    owner=jnp.full_like(army.owner, owner),
    position=jnp.clip(turned, -units.FIELD, units.FIELD),
  )
