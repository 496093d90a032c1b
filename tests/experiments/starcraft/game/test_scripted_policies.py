"""What the scripts order, case by case."""

import jax
import numpy as np
import pytest

from experiments.starcraft.game import scenarios
from experiments.starcraft.game import scripted_policies
from experiments.starcraft.game import units
from tests.helpers import tiny_battles
from tests.helpers.tiny_battles import battle
from tests.helpers.tiny_battles import unit
from tests.helpers.tiny_battles import words

# Battles of up to 6 units, in one shape, so that all are compiled once.
_SLOTS = 6

command = jax.jit(scripted_policies.command)


def ordered(*rows):
  """Returns the commander's orders to one battle's units, in words."""
  given = words(command(battle(*rows, free=_SLOTS - len(rows))))
  assert given[len(rows) :] == ["hold"] * (_SLOTS - len(rows))
  return given[: len(rows)]


def test_near_and_weak_enemies_are_attacked():
  soldier = unit("soldier", 0, 0)
  near, far = unit("giant", 1, 2), unit("giant", 1, 3)
  assert ordered(soldier, near, far)[0] == 1
  # 15 health less make up for one length more, within reach …
  assert ordered(soldier, near, unit("giant", 1, 3, health=184))[0] == 2
  assert ordered(soldier, near, unit("giant", 1, 3, health=186))[0] == 1
  # … and 30 for one beyond.
  beyond = lambda health: unit("giant", 1, -6, health=health)
  # 2 + 200 / 15 = 15.33 is the nearer one's cost; 6 + 1 the distance's.
  assert ordered(soldier, near, beyond(124))[0] == 2
  assert ordered(soldier, near, beyond(126))[0] == 1


def test_no_strike_is_wasted():
  """6 of health need one soldier's strike, the nearest one's."""
  soldiers = [unit("soldier", 0, x, y) for x, y in ((0, 1), (0, 2), (0, 3))]
  prey, other = unit("archer", 1, 1, 0, health=6), unit("archer", 1, 4)
  assert ordered(*soldiers, prey)[:3] == [3, "hold", "hold"]
  assert ordered(*soldiers, prey, other)[:3] == [3, 4, 4]
  tougher = unit("archer", 1, 1, 0, health=7)
  assert ordered(*soldiers, tougher)[:3] == [3, 3, "hold"]


def test_only_those_who_strike_now_count():
  prey = unit("archer", 1, 1, 0, health=6)
  waiting = unit("giant", 0, 0, 1, cooldown=2)
  assert ordered(waiting, unit("soldier", 0, 0, 2), prey)[:2] == [2, 2]
  distant = unit("brute", 0, 6)
  assert ordered(distant, unit("soldier", 0, 0), prey)[:2] == [2, 2]


def test_the_weak_flee_where_they_are_outnumbered():
  enemies = [unit("giant", 1, 5, y) for y in (0, 1)]
  weak, well = (unit("soldier", 0, 0, health=h) for h in (17, 19))
  assert ordered(weak, *enemies)[0] == "retreat"
  assert ordered(well, *enemies)[0] != "retreat"
  friends = [unit("giant", 0, -5, y) for y in (0, 1)]
  assert ordered(weak, *friends, *enemies)[0] != "retreat"
  out_of_sight = [unit("giant", 0, -7, y) for y in (0, 1)]
  assert ordered(weak, *out_of_sight, *enemies)[0] == "retreat"


def test_archers_evade_while_they_wait():
  brute = unit("brute", 1, 2.9)
  assert ordered(unit("archer", 0, 0, cooldown=1), brute)[0] == "retreat"
  assert ordered(unit("archer", 0, 0), brute)[0] == 1
  far = unit("brute", 1, 3.1)
  assert ordered(unit("archer", 0, 0, cooldown=1), far)[0] == 1
  # No use in evading who reaches farther.
  assert ordered(unit("brute", 0, 0, cooldown=1), unit("archer", 1, 2))[0] == 1


def test_without_enemies_everybody_holds():
  both = [unit("soldier", 0, 0), unit("archer", 0, 1)]
  assert ordered(*both) == ["hold", "hold"]
  assert ordered() == []
  state = battle(unit("soldier", 0, 0), free=1)
  assert words(scripted_policies.charge(state)) == ["hold", "hold"]


def test_the_dead_are_no_targets():
  dead = unit("archer", 1, 1, health=0)
  assert ordered(unit("soldier", 0, 0), dead, unit("brute", 1, 4))[:2] == [
    2,
    "hold",
  ]


def test_the_plain_script_attacks_the_nearest():
  state = battle(
    unit("soldier", 0, 0), unit("giant", 1, 2), unit("archer", 1, 3, health=1)
  )
  assert words(scripted_policies.charge(state)) == [1, 0, 0]


@pytest.mark.parametrize(
  "script", [scripted_policies.command, scripted_policies.charge]
)
def test_orders_permute_with_the_units(script):
  script = jax.jit(script)
  config = scenarios.BattleConfig(num_slots=12, min_units=3, max_units=6)
  state = jax.jit(scenarios.draw, static_argnums=(1, 2))(
    jax.random.key(0), 16, config
  )
  order = jax.random.permutation(jax.random.key(1), 12)
  given = script(state)
  found = script(tiny_battles.permuted(state, order))
  np.testing.assert_array_equal(found.choice, given.choice[:, order])
  attacks = np.asarray(found.choice) == units.Choice.ATTACK
  target = np.asarray(order)[np.asarray(found.target)]
  expected = np.asarray(given.target[:, order])
  np.testing.assert_array_equal(target[attacks], expected[attacks])
  assert attacks.any()
