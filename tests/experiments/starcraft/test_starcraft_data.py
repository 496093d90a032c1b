"""Examples: by index alone, from both sides, as commanded."""

import dataclasses
import pickle

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

CONFIG = data.DataConfig(
  battles=tiny_battles.BATTLES,
  num_battles=70,
  num_eval_battles=3,
  num_moments=2,
  num_steps=8,
)
SLOTS = tiny_battles.SLOTS


@pytest.fixture(scope="module")
def source():
  return data.Battles(CONFIG, 70, 0)


def stacked(examples):
  return {name: np.stack([e[name] for e in examples]) for name in examples[0]}


def assert_same(one, other):
  assert one.keys() == other.keys()
  for name, value in one.items():
    np.testing.assert_array_equal(value, other[name])
    assert value.dtype == other[name].dtype


def test_entries(source):
  example = source[5]
  assert {n: (x.shape, x.dtype.name) for n, x in example.items()} == {
    "kind": ((SLOTS,), "int8"),
    "owner": ((SLOTS,), "int8"),
    "position": ((SLOTS, 2), "float32"),
    "health": ((SLOTS,), "float32"),
    "cooldown": ((SLOTS,), "int8"),
    "choice": ((SLOTS,), "int8"),
    "target": ((SLOTS,), "int16"),
    "won": ((), "float32"),
  }


def test_examples_depend_on_seed_and_index_alone(source):
  fresh = data.Battles(CONFIG, 70, 0)
  for index in (131, 3):  # of the second block, and of the first
    assert_same(fresh[index], source[index])
  more = data.Battles(CONFIG, 1000, 0)
  assert_same(more[3], source[3])
  other = data.Battles(CONFIG, 70, 1)
  assert np.any(other[3]["health"] != source[3]["health"])


def test_worker_processes_play_for_themselves(source):
  _ = source[0]
  assert_same(pickle.loads(pickle.dumps(source))[7], source[7])


def test_the_number_of_examples(source):
  assert len(source) == 140
  with pytest.raises(IndexError, match="140 examples, and no 140"):
    _ = source[140]
  train, held_out = data.splits(CONFIG)
  assert (len(train.source), len(held_out.source)) == (140, 6)
  assert np.any(train.source[0]["health"] != held_out.source[0]["health"])


def test_orders_are_the_commanders(source):
  moment = data.to_moment(stacked([source[i] for i in range(140)]))
  given = jax.jit(scripted_policies.command)(moment.state)
  jax.tree.map(np.testing.assert_array_equal, moment.orders, given)
  assert {str(x.dtype) for x in (*moment.state, *moment.orders)} == {
    "int32",
    "float32",
  }


def test_both_armies_exist_and_both_sides_are_seen(source):
  examples = [source[i] for i in range(140)]
  first = [e["owner"][0] for e in examples]
  assert first == [0, 1] * 70
  for example in examples:
    alive = example["health"] > 0
    assert {0, 1} == set(example["owner"][alive].tolist())


@jax.jit
def followed(state):
  """Returns all states if orders are followed: by both, by the first alone."""
  ways = [
    (scripted_policies.command,) * 2,
    (scripted_policies.command, scripted_policies.charge),
  ]
  return [simulator.play(way, state, 8)[1].state for way in ways]


def as_scripted(charged_share, disturbed_share):
  """Returns which of 64 battles go as each of the two pairs of scripts play."""
  begun = scenarios.draw(jax.random.key(0), 64, CONFIG.battles)
  config = dataclasses.replace(
    CONFIG, charged_share=charged_share, disturbed_share=disturbed_share
  )
  passed = data._passed(config, jax.random.key(1), begun)
  same = lambda x, y: np.all(x == y, axis=(0, *range(2, y.ndim)))
  return [
    np.all(np.stack([same(x, y) for x, y in zip(passed, states)]), axis=0)
    for states in followed(begun)
  ]


def test_a_share_of_the_battles_is_against_an_army_that_charges():
  commanded, charged = as_scripted(0.0, 0.0)
  assert (commanded.all(), charged.all()) == (True, False)
  commanded, charged = as_scripted(1.0, 0.0)
  assert (commanded.all(), charged.all()) == (False, True)
  commanded, charged = as_scripted(0.5, 0.0)
  assert np.all(commanded | charged)
  assert 16 < np.sum(charged & ~commanded) < 48


