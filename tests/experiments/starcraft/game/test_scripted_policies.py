"""Actions of the scripted policies, case by case."""

import jax
import numpy as np
import pytest

from experiments.starcraft.game import scenarios
from experiments.starcraft.game import scripted_policies
from experiments.starcraft.game import units
from tests.helpers import tiny_battles
from tests.helpers.tiny_battles import action_names
from tests.helpers.tiny_battles import battle
from tests.helpers.tiny_battles import unit

# Battles of up to 6 units, in one shape, so that all are compiled once.
_SLOTS = 6

expert = jax.jit(scripted_policies.expert)


def expert_actions(*rows):
  """Returns the names of the expert's actions in one battle."""
  given = action_names(expert(battle(*rows, free=_SLOTS - len(rows))))
  assert given[len(rows) :] == ["hold"] * (_SLOTS - len(rows))
  return given[: len(rows)]


def test_near_and_weak_enemies_are_attacked():
  soldier = unit("soldier", 0, 0)
  near, far = unit("giant", 1, 2), unit("giant", 1, 3)
  assert expert_actions(soldier, near, far)[0] == 1
  # A difference of 15 in health is worth one length within reach …
  assert expert_actions(soldier, near, unit("giant", 1, 3, health=184))[0] == 2
  assert expert_actions(soldier, near, unit("giant", 1, 3, health=186))[0] == 1
  # … and 30 for one beyond.
  beyond = lambda health: unit("giant", 1, -6, health=health)
  # 2 + 200 / 15 = 15.33 is the nearer one's cost; 6 + 1 the distance's.
  assert expert_actions(soldier, near, beyond(124))[0] == 2
  assert expert_actions(soldier, near, beyond(126))[0] == 1


def test_no_strike_is_wasted():
  """6 of health need one soldier's strike, the nearest one's."""
  soldiers = [unit("soldier", 0, x, y) for x, y in ((0, 1), (0, 2), (0, 3))]
  prey, other = unit("archer", 1, 1, 0, health=6), unit("archer", 1, 4)
  assert expert_actions(*soldiers, prey)[:3] == [3, "hold", "hold"]
  assert expert_actions(*soldiers, prey, other)[:3] == [3, 4, 4]
  tougher = unit("archer", 1, 1, 0, health=7)
  assert expert_actions(*soldiers, tougher)[:3] == [3, 3, "hold"]


def test_only_units_that_strike_now_count():
  prey = unit("archer", 1, 1, 0, health=6)
  waiting = unit("giant", 0, 0, 1, cooldown=2)
  assert expert_actions(waiting, unit("soldier", 0, 0, 2), prey)[:2] == [2, 2]
  distant = unit("brute", 0, 6)
  assert expert_actions(distant, unit("soldier", 0, 0), prey)[:2] == [2, 2]


def test_weak_units_flee_where_they_are_outnumbered():
  enemies = [unit("giant", 1, 5, y) for y in (0, 1)]
  weak, well = (unit("soldier", 0, 0, health=h) for h in (17, 19))
  assert expert_actions(weak, *enemies)[0] == "retreat"
  assert expert_actions(well, *enemies)[0] != "retreat"
  friends = [unit("giant", 0, -5, y) for y in (0, 1)]
  assert expert_actions(weak, *friends, *enemies)[0] != "retreat"
  out_of_sight = [unit("giant", 0, -7, y) for y in (0, 1)]
  assert expert_actions(weak, *out_of_sight, *enemies)[0] == "retreat"


def test_archers_evade_while_they_wait():
  brute = unit("brute", 1, 2.9)
  assert expert_actions(unit("archer", 0, 0, cooldown=1), brute)[0] == "retreat"
  assert expert_actions(unit("archer", 0, 0), brute)[0] == 1
  far = unit("brute", 1, 3.1)
  assert expert_actions(unit("archer", 0, 0, cooldown=1), far)[0] == 1
  # Enemies of longer reach are not evaded.
  assert (
    expert_actions(unit("brute", 0, 0, cooldown=1), unit("archer", 1, 2))[0]
    == 1
  )


def test_without_enemies_all_units_hold():
  both = [unit("soldier", 0, 0), unit("archer", 0, 1)]
  assert expert_actions(*both) == ["hold", "hold"]
  assert expert_actions() == []
  state = battle(unit("soldier", 0, 0), free=1)
  assert action_names(scripted_policies.baseline(state)) == ["hold", "hold"]


def test_dead_units_are_no_targets():
  dead = unit("archer", 1, 1, health=0)
  assert expert_actions(unit("soldier", 0, 0), dead, unit("brute", 1, 4))[
    :2
  ] == [
    2,
    "hold",
  ]


def test_the_baseline_attacks_the_nearest():
  state = battle(
    unit("soldier", 0, 0), unit("giant", 1, 2), unit("archer", 1, 3, health=1)
  )
  assert action_names(scripted_policies.baseline(state)) == [1, 0, 0]


@pytest.mark.parametrize(
  "policy", [scripted_policies.expert, scripted_policies.baseline]
)
def test_actions_permute_with_the_units(policy):
  policy = jax.jit(policy)
  config = scenarios.ScenarioConfig(num_slots=12, min_units=3, max_units=6)
  state = jax.jit(scenarios.sample, static_argnums=(1, 2))(
    jax.random.key(0), 16, config
  )
  order = jax.random.permutation(jax.random.key(1), 12)
  given = policy(state)
  found = policy(tiny_battles.permuted(state, order))
  np.testing.assert_array_equal(found.action_kind, given.action_kind[:, order])
  attacks = np.asarray(found.action_kind) == units.ActionKind.ATTACK
  target = np.asarray(order)[np.asarray(found.target)]
  expected = np.asarray(given.target[:, order])
  np.testing.assert_array_equal(target[attacks], expected[attacks])
  assert attacks.any()
