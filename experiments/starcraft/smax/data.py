"""States of battles of SMAX, with the heuristic's actions."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.data import loader
from experiments.starcraft import battle_blocks
from experiments.starcraft.smax import battles
from perceiver import bounds

Array = jax.Array

# The smallest types that hold the entries of an example.
_DTYPES = {
  "kind": np.int8,
  "owner": np.int8,
  "position": np.float32,
  "health": np.float32,
  "cooldown": np.float32,
  "movement": np.float32,
  "aim": np.int8,
  "action_kind": np.int8,
  "target": np.int8,
  "won": np.float32,
}
# Of every kind of action, the one in a map turned upside down.
_FLIPPED = np.array([2, 1, 0, 3, 4, 5], np.int8)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """Battles, and the states taken from them.

  Attributes:
    scenario: the armies, one of SMAX's scenarios such as 2s3z.
    num_battles: battles of the training split.
    num_eval_battles: battles of the evaluation split, of the next seed.
    num_transitions: states of each battle, spread over its length.
    max_random_share: largest share of the allies' actions in a battle that are
      replaced by moves at random, so that a policy learns to recover from
      mistakes (noise injection, Laskey et al., 2017). Each battle has a share
      of its own, uniform between 0 and this.
    seed: seed of all battles.
  """

  scenario: str = "2s3z"
  num_battles: int = 8192
  num_eval_battles: int = 64
  num_transitions: int = 16
  max_random_share: float = 0.3
  seed: int = 0

  def __post_init__(self) -> None:
    if self.scenario not in battles.SIZES:
      raise ValueError(
        f"DataConfig: scenario is {self.scenario!r}; expected one of "
        f"{', '.join(battles.SIZES)}."
      )
    bounds.check_ranges(
      self,
      *("num_battles", "num_eval_battles", "num_transitions"),
      max_random_share="[0, 1]",
    )

  @property
  def num_units(self) -> int:
    """Units of both armies."""
    return sum(battles.SIZES[self.scenario])


@dataclasses.dataclass(frozen=True)
class Transitions(battle_blocks.Transitions):
  """Data source of states, with the heuristic's actions and the winner.

  Entries of an example, for U slots:

    kind, owner, aim: int8 [U]; position, movement: float32 [U, 2]; health,
      cooldown: float32 [U], as in `battles.Units`.
    action_kind, target: int8 [U], the heuristic's actions.
    won: float32, the allies' points in this battle: 1 for a win, 0.5 for a
      draw, 0 for a loss.

  Attributes:
    num_slots: U.
  """

  config: DataConfig
  num_slots: int

  def block(self, number: int) -> dict[str, np.ndarray]:
    """Returns a block of battles."""
    return block(self.config, self.num_slots, self.seed, number)


def example_shapes(num_slots: int) -> dict[str, jax.ShapeDtypeStruct]:
  """Returns shapes and types of the entries of `Transitions`."""
  pair = (num_slots, 2)
  shapes = {"position": pair, "movement": pair, "won": ()}
  return {
    name: jax.ShapeDtypeStruct(shapes.get(name, (num_slots,)), dtype)
    for name, dtype in _DTYPES.items()
  }


@functools.cache
def block(
  config: DataConfig, num_slots: int, seed: int, number: int
) -> dict[str, np.ndarray]:  # {name of the entry: [battles, transitions, ...]}
  """Returns a block of simulated battles."""
  simulate = functools.partial(_simulate, config, num_slots)
  return battle_blocks.simulated(simulate, _DTYPES, seed, number)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _simulate(
  config: DataConfig, num_slots: int, key: Array
) -> dict[str, Array]:
  """Simulates a block of battles.

  Returns:
    {name of the entry: [battles, transitions, ...]}.
  """
  scenario = config.scenario
  begin_key, share_key, steps_key, choice_key = jax.random.split(key, 4)
  share = jax.random.uniform(
    share_key, (battle_blocks.SIZE, 1), maxval=config.max_random_share
  )
  allies, _ = battles.SIZES[scenario]

  def once(now: battles.Battles, key: Array) -> tuple[battles.Battles, Any]:
    order_key, mask_key, move_key, step_key = jax.random.split(key, 4)
    actions, ordered = battles.orders(scenario, now, order_key)
    seen = battles.observe(scenario, now, num_slots)
    own = actions[:, :allies]
    expert = battles.from_smax(scenario, own, num_slots)
    replaced = jax.random.bernoulli(mask_key, share, own.shape)
    moves = battles.random_moves(move_key, own.shape)
    actions = actions.at[:, :allies].set(jnp.where(replaced, moves, own))
    after = battles.step(scenario, ordered, actions, step_key)
    entries = {**seen._asdict(), **expert._asdict()}
    return after, (entries, ~now.state.done)

  keys = jax.random.split(steps_key, battles.MAX_STEPS)
  first = battles.begin(scenario, begin_key, battle_blocks.SIZE)
  end, (entries, lasts) = jax.lax.scan(once, first, keys)
  steps = battle_blocks.sample_steps(
    choice_key, lasts.astype(jnp.float32), config.num_transitions
  )  # [battles, transitions]
  rows = jnp.arange(battle_blocks.SIZE)[:, None]
  won = battles.points(scenario, end)[:, None]
  return {
    **{name: x[steps, rows] for name, x in entries.items()},
    "won": jnp.broadcast_to(won, steps.shape),
  }


def to_transition(batch: Any) -> tuple[battles.Units, battles.Actions]:
  """Returns a batch of examples in the types of `battles`."""
  return (
    battle_blocks.widened(batch, _DTYPES, battles.Units),
    battle_blocks.widened(batch, _DTYPES, battles.Actions),
  )


def flip(example: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Turns the map upside down; the heuristic does not tell the two apart."""
  over = np.array([1, -1], np.float32)
  return {
    **example,
    "position": example["position"] * over,
    "movement": example["movement"] * over,
    "action_kind": _FLIPPED[example["action_kind"]],
  }


def _random_flip(
  example: dict[str, np.ndarray], generator: np.random.Generator
) -> dict[str, np.ndarray]:
  return flip(example) if generator.random() < 0.5 else example


def splits(
  config: DataConfig, num_slots: int
) -> tuple[loader.Split, loader.Split]:
  """Returns the training split and the evaluation split, of other battles.

  Raises:
    files.InputError: if jaxmarl is not installed.
  """
  battles.environment(config.scenario)
  train = Transitions(config, config.num_battles, config.seed, num_slots)
  held_out = Transitions(
    config, config.num_eval_battles, config.seed + 1, num_slots
  )
  name = f"SMAX {config.scenario}"
  return (
    loader.Split(train, _random_flip, f"{name} train"),
    loader.Split(held_out, battle_blocks.unchanged, f"{name} held out"),
  )
