"""What policies learn from: states of battles, and orders to all units."""

import dataclasses
import functools
import operator
import threading
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.data import loader
from experiments.starcraft.game import scenarios
from experiments.starcraft.game import scripted_policies
from experiments.starcraft.game import simulator
from experiments.starcraft.game import units

Array = jax.Array

# Battles that are played at once. Rounding may depend on it: a constant.
_BLOCK = 64
# Numbers as small as they can be kept; there are many of them.
_KEPT = {
  "kind": np.int8,
  "owner": np.int8,
  "position": np.float32,
  "health": np.float32,
  "cooldown": np.int8,
  "choice": np.int8,
  "target": np.int16,
  "won": np.float32,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """Which battles are looked at, and how often.

  Attributes:
    battles: which armies meet.
    num_battles: battles to learn from.
    num_eval_battles: battles to judge by, of the next seed.
    num_moments: states of each battle, spread over its length, more of them
      where more units may strike. Each is played on to find who wins, which
      takes a CPU most of the time that battles take.
    charged_share: of the battles, how many are against an army that charges,
      so that a policy knows what it meets when it plays the plain script.
    disturbed_share: of a battle's orders, how many at most are replaced by
      random ones before they are followed, so that a policy knows what to do
      after a mistake (noise injection, Laskey et al., 2017). Each battle has a
      share of its own, from none to this.
    num_steps: how long battles last at most.
    seed: decides all battles.
  """

  battles: scenarios.BattleConfig = scenarios.BattleConfig()
  num_battles: int = 20_000
  num_eval_battles: int = 256
  num_moments: int = 16
  charged_share: float = 0.5
  disturbed_share: float = 0.3
  num_steps: int = 64
  seed: int = 0

  def __post_init__(self) -> None:
    for name in (
      "num_battles",
      "num_eval_battles",
      "num_moments",
      "num_steps",
    ):
      if getattr(self, name) < 1:
        raise ValueError(
          f"DataConfig.{name} is {getattr(self, name)}; expected at least 1."
        )
    for name in ("charged_share", "disturbed_share"):
      if not 0 <= getattr(self, name) <= 1:
        raise ValueError(
          f"DataConfig.{name} is {getattr(self, name)}; expected a number from "
          "0 to 1."
        )


class Battles:
  """States of battles, and what the commander orders in them.

  Example i depends on the configuration and i alone. Battles are played in
  blocks, when the first of their states is asked for, and kept. Examples are
  seen from army 0; every other one is of a battle whose armies have changed
  their numbers. Their entries, for U slots:

    kind, owner, cooldown: int8 [U], as in `units.State`.
    position: float32 [U, 2]; health: float32 [U].
    choice: int8 [U], what the commander orders; target: int16 [U].
    won: float32, whether army 0 wins if both follow the commander from there
      on: 1 if it does, 0 if it loses, 0.5 for a draw.
  """

  def __init__(self, config: DataConfig, num_battles: int, seed: int) -> None:
    """Plays nothing yet.

    Args:
      config: which armies meet, and which states are taken.
      num_battles: how many battles there are.
      seed: decides all of them.
    """
    self._config, self._num_battles, self._seed = config, num_battles, seed
    self._blocks: dict[int, dict[str, np.ndarray]] = {}
    self._lock = threading.Lock()

  def __len__(self) -> int:
    return self._num_battles * self._config.num_moments

  def __getitem__(self, index: int) -> dict[str, np.ndarray]:
    index = operator.index(index)
    if not 0 <= index < len(self):
      raise IndexError(f"There are {len(self)} examples, and no {index}.")
    battle, moment = divmod(index, self._config.num_moments)
    block, row = divmod(battle, _BLOCK)
    found = {n: x[row, moment] for n, x in self._block(block).items()}
    if index % 2:
      found["owner"] = 1 - found["owner"]
      found["won"] = np.float32(1) - found["won"]
    return found

  def _block(self, number: int) -> dict[str, np.ndarray]:
    with self._lock:
      if number not in self._blocks:
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
          key = jax.random.fold_in(jax.random.key(self._seed), number)
          played = jax.device_get(_play(self._config, key))
        self._blocks[number] = {
          name: np.asarray(array, _KEPT[name]) for name, array in played.items()
        }
      return self._blocks[number]

  def __getstate__(self) -> dict[str, Any]:
    """Leaves out what worker processes can play again, and the lock."""
    return {n: v for n, v in vars(self).items() if n not in _OWN}

  def __setstate__(self, state: dict[str, Any]) -> None:
    vars(self).update(state, _blocks={}, _lock=threading.Lock())


_OWN = ("_blocks", "_lock")


@functools.partial(jax.jit, static_argnums=0)
def _play(config: DataConfig, key: Array) -> dict[str, Array]:
  """Plays a block of battles.

  Returns:
    {name of the entry: [battles, moments, ...]}.
  """
  beginning, way, when = jax.random.split(key, 3)
  state = scenarios.draw(beginning, _BLOCK, config.battles)
  states = _passed(config, way, state)
  steps = _steps(when, states, config.num_moments)  # [B, moments]
  rows = jnp.arange(_BLOCK)[:, None]
  chosen = jax.tree.map(lambda x: x[steps, rows].swapaxes(0, 1), states)
  # One moment of all battles after the other: all pairs of units of all of
  # them are more than fits into memory with 512 slots.
  judged = jax.lax.map(functools.partial(_judged, config.num_steps), chosen)
  return jax.tree.map(lambda x: x.swapaxes(0, 1), judged)


def _passed(config: DataConfig, key: Array, state: units.State) -> units.State:
  """Returns the states that battles pass through, [num_steps, B, ...]."""
  charging, disturbing, acting = jax.random.split(key, 3)
  charged = jax.random.bernoulli(charging, config.charged_share, (_BLOCK, 1))
  share = jax.random.uniform(
    disturbing, (_BLOCK, 1), maxval=config.disturbed_share
  )

  def once(now: units.State, key: Array) -> tuple[units.State, units.State]:
    charges = charged & (now.owner == 1)  # [B, U]
    orders = units.either(
      charges, scripted_policies.charge(now), scripted_policies.command(now)
    )
    whether, what = jax.random.split(key)
    disturbed = jax.random.bernoulli(whether, share, now.owner.shape)
    orders = units.either(disturbed, _random(what, now.owner.shape), orders)
    return simulator.step(now, orders), now

  keys = jax.random.split(acting, config.num_steps)
  return jax.lax.scan(once, state, keys)[1]


def _random(key: Array, shape: tuple[int, ...]) -> units.Orders:
  """Returns any orders; those to attack no enemy are orders to hold."""
  what, whom = jax.random.split(key)
  return units.Orders(
    jax.random.randint(what, shape, 0, len(units.Choice)),
    jax.random.randint(whom, shape, 0, shape[-1]),
  )


def _judged(num_steps: int, state: units.State) -> dict[str, Array]:
  """Returns states with what the commander orders, and to what end."""
  both = (scripted_policies.command, scripted_policies.command)
  end, _ = simulator.play(both, state, num_steps)
  orders, won = scripted_policies.command(state), simulator.points(end)
  return {**state._asdict(), **orders._asdict(), "won": won}


def _steps(
  key: Array,
  states: units.State,  # arrays of [steps, B, ...]
  num_moments: int,
) -> Array:  # [B, num_moments] integers
  """Draws moments, spread over the time in which both armies exist.

  A step counts as one and the number of units that may strike in it, so that
  first clashes, which decide much and are soon over, are seen often enough.
  """
  weights = jax.lax.map(_weight, states)  # [steps, B]
  ends = jnp.cumsum(weights, axis=0)
  ends /= jnp.maximum(ends[-1], 1)  # Of an empty field, all are 0.
  shape = (weights.shape[1], num_moments)
  place = (jnp.arange(num_moments) + jax.random.uniform(key, shape)) / (
    num_moments
  )
  place = jnp.minimum(place, np.nextafter(np.float32(1), np.float32(0)))
  steps = jnp.sum(ends[..., None] <= place, axis=0)  # [B, num_moments]
  return jnp.minimum(steps, len(weights) - 1)


def _weight(state: units.State) -> Array:  # [B]
  """Returns how much states count; 0 if an army is no more."""
  foes = units.enemies(state)  # [B, U, U]
  reach = units.abilities(state).reach[..., None]  # [B, U, 1]
  within = jnp.any(foes & (units.distances(state) <= reach), axis=-1)
  ready = within & (state.cooldown == 0)  # [B, U]
  return jnp.any(foes, axis=(1, 2)) * (1.0 + jnp.sum(ready, axis=1))


def to_moment(batch: Any) -> simulator.Moment:
  """Returns a batch of examples in the simulator's types."""
  wide = {
    name: jnp.asarray(
      batch[name], jnp.float32 if kept is np.float32 else jnp.int32
    )
    for name, kept in _KEPT.items()
  }
  return simulator.Moment(
    units.State(*(wide[name] for name in units.State._fields)),
    units.Orders(*(wide[name] for name in units.Orders._fields)),
  )


def _either_way(
  example: dict[str, np.ndarray], generator: np.random.Generator
) -> dict[str, np.ndarray]:
  """Returns a state, or its mirror image: the same orders are right there."""
  flip = np.array([1, generator.choice([-1, 1])], np.float32)
  return {**example, "position": example["position"] * flip}


def _as_it_is(
  example: dict[str, np.ndarray], generator: np.random.Generator
) -> dict[str, np.ndarray]:
  del generator
  return example


def splits(config: DataConfig) -> tuple[loader.Split, loader.Split]:
  """Returns what to learn from, and what to judge by, of other battles."""
  train = Battles(config, config.num_battles, config.seed)
  held_out = Battles(config, config.num_eval_battles, config.seed + 1)
  return (
    loader.Split(train, _either_way, "battles train"),
    loader.Split(held_out, _as_it_is, "battles held out"),
  )
