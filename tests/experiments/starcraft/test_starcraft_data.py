"""Transitions: functions of their index, of both sides, with labels."""

import dataclasses
import functools
import pickle

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.starcraft import data
from experiments.starcraft.game import scenarios
from experiments.starcraft.game import scripted_policies
from experiments.starcraft.game import simulator
from experiments.starcraft.game import units
from tests.helpers import tiny_battles

pytestmark = pytest.mark.optimized

CONFIG = data.DataConfig(
  scenario=tiny_battles.SCENARIO,
  num_battles=70,
  num_eval_battles=3,
  num_transitions=2,
  num_steps=8,
)
SLOTS = tiny_battles.SLOTS


@pytest.fixture(scope="module")
def source():
  return data.Transitions(CONFIG, 70, 0)


assert_same = functools.partial(chex.assert_trees_all_equal, strict=True)


def stacked(examples):
  return {name: np.stack([e[name] for e in examples]) for name in examples[0]}


def test_entries(source):
  example = source[5]
  assert {n: (x.shape, x.dtype.name) for n, x in example.items()} == {
    "kind": ((SLOTS,), "int8"),
    "owner": ((SLOTS,), "int8"),
    "position": ((SLOTS, 2), "float32"),
    "health": ((SLOTS,), "float32"),
    "cooldown": ((SLOTS,), "int8"),
    "action_kind": ((SLOTS,), "int8"),
    "target": ((SLOTS,), "int16"),
    "won": ((), "float32"),
  }


def test_examples_depend_on_seed_and_index_alone(source):
  indices = (131, 3)  # of the second block, and of the first
  expected = [source[index] for index in indices]
  data.block.cache_clear()
  fresh = data.Transitions(CONFIG, 70, 0)
  assert_same([fresh[index] for index in indices], expected)
  more = data.Transitions(CONFIG, 1000, 0)
  assert_same(more[3], source[3])
  other = data.Transitions(CONFIG, 70, 1)
  assert np.any(other[3]["health"] != source[3]["health"])


def test_battles_are_those_of_32_bits(source):
  expected = source[3]
  data.block.cache_clear()
  with jax.enable_x64(True):
    assert_same(data.Transitions(CONFIG, 70, 0)[3], expected)


def test_worker_processes_simulate_for_themselves(source):
  expected = source[7]
  data.block.cache_clear()
  assert_same(pickle.loads(pickle.dumps(source))[7], expected)


def test_the_number_of_examples(source):
  assert len(source) == 140
  with pytest.raises(IndexError, match="140 examples, and no 140"):
    _ = source[140]
  train, held_out = data.splits(CONFIG)
  assert (len(train.source), len(held_out.source)) == (140, 6)
  assert np.any(train.source[0]["health"] != held_out.source[0]["health"])


def test_actions_are_the_experts(source):
  transition = data.to_transition(stacked([source[i] for i in range(140)]))
  given = jax.jit(scripted_policies.expert)(transition.state)
  chex.assert_trees_all_equal(transition.actions, given)
  assert {str(x.dtype) for x in (*transition.state, *transition.actions)} == {
    "int32",
    "float32",
  }


def test_both_armies_exist_and_exchange_numbers(source):
  examples = [source[i] for i in range(140)]
  first = [e["owner"][0] for e in examples]
  assert first == [0, 1] * 70
  for example in examples:
    alive = example["health"] > 0
    assert {0, 1} == set(example["owner"][alive].tolist())


@jax.jit
def rollouts(state):
  """Returns the states of the expert against itself and the baseline."""
  pairs = [
    (scripted_policies.expert,) * 2,
    (scripted_policies.expert, scripted_policies.baseline),
  ]
  return [simulator.rollout(pair, state, 8)[1].state for pair in pairs]


def equal_rollouts(baseline_share, max_random_share):
  """Returns masks of 64 battles equal to the rollouts of either pair."""
  begun = scenarios.sample(jax.random.key(0), 64, CONFIG.scenario)
  config = dataclasses.replace(
    CONFIG, baseline_share=baseline_share, max_random_share=max_random_share
  )
  found = data._rollout_states(config, jax.random.key(1), begun)
  same = lambda x, y: np.all(x == y, axis=(0, *range(2, y.ndim)))
  return [
    np.all(np.stack([same(x, y) for x, y in zip(found, states)]), axis=0)
    for states in rollouts(begun)
  ]


