"""The simulator: literal steps, and laws."""

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
from tests.helpers.tiny_battles import actions
from tests.helpers.tiny_battles import battle
from tests.helpers.tiny_battles import unit

CONFIG = scenarios.ScenarioConfig(num_slots=12, min_units=2, max_units=6)

step = jax.jit(simulator.step)


@jax.jit
def simulated(state):
  """Simulates the expert on side 0 against the baseline on side 1."""
  policies = (scripted_policies.expert, scripted_policies.baseline)
  return simulator.rollout(policies, state, 20)


@pytest.fixture(scope="module")
def state():
  sample = jax.jit(scenarios.sample, static_argnums=(1, 2))
  return sample(jax.random.key(0), 8, CONFIG)


def assert_same(found, expected):
  chex.assert_trees_all_close(found, expected, atol=1e-3)


def healths(state, given, num_steps):
  """Returns the health of one battle's units after each step."""
  rows = []
  for _ in range(num_steps):
    state = step(state, given)
    rows.append(np.asarray(state.health)[0].tolist())
  return rows


def test_a_duel_of_two_soldiers():
  """Strikes of 6 every second step, at once: 45 beats 30 with 15 left."""
  state = battle(unit("soldier", 0, 0), unit("soldier", 1, 4, health=30))
  assert healths(state, actions(1, 0), 9) == [
    *([39, 24], [39, 24]),
    *([33, 18], [33, 18]),
    *([27, 12], [27, 12]),
    *([21, 6], [21, 6]),
    [15, 0],
  ]


def test_two_units_may_die_in_one_step():
  state = battle(
    unit("soldier", 0, 0, health=6), unit("soldier", 1, 4, health=6)
  )
  assert healths(state, actions(1, 0), 1) == [[0, 0]]


def test_an_archer_strikes_while_a_brute_walks_up():
  """At 9 lengths both walk; then only the brute does, 1.4 a step."""
  state = battle(unit("brute", 0, 0), unit("archer", 1, 9))
  distances = []
  for _ in range(5):
    state = step(state, actions(1, 0))
    distances.append(float(units.distances(state)[0, 0, 1]))
  np.testing.assert_allclose(distances, [6.5, 5.1, 3.7, 2.3, 0.9], atol=1e-5)
  assert state.health.tolist() == [[91, 35]]
  # Three steps of waiting are over: both strike.
  assert state.cooldown.tolist() == [[0, 0]]
  state = step(state, actions(1, 0))
  assert state.health.tolist() == [[82, 25]]
  assert state.cooldown.tolist() == [[1, 3]]


def test_strikes_add_up():
  state = battle(
    unit("soldier", 0, 0), unit("archer", 0, 1), unit("giant", 1, 3)
  )
  found = step(state, actions(2, 2, "hold"))
  assert found.health.tolist() == [[45, 35, 185]]


def test_retreat_is_away_from_the_nearest_enemy():
  state = battle(
    unit("soldier", 0, 0), unit("brute", 1, 3, 4), unit("brute", 1, -9)
  )
  found = step(state, actions("retreat", "hold", "hold"))
  np.testing.assert_allclose(found.position[0, 0], [-0.6, -0.8], atol=1e-6)
  np.testing.assert_array_equal(found.position[0, 1:], state.position[0, 1:])
  assert_same(found.health, state.health)


def test_units_stay_on_the_field():
  state = battle(unit("soldier", 0, units.FIELD), unit("brute", 1, 0))
  found = step(state, actions("retreat", "hold"))
  assert float(found.position[0, 0, 0]) == units.FIELD


@pytest.mark.parametrize("target", [0, 1, 3])
def test_an_attack_on_no_living_enemy_is_a_hold(target):
  """A unit attacks itself, a friend, a free slot."""
  state = battle(
    *(unit("soldier", 0, x, cooldown=1) for x in (0, 1)),
    unit("brute", 1, 2),
    free=1,
  )
  found = step(state, actions(target, "hold", "hold", "hold"))
  held = step(state, actions(*["hold"] * 4))
  assert_same(found, held)
  assert found.cooldown.tolist() == [[0, 0, 0, 0]]
  assert_same(found.health, state.health)


def test_dead_units_do_nothing():
  state = battle(unit("soldier", 0, 0, health=0), unit("soldier", 1, 2))
  found = step(state, actions(1, "hold"))
  assert_same(found, state)


@pytest.mark.parametrize(
  "kind", [units.ActionKind.HOLD, units.ActionKind.RETREAT]
)
def test_without_attacks_no_health_is_lost(state, kind):
  peace = lambda now: units.Actions(
    jnp.full_like(now.kind, kind), jnp.zeros_like(now.kind)
  )
  end, _ = jax.jit(lambda s: simulator.rollout((peace, peace), s, 5))(state)
  np.testing.assert_array_equal(end.health, state.health)


def test_health_is_lost_only_to_strikes(state):
  """The loss of a step is at most the damage of the units that may strike."""
  end, transitions = simulated(state)
  health = jnp.concatenate([transitions.state.health, end.health[None]])
  lost = np.asarray(-jnp.diff(health, axis=0))  # [steps, B, U]
  assert lost.min() >= 0
  can = units.abilities(transitions.state)
  attacks = transitions.actions.action_kind == units.ActionKind.ATTACK
  ready = attacks & (transitions.state.cooldown == 0) & (health[:-1] > 0)
  most = jnp.sum(jnp.where(ready, can.damage, 0), axis=-1)
  assert np.all(lost.sum(axis=-1) <= np.asarray(most) + 1e-3)
  assert lost.sum() > 0


def test_exchanged_owners_exchange_the_winner(state):
  exchanged = state._replace(owner=1 - state.owner)
  policies = (scripted_policies.baseline, scripted_policies.expert)
  other, _ = jax.jit(lambda s: simulator.rollout(policies, s, 20))(exchanged)
  end, _ = simulated(state)
  assert_same(simulator.margin(other), -simulator.margin(end))
  assert np.abs(simulator.margin(end)).max() == 1


def test_slots_may_be_permuted(state):
  order = jax.random.permutation(jax.random.key(1), CONFIG.num_slots)
  end, _ = simulated(state)
  other, _ = simulated(tiny_battles.permuted(state, order))
  assert_same(other.health, end.health[:, order])


def test_the_same_battle_ends_the_same(state):
  one, other = simulated(state), simulated(state)
  chex.assert_trees_all_equal(one, other)


def test_battles_of_a_batch_are_independent(state):
  end, _ = simulated(state)
  again, _ = simulated(jax.tree.map(lambda x: x.at[1:].set(x[:-1]), state))
  assert_same(again.health[:2], end.health[jnp.array([0, 0])])


def test_an_empty_field_stays_empty():
  state = battle(free=12)
  end, transitions = simulated(
    jax.tree.map(lambda x: jnp.repeat(x, 8, 0), state)
  )
  assert_same(end.health, jnp.zeros((8, 12)))
  assert np.all(transitions.actions.action_kind == units.ActionKind.HOLD)
  assert simulator.margin(end).tolist() == [0] * 8


def test_margin():
  state = battle(
    unit("soldier", 0, 0, health=30), unit("brute", 1, 0, health=10), free=1
  )
  assert float(simulator.margin(state)[0]) == pytest.approx(0.5)
