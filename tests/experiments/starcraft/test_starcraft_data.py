"""Examples: by index alone, from both sides, as commanded."""

import dataclasses
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_battles

from experiments.starcraft import battles
from experiments.starcraft import commander
from experiments.starcraft import data
from experiments.starcraft import simulator
from experiments.starcraft import units

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
  given = jax.jit(commander.command)(moment.state)
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


def test_battles_may_begin_where_an_army_has_charged():
  begun = battles.draw(jax.random.key(0), 20, CONFIG.battles)
  _, moments = simulator.play(
    (commander.command, commander.charge), begun, CONFIG.num_steps
  )

  def as_played(share):
    config = dataclasses.replace(CONFIG, charged_share=share)
    found = data._charged(config, jax.random.key(1), begun)
    equal = jax.tree.map(
      lambda x, y: jnp.all(x == y, axis=range(2, y.ndim)), found, moments.state
    )
    return np.all(np.stack(list(equal)), axis=0)  # [steps, B]

  charged = as_played(1.0)
  assert np.all(np.any(charged, axis=0))
  assert 0 < np.sum(charged[0]) < 10
  assert np.all(as_played(0.0)[0])
  assert 3 < np.sum(as_played(0.5)[0]) < 19


def test_who_wins_is_seen_from_army_0(source):
  """Two moments of a battle are seen from its two sides."""
  won = np.array([source[i]["won"] for i in range(140)]).reshape(70, 2)
  np.testing.assert_array_equal(won.sum(axis=1), 1)
  assert set(won.ravel().tolist()) >= {0, 1}


def test_moments_are_spread_over_a_battle():
  """Of 10 steps, 4 moments lie in [0, 2.5), [2.5, 5), [5, 7.5), [7.5, 10)."""
  health = jnp.ones((12, 1, 2)).at[10:, 0, 1].set(0)
  zeros = jnp.zeros((12, 1, 2), jnp.int32)
  states = units.State(
    zeros, zeros.at[..., 1].set(1), jnp.zeros((12, 1, 2, 2)), health, zeros
  )
  steps = np.concatenate(
    [data._steps(jax.random.key(seed), states, 4) for seed in range(50)]
  )
  assert steps.min(axis=0).tolist() == [0, 2, 5, 7]
  assert steps.max(axis=0).tolist() == [2, 4, 7, 9]


def test_settings_are_checked():
  with pytest.raises(ValueError, match="num_moments is 0"):
    dataclasses.replace(CONFIG, num_moments=0)
  with pytest.raises(ValueError, match="charged_share is 2; expected a number"):
    dataclasses.replace(CONFIG, charged_share=2)