def test_a_share_of_the_battles_is_against_the_baseline():
  expert, baseline = equal_rollouts(0.0, 0.0)
  assert (expert.all(), baseline.all()) == (True, False)
  expert, baseline = equal_rollouts(1.0, 0.0)
  assert (expert.all(), baseline.all()) == (False, True)
  expert, baseline = equal_rollouts(0.5, 0.0)
  assert np.all(expert | baseline)
  assert 16 < np.sum(baseline & ~expert) < 48


def test_shares_of_random_actions_are_uniform():
  often, seldom = (
    equal_rollouts(0.0, share)[0].mean() for share in (1.0, 0.05)
  )
  assert often < seldom < 1
  assert seldom > 0.2


def test_random_actions_are_uniform():
  actions = data._random_actions(jax.random.key(0), (64, SLOTS))
  assert set(np.ravel(actions.action_kind).tolist()) == {0, 1, 2}
  assert set(np.ravel(actions.target).tolist()) == set(range(SLOTS))


def test_the_winner_is_that_of_a_rollout(source):
  examples = [source[i] for i in range(140)]
  transition = data.to_transition(stacked(examples))
  both = (scripted_policies.expert, scripted_policies.expert)
  end = jax.jit(lambda x: simulator.rollout(both, x, 8)[0])(transition.state)
  ahead = np.sign(simulator.margin(end))
  won = np.array([example["won"] for example in examples])
  np.testing.assert_array_equal(won, (ahead + 1) / 2)
  assert set(won.tolist()) >= {0, 1}


def test_training_examples_are_flipped_or_not(source):
  """Actions are right for both; evaluation examples stay as they are."""
  train, held_out = data.splits(CONFIG)
  varied = [
    train.transform(source[9], np.random.default_rng(i)) for i in range(9)
  ]
  flips = {
    tuple(x["position"].ravel() / source[9]["position"].ravel()) for x in varied
  }
  assert flips == {(1.0, 1.0) * SLOTS, (1.0, -1.0) * SLOTS}
  transition = data.to_transition(stacked(varied))
  given = jax.jit(scripted_policies.expert)(transition.state)
  chex.assert_trees_all_equal(transition.actions, given)
  for index in range(9):
    generator = np.random.default_rng(index)
    assert_same(held_out.transform(source[9], generator), source[9])


def of_two(cooldown):
  """Returns 12 states of two units in reach; from the 11th on, one is dead."""
  zeros = jnp.zeros((12, 1, 2), jnp.int32)
  return units.State(
    kind=zeros,
    owner=zeros.at[..., 1].set(1),
    position=jnp.zeros((12, 1, 2, 2)),
    health=jnp.ones((12, 1, 2)).at[10:, 0, 1].set(0),
    cooldown=zeros + cooldown,
  )


def sampled_steps(states):
  """Returns 50 samples of 4 steps each."""
  sample = jax.jit(data._sample_steps, static_argnums=2)
  keys = map(jax.random.key, range(50))
  return np.concatenate([sample(key, states, 4) for key in keys])


def test_steps_are_stratified():
  """Of 10 steps, the 4 are in [0, 2.5), [2.5, 5), [5, 7.5), [7.5, 10)."""
  steps = sampled_steps(of_two(cooldown=0))
  assert steps.min(axis=0).tolist() == [0, 2, 5, 7]
  assert steps.max(axis=0).tolist() == [2, 4, 7, 9]


def test_steps_with_strikes_are_sampled_more_often():
  """Two units that may strike make a step count three times: 3 of 12."""
  ready = np.arange(12)[:, None, None] == 3
  steps = sampled_steps(of_two(cooldown=np.where(ready, 0, 1)))
  assert np.mean(steps == 3) == pytest.approx(3 / 12, abs=0.03)
  assert np.mean(steps == 7) == pytest.approx(1 / 12, abs=0.03)
  assert steps.max() == 9


def test_an_empty_field_has_transitions():
  empty = of_two(cooldown=0)._replace(health=jnp.zeros((12, 1, 2)))
  assert set(np.ravel(sampled_steps(empty)).tolist()) <= set(range(12))


def test_settings_are_checked():
  with pytest.raises(ValueError, match="num_transitions is 0"):
    dataclasses.replace(CONFIG, num_transitions=0)
  for name in ("baseline_share", "max_random_share"):
    with pytest.raises(ValueError, match=rf"{name} is 2; expected \[0, 1\]"):
      dataclasses.replace(CONFIG, **{name: 2})
