"""What policies learn from: states out of battles between two commanders."""

import dataclasses
import functools
import operator
import threading
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments import loading
from experiments.starcraft import battles as battles_lib
from experiments.starcraft import commander
from experiments.starcraft import simulator
from experiments.starcraft import units

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
    num_moments: states of each battle, spread over its length.
    charged_share: of the battles, how many begin where army 1 has charged for
      a while, so that a policy knows what it meets when it plays the plain
      script. From there on both armies follow the commander.
    num_steps: how long battles last at most.
    seed: decides all battles.
  """

  battles: battles_lib.BattleConfig = battles_lib.BattleConfig()
  num_battles: int = 20_000
  num_eval_battles: int = 256
  num_moments: int = 16
  charged_share: float = 0.5
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
    if not 0 <= self.charged_share <= 1:
      raise ValueError(
        f"DataConfig.charged_share is {self.charged_share}; expected a number "
        "from 0 to 1."
      )


class Battles:
  """States of battles in which both armies follow the commander.

  Example i depends on the configuration and i alone. Battles are played in
  blocks, when the first of their states is asked for, and kept. Examples are
  seen from army 0; every other one is of a battle whose armies have changed
  their numbers. Their entries, for U slots:

    kind, owner, cooldown: int8 [U], as in `units.State`.
    position: float32 [U, 2]; health: float32 [U].
    choice: int8 [U], what the commander orders; target: int16 [U].
    won: float32, 1 if army 0 wins in the end, 0 if it loses, 0.5 for a draw.
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
  beginning, charging, when = jax.random.split(key, 3)
  state = _charged(
    config, charging, battles_lib.draw(beginning, _BLOCK, config.battles)
  )
  both = (commander.command, commander.command)
  end, moments = simulator.play(both, state, config.num_steps)
  steps = _steps(when, moments.state, config.num_moments)  # [B, moments]
  rows = jnp.arange(_BLOCK)[:, None]
  states, orders = jax.tree.map(lambda x: x[steps, rows], moments)
  ahead = simulator.advantage(end)  # [B]
  won = jnp.broadcast_to((jnp.sign(ahead)[:, None] + 1) / 2, steps.shape)
  return {**states._asdict(), **orders._asdict(), "won": won}


def _charged(config: DataConfig, key: Array, state: units.State) -> units.State:
  """Returns later states of a share of battles in which army 1 charges."""
  which, when = jax.random.split(key)
  _, moments = simulator.play(
    (commander.command, commander.charge), state, config.num_steps
  )
  steps = _steps(when, moments.state, 1)[:, 0]  # [B]
  chosen = jax.random.bernoulli(which, config.charged_share, steps.shape)
  rows = jnp.arange(len(steps))
  return jax.tree.map(
    lambda x: x[jnp.where(chosen, steps, 0), rows], moments.state
  )


def _steps(
  key: Array,
  states: units.State,  # arrays of [steps, B, ...]
  num_moments: int,
) -> Array:  # [B, num_moments] integers
  """Draws moments, spread over the time in which both armies exist."""
  alive = units.living(states)  # [steps, B, U]
  sides = [
    jnp.any(alive & (states.owner == side), axis=-1)
    for side in range(units.NUM_SIDES)
  ]
  length = jnp.sum(sides[0] & sides[1], axis=0)  # [B]
  shape = (len(length), num_moments)
  place = (jnp.arange(num_moments) + jax.random.uniform(key, shape)) / (
    num_moments
  )
  steps = (place * length[:, None]).astype(jnp.int32)
  return jnp.minimum(steps, len(alive) - 1)


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


def _entries(
  example: dict[str, np.ndarray], generator: np.random.Generator
) -> dict[str, np.ndarray]:
  del generator  # Nothing is varied: there are as many battles as one likes.
  return example


def splits(config: DataConfig) -> tuple[loading.Split, loading.Split]:
  """Returns what to learn from, and what to judge by, of other battles."""
  train = Battles(config, config.num_battles, config.seed)
  held_out = Battles(config, config.num_eval_battles, config.seed + 1)
  return (
    loading.Split(train, _entries, "battles train"),
    loading.Split(held_out, _entries, "battles held out"),
  )
