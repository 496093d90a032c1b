"""Battles step by step: by hand, and laws."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.starcraft.game import scenarios
from experiments.starcraft.game import scripted_policies
from experiments.starcraft.game import simulator
from experiments.starcraft.game import units
from tests.helpers import tiny_battles
from tests.helpers.tiny_battles import battle
from tests.helpers.tiny_battles import orders
from tests.helpers.tiny_battles import unit

CONFIG = scenarios.BattleConfig(num_slots=12, min_units=2, max_units=6)

step = jax.jit(simulator.step)


@jax.jit
def played(state):
  """Plays with the commander on side 0 and the plain script on side 1."""
  scripts = (scripted_policies.command, scripted_policies.charge)
  return simulator.play(scripts, state, 20)


@pytest.fixture(scope="module")
def state():
  draw = jax.jit(scenarios.draw, static_argnums=(1, 2))
  return draw(jax.random.key(0), 8, CONFIG)


def assert_same(found, expected):
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, atol=1e-3), found, expected
  )


def healths(state, given, num_steps):
  """Returns what health one battle's units have after each step."""
  rows = []
  for _ in range(num_steps):
    state = step(state, given)
    rows.append(np.asarray(state.health)[0].tolist())
  return rows


def test_a_duel_of_two_soldiers():
  """Strikes of 6 every second step, at once: 45 beats 30 with 15 left."""
  state = battle(unit("soldier", 0, 0), unit("soldier", 1, 4, health=30))
  assert healths(state, orders(1, 0), 9) == [
    *([39, 24], [39, 24]),
    *([33, 18], [33, 18]),
    *([27, 12], [27, 12]),
    *([21, 6], [21, 6]),
    [15, 0],
  ]


def test_both_may_fall_at_once():
  state = battle(
    unit("soldier", 0, 0, health=6), unit("soldier", 1, 4, health=6)
  )
  assert healths(state, orders(1, 0), 1) == [[0, 0]]


def test_an_archer_strikes_while_a_brute_walks_up():
  """From 9 lengths: 6.5 after both walked, then 5.1, 3.7, 2.3, 0.9."""
  state = battle(unit("brute", 0, 0), unit("archer", 1, 9))
  distances = []
  for _ in range(5):
    state = step(state, orders(1, 0))
    distances.append(float(units.distances(state)[0, 0, 1]))
  np.testing.assert_allclose(distances, [6.5, 5.1, 3.7, 2.3, 0.9], atol=1e-5)
  assert state.health.tolist() == [[91, 35]]
  # Three steps of waiting are over: both strike.
  assert state.cooldown.tolist() == [[0, 0]]
  state = step(state, orders(1, 0))
  assert state.health.tolist() == [[82, 25]]
  assert state.cooldown.tolist() == [[1, 3]]


def test_strikes_add_up():
  state = battle(
    unit("soldier", 0, 0), unit("archer", 0, 1), unit("giant", 1, 3)
  )
  found = step(state, orders(2, 2, "hold"))
  assert found.health.tolist() == [[45, 35, 185]]


def test_retreat_is_away_from_the_nearest_enemy():
  state = battle(
    unit("soldier", 0, 0), unit("brute", 1, 3, 4), unit("brute", 1, -9)
  )
  found = step(state, orders("retreat", "hold", "hold"))
  np.testing.assert_allclose(found.position[0, 0], [-0.6, -0.8], atol=1e-6)
  np.testing.assert_array_equal(found.position[0, 1:], state.position[0, 1:])
  assert_same(found.health, state.health)


def test_nobody_leaves_the_field():
  state = battle(unit("soldier", 0, units.FIELD), unit("brute", 1, 0))
  found = step(state, orders("retreat", "hold"))
  assert float(found.position[0, 0, 0]) == units.FIELD


@pytest.mark.parametrize("target", [0, 1, 3])
def test_an_attack_on_no_living_enemy_is_a_hold(target):
  """On oneself, on a friend, on a free slot."""
  state = battle(
    *(unit("soldier", 0, x, cooldown=1) for x in (0, 1)),
    unit("brute", 1, 2),
    free=1,
  )
  found = step(state, orders(target, "hold", "hold", "hold"))
  held = step(state, orders(*["hold"] * 4))
  assert_same(found, held)
  assert found.cooldown.tolist() == [[0, 0, 0, 0]]
  assert_same(found.health, state.health)


def test_the_dead_do_nothing():
  state = battle(unit("soldier", 0, 0, health=0), unit("soldier", 1, 2))
  found = step(state, orders(1, "hold"))
  assert_same(found, state)


@pytest.mark.parametrize("choice", [units.Choice.HOLD, units.Choice.RETREAT])
def test_without_attackers_there_is_no_harm(state, choice):
  peace = lambda now: units.Orders(
    jnp.full_like(now.kind, choice), jnp.zeros_like(now.kind)
  )
  end, _ = jax.jit(lambda s: simulator.play((peace, peace), s, 5))(state)
  np.testing.assert_array_equal(end.health, state.health)


def test_health_is_lost_only_to_strikes(state):
  """What is lost in a step is at most the damage of those who may strike."""
  end, moments = played(state)
  health = jnp.concatenate([moments.state.health, end.health[None]])
  lost = np.asarray(-jnp.diff(health, axis=0))  # [steps, B, U]
  assert lost.min() >= 0
  can = units.abilities(moments.state)
  attacks = moments.orders.choice == units.Choice.ATTACK
  ready = attacks & (moments.state.cooldown == 0) & (health[:-1] > 0)
  most = jnp.sum(jnp.where(ready, can.damage, 0), axis=-1)
  assert np.all(lost.sum(axis=-1) <= np.asarray(most) + 1e-3)
  assert lost.sum() > 0


def test_exchanged_owners_exchange_the_winner(state):
  exchanged = state._replace(owner=1 - state.owner)
  scripts = (scripted_policies.charge, scripted_policies.command)
  other, _ = jax.jit(lambda s: simulator.play(scripts, s, 20))(exchanged)
  end, _ = played(state)
  assert_same(simulator.advantage(other), -simulator.advantage(end))
  assert np.abs(simulator.advantage(end)).max() == 1


def test_slots_make_no_difference(state):
  order = jax.random.permutation(jax.random.key(1), CONFIG.num_slots)
  end, _ = played(state)
  other, _ = played(tiny_battles.permuted(state, order))
  assert_same(other.health, end.health[:, order])


def test_the_same_battle_ends_the_same(state):
  one, other = played(state), played(state)
  chex.assert_trees_all_equal(one, other)


def test_battles_know_nothing_of_one_another(state):
  end, _ = played(state)
  again, _ = played(jax.tree.map(lambda x: x.at[1:].set(x[:-1]), state))
  assert_same(again.health[:2], end.health[jnp.array([0, 0])])


def test_an_empty_field_stays_empty():
  state = battle(free=12)
  end, moments = played(jax.tree.map(lambda x: jnp.repeat(x, 8, 0), state))
  assert_same(end.health, jnp.zeros((8, 12)))
  assert np.all(moments.orders.choice == units.Choice.HOLD)
  assert simulator.advantage(end).tolist() == [0] * 8


def test_advantage():
  state = battle(
    unit("soldier", 0, 0, health=30), unit("brute", 1, 0, health=10), free=1
  )
  assert float(simulator.advantage(state)[0]) == pytest.approx(0.5)