def test_orders_are_disturbed_from_never_to_often():
  often, seldom = (as_scripted(0.0, share)[0].mean() for share in (1.0, 0.05))
  assert often < seldom < 1
  assert seldom > 0.2


def test_disturbed_orders_are_any():
  orders = data._random(jax.random.key(0), (64, SLOTS))
  assert set(np.ravel(orders.choice).tolist()) == {0, 1, 2}
  assert set(np.ravel(orders.target).tolist()) == set(range(SLOTS))


def test_who_wins_is_found_by_playing_on(source):
  examples = [source[i] for i in range(140)]
  moment = data.to_moment(stacked(examples))
  both = (scripted_policies.command, scripted_policies.command)
  end = jax.jit(lambda x: simulator.play(both, x, 8)[0])(moment.state)
  ahead = np.sign(simulator.advantage(end))
  won = np.array([example["won"] for example in examples])
  np.testing.assert_array_equal(won, (ahead + 1) / 2)
  assert set(won.tolist()) >= {0, 1}


def test_battles_to_learn_from_are_mirrored_or_not(source):
  """Orders are right for both; battles to judge by stay as they are."""
  train, held_out = data.splits(CONFIG)
  seen = [
    train.transform(source[9], np.random.default_rng(i)) for i in range(9)
  ]
  flips = {
    tuple(x["position"].ravel() / source[9]["position"].ravel()) for x in seen
  }
  assert flips == {(1.0, 1.0) * SLOTS, (1.0, -1.0) * SLOTS}
  moment = data.to_moment(stacked(seen))
  given = jax.jit(scripted_policies.command)(moment.state)
  jax.tree.map(np.testing.assert_array_equal, moment.orders, given)
  for index in range(9):
    generator = np.random.default_rng(index)
    assert_same(held_out.transform(source[9], generator), source[9])


def of_two(cooldown):
  """Returns 12 states of two units in reach; from the 11th, one is no more."""
  zeros = jnp.zeros((12, 1, 2), jnp.int32)
  return units.State(
    kind=zeros,
    owner=zeros.at[..., 1].set(1),
    position=jnp.zeros((12, 1, 2, 2)),
    health=jnp.ones((12, 1, 2)).at[10:, 0, 1].set(0),
    cooldown=zeros + cooldown,
  )


def drawn_steps(states):
  """Returns 50 times 4 moments of the battle."""
  drawn = jax.jit(data._steps, static_argnums=2)
  keys = map(jax.random.key, range(50))
  return np.concatenate([drawn(key, states, 4) for key in keys])


def test_moments_are_spread_over_a_battle():
  """Of 10 steps, 4 moments lie in [0, 2.5), [2.5, 5), [5, 7.5), [7.5, 10)."""
  steps = drawn_steps(of_two(cooldown=0))
  assert steps.min(axis=0).tolist() == [0, 2, 5, 7]
  assert steps.max(axis=0).tolist() == [2, 4, 7, 9]


def test_moments_with_strikes_are_seen_more_often():
  """Two units that may strike make a step count three times: 3 of 12."""
  ready = np.arange(12)[:, None, None] == 3
  steps = drawn_steps(of_two(cooldown=np.where(ready, 0, 1)))
  assert np.mean(steps == 3) == pytest.approx(3 / 12, abs=0.03)
  assert np.mean(steps == 7) == pytest.approx(1 / 12, abs=0.03)
  assert steps.max() == 9


def test_an_empty_field_has_moments_too():
  empty = of_two(cooldown=0)._replace(health=jnp.zeros((12, 1, 2)))
  assert set(np.ravel(drawn_steps(empty)).tolist()) <= set(range(12))


def test_settings_are_checked():
  with pytest.raises(ValueError, match="num_moments is 0"):
    dataclasses.replace(CONFIG, num_moments=0)
  for name in ("charged_share", "disturbed_share"):
    with pytest.raises(ValueError, match=f"{name} is 2; expected a number"):
      dataclasses.replace(CONFIG, **{name: 2})
