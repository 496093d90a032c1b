"""Transitions of simulated battles, with the expert's actions."""

import dataclasses
import enum
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.data import loader
from experiments.data import sources as data_sources
from experiments.starcraft import battle_blocks
from experiments.starcraft.game import scenarios
from experiments.starcraft.game import scripted_policies
from experiments.starcraft.game import simulator
from experiments.starcraft.game import units
from perceiver import bounds

Array = jax.Array

# The smallest types that hold the entries of an example.
_DTYPES = {
  "kind": np.int8,
  "owner": np.int8,
  "position": np.float32,
  "health": np.float32,
  "cooldown": np.int8,
  "action_kind": np.int8,
  "target": np.int16,
  "won": np.float32,
}


class Kind(enum.Enum):
  """The kind of battles: simulated ones, as those of the paper are private."""

  SYNTHETIC = "synthetic"


@dataclasses.dataclass(frozen=True)
class Source(data_sources.Source):
  """The battles."""

  kind: Kind


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """Battles, and the transitions taken from them.

  Attributes:
    source: the source of the battles.
    scenario: sizes of the armies.
    num_battles: battles of the training split.
    num_eval_battles: battles of the evaluation split, of the next seed.
    num_transitions: transitions of each battle, spread over its length, more
      of them where more units may strike. The winner of each is found by a
      rollout, which takes most of the time of the simulation on a CPU.
    baseline_share: share of battles against the baseline policy, so that a
      policy learns from states that it meets in evaluation.
    max_random_share: largest share of a battle's actions that are replaced by
      random ones, so that a policy learns to recover from mistakes (noise
      injection, Laskey et al., 2017). Each battle has a share of its own,
      uniform between 0 and this.
    num_steps: steps of a battle at most.
    seed: seed of all battles.
  """

  source: Source = Source(Kind.SYNTHETIC)
  scenario: scenarios.ScenarioConfig = scenarios.ScenarioConfig()
  num_battles: int = 20_000
  num_eval_battles: int = 256
  num_transitions: int = 16
  baseline_share: float = 0.5
  max_random_share: float = 0.3
  num_steps: int = 64
  seed: int = 0

  def __post_init__(self) -> None:
    bounds.check_ranges(
      self,
      *("num_battles", "num_eval_battles", "num_transitions", "num_steps"),
      baseline_share="[0, 1]",
      max_random_share="[0, 1]",
    )


@dataclasses.dataclass(frozen=True)
class Transitions(battle_blocks.Transitions):
  """Data source of transitions, with the expert's actions and the winner.

  Army 0 is the policy's; in every other example the armies have exchanged their
  numbers. Entries of an example, for U slots:

    kind, owner, cooldown: int8 [U], as in `units.State`.
    position: float32 [U, 2]; health: float32 [U].
    action_kind: int8 [U] and target: int16 [U], the expert's actions.
    won: float32, the points of army 0 if both armies follow the expert from
      there on: 1 for a win, 0.5 for a draw, 0 for a loss.
  """

  config: DataConfig

  def block(self, number: int) -> dict[str, np.ndarray]:
    """Returns a block of battles."""
    return block(self.config, self.seed, number)

  def __getitem__(self, index: int) -> dict[str, np.ndarray]:
    found = super().__getitem__(index)
    if index % 2:
      found["owner"] = 1 - found["owner"]
      found["won"] = np.float32(1) - found["won"]
    return found


def example_shapes(num_slots: int) -> dict[str, jax.ShapeDtypeStruct]:
  """Returns shapes and types of the entries of `Transitions`."""
  shapes = {"position": (num_slots, 2), "won": ()}
  return {
    name: jax.ShapeDtypeStruct(shapes.get(name, (num_slots,)), dtype)
    for name, dtype in _DTYPES.items()
  }


@functools.cache
def block(
  config: DataConfig, seed: int, number: int
) -> dict[str, np.ndarray]:  # {name of the entry: [battles, transitions, ...]}
  """Returns a block of simulated battles."""
  simulate = functools.partial(_simulate, config)
  return battle_blocks.simulated(simulate, _DTYPES, seed, number)


