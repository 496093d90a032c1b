"""States of SMAX's battles, and the heuristic's actions in them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.starcraft.smax import battles
from experiments.starcraft.smax import data
from experiments.starcraft.smax import entities
from tests.helpers.recipes import smax as tiny

CONFIG, SLOTS = tiny.MINI.data, 8


@pytest.fixture(scope="module")
def examples():
  train, held_out = data.splits(CONFIG, SLOTS)
  assert (len(train.source), len(held_out.source)) == (140, 10)
  return [train.source[i] for i in range(128)]


def test_examples_are_as_described(examples):
  shapes = data.example_shapes(SLOTS)
  for example in examples:
    assert {n: (x.shape, x.dtype) for n, x in example.items()} == {
      n: (x.shape, x.dtype) for n, x in shapes.items()
    }
    assert example["won"] in (0, 0.5, 1)
    own = (example["health"] > 0) & (example["owner"] == 0)
    assert own.any()
    attacks = example["action_kind"] == battles.ActionKind.ATTACK
    for unit in np.flatnonzero(attacks & own):
      target = example["target"][unit]
      assert example["owner"][target] == 1
      assert example["health"][target] > 0
      offset = example["position"][unit] - example["position"][target]
      assert np.linalg.norm(offset) < 5  # a marine's range
  kinds = [example["action_kind"][:3] for example in examples]
  assert {1, battles.ActionKind.ATTACK} <= set(np.concatenate(kinds).tolist())


def test_splits_are_of_other_battles_and_repeat(examples):
  train, held_out = data.splits(CONFIG, SLOTS)
  assert not np.array_equal(
    train.source[0]["position"], held_out.source[0]["position"]
  )
  data.block.cache_clear()
  again = train.source[7]
  for name, array in examples[7].items():
    np.testing.assert_array_equal(array, again[name])
  with pytest.raises(IndexError, match="There are 10 examples, and no 10"):
    held_out.source[10]


def test_flips_are_battles_upside_down():
  """The heuristic's actions in a flipped battle are its flipped actions."""
  begun = battles.begin("3m", jax.random.key(3), 64)
  act = jax.jit(lambda x: battles.orders("3m", x, jax.random.key(0))[0])

  def example(now):
    seen = battles.observe("3m", now, SLOTS)
    expert = battles.from_smax("3m", act(now)[:, :3], SLOTS)
    return {**seen._asdict(), **expert._asdict()}

  over = jnp.array([1.0, -1.0])
  state = begun.state
  flipped = begun._replace(
    state=state.replace(
      unit_positions=jnp.array([0.0, 32.0]) + over * state.unit_positions
    )
  )
  expected, found = data.flip(example(begun)), example(flipped)
  for name, array in expected.items():
    np.testing.assert_allclose(array, found[name], atol=1e-4, err_msg=name)


def test_entities_do_not_depend_on_the_order_of_slots(examples):
  batch = {n: np.stack([x[n] for x in examples]) for n in examples[0]}
  seen, _ = data.to_transition(batch)
  encoded, mask = entities.encode(seen)
  assert encoded.shape == (128, SLOTS, entities.NUM_CHANNELS)
  order = np.random.default_rng(0).permutation(SLOTS)
  place = np.argsort(order)
  other = battles.Units(*(x[:, order] for x in seen))
  other = other._replace(aim=jnp.asarray(place)[other.aim])
  again, other_mask = entities.encode(other)
  np.testing.assert_array_equal(again, encoded[:, order])
  np.testing.assert_array_equal(other_mask, mask[:, order])


def test_the_offset_of_a_target_is_told_where_it_is_seen(examples):
  batch = {n: np.stack([x[n] for x in examples]) for n in examples[0]}
  seen, _ = data.to_transition(batch)
  encoded, mask = (np.asarray(x) for x in entities.encode(seen))
  aims = np.argwhere(mask & np.asarray(seen.aim != np.arange(SLOTS)))
  told = []
  for row, unit in aims:
    target = int(seen.aim[row, unit])
    offset = (seen.position[row, target] - seen.position[row, unit]) / 16
    told.append(bool(mask[row, target]))
    np.testing.assert_allclose(
      encoded[row, unit, 8:10], offset * told[-1], atol=1e-6
    )
    assert encoded[row, unit, 5] == told[-1]
  assert set(told) == {False, True}  # some targets have died


@pytest.mark.parametrize(
  ("options", "message"),
  [
    ({"scenario": "4m"}, "scenario is '4m'; expected one of 3m, 2s3z"),
    ({"num_battles": 0}, "num_battles is 0"),
    ({"max_random_share": 1.5}, "max_random_share is 1.5"),
  ],
)
def test_bad_settings(options, message):
  with pytest.raises(ValueError, match=message):
    data.DataConfig(**options)