@functools.partial(jax.jit, static_argnums=0)
def _simulate(config: DataConfig, key: Array) -> dict[str, Array]:
  """Simulates a block of battles.

  Returns:
    {name of the entry: [battles, transitions, ...]}.
  """
  scenario_key, action_key, step_key = jax.random.split(key, 3)
  state = scenarios.sample(scenario_key, battle_blocks.SIZE, config.scenario)
  states = _rollout_states(config, action_key, state)
  steps = _sample_steps(step_key, states, config.num_transitions)
  rows = jnp.arange(battle_blocks.SIZE)[:, None]
  chosen = jax.tree.map(lambda x: x[steps, rows].swapaxes(0, 1), states)
  # One transition of all battles after the other: the pairs of units of all of
  # them do not fit into memory with 512 slots.
  labelled = jax.lax.map(functools.partial(_label, config.num_steps), chosen)
  return jax.tree.map(lambda x: x.swapaxes(0, 1), labelled)


def _rollout_states(
  config: DataConfig, key: Array, state: units.State
) -> units.State:
  """Returns all states of battles, arrays of [num_steps, B, ...]."""
  baseline_key, share_key, action_key = jax.random.split(key, 3)
  baseline = jax.random.bernoulli(
    baseline_key, config.baseline_share, (battle_blocks.SIZE, 1)
  )
  share = jax.random.uniform(
    share_key, (battle_blocks.SIZE, 1), maxval=config.max_random_share
  )

  def once(now: units.State, key: Array) -> tuple[units.State, units.State]:
    actions = units.where(
      baseline & (now.owner == 1),  # [B, U]
      scripted_policies.baseline(now),
      scripted_policies.expert(now),
    )
    mask_key, random_key = jax.random.split(key)
    replaced = jax.random.bernoulli(mask_key, share, now.owner.shape)
    random = _random_actions(random_key, now.owner.shape)
    return simulator.step(now, units.where(replaced, random, actions)), now

  keys = jax.random.split(action_key, config.num_steps)
  return jax.lax.scan(once, state, keys)[1]


def _random_actions(key: Array, shape: tuple[int, ...]) -> units.Actions:
  """Samples actions uniformly; attacks on no enemy are executed as HOLD."""
  kind_key, target_key = jax.random.split(key)
  return units.Actions(
    jax.random.randint(kind_key, shape, 0, len(units.ActionKind)),
    jax.random.randint(target_key, shape, 0, shape[-1]),
  )


def _label(num_steps: int, state: units.State) -> dict[str, Array]:
  """Returns states with the expert's actions and the points of army 0."""
  both = (scripted_policies.expert, scripted_policies.expert)
  end, _ = simulator.rollout(both, state, num_steps)
  actions, won = scripted_policies.expert(state), simulator.points(end)
  return {**state._asdict(), **actions._asdict(), "won": won}


def _sample_steps(
  key: Array,
  states: units.State,  # arrays of [steps, B, ...]
  num_transitions: int,
) -> Array:  # [B, num_transitions] integers
  """Samples steps, spread over the time in which both armies exist.

  The weight of a step is one and the number of units that may strike in it:
  first clashes are short and decide much.
  """
  weights = jax.lax.map(_weight, states)
  return battle_blocks.sample_steps(key, weights, num_transitions)


def _weight(state: units.State) -> Array:  # [B]
  """Returns weights of states; 0 if an army is gone."""
  foes = units.enemies(state)  # [B, U, U]
  reach = units.abilities(state).reach[..., None]  # [B, U, 1]
  within = jnp.any(foes & (units.distances(state) <= reach), axis=-1)
  ready = within & (state.cooldown == 0)  # [B, U]
  return jnp.any(foes, axis=(1, 2)) * (1.0 + jnp.sum(ready, axis=1))


def to_transition(batch: Any) -> simulator.Transition:
  """Returns a batch of examples in the simulator's types."""
  return simulator.Transition(
    battle_blocks.widened(batch, _DTYPES, units.State),
    battle_blocks.widened(batch, _DTYPES, units.Actions),
  )


def _random_flip(
  example: dict[str, np.ndarray], generator: np.random.Generator
) -> dict[str, np.ndarray]:
  """Flips half of the examples; the same actions are right for both."""
  flip = np.array([1, generator.choice([-1, 1])], np.float32)
  return {**example, "position": example["position"] * flip}


def splits(config: DataConfig) -> tuple[loader.Split, loader.Split]:
  """Returns the training split and the evaluation split, of other battles."""
  train = Transitions(config, config.num_battles, config.seed)
  held_out = Transitions(config, config.num_eval_battles, config.seed + 1)
  return (
    loader.Split(train, _random_flip, "battles train"),
    loader.Split(held_out, battle_blocks.unchanged, "battles held out"),
  )
