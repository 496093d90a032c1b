"""SMAX's battles: what allies see, slots, actions, ends."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.data import files
from experiments.starcraft import model
from experiments.starcraft.smax import battles
from experiments.starcraft.smax import matches

SCENARIO, ALLIES, ENEMIES, SLOTS = "5m_vs_6m", 5, 6, 12
ATTACK, STOP = battles.ActionKind.ATTACK, battles.ActionKind.STOP


@pytest.fixture(scope="module")
def first():
  with jax.enable_x64(False):
    return battles.begin(SCENARIO, jax.random.key(0), 2)


def placed(first, positions, **changes):
  """Returns the battles with units at positions of x, in one row."""
  where = jnp.stack([jnp.array(positions), jnp.full(11, 16.0)], -1)
  where = jnp.broadcast_to(where, (2, 11, 2)).astype(jnp.float32)
  state = first.state.replace(unit_positions=where, **changes)
  return first._replace(state=state)


def test_the_tables_are_those_of_the_package():
  for scenario, sizes in battles.SIZES.items():
    env = battles.environment(scenario)
    assert (env.num_allies, env.num_enemies) == sizes
    assert env.max_steps == battles.MAX_STEPS
    assert env.map_width == env.map_height == 2 * battles.HALF_WIDTH
    assert env.num_movement_actions == ATTACK
  assert env.unit_type_names == [kind.name for kind in battles.KINDS]
  for name, table in (
    ("health", env.unit_type_health),
    ("cooldown", env.unit_type_weapon_cooldowns),
  ):
    found = [getattr(kind, name) for kind in battles.KINDS]
    np.testing.assert_allclose(found, table, rtol=1e-6)


def test_streams_survive_the_packages_import(capsys):
  before = sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__
  battles._library.__wrapped__()
  assert (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__) == before
  assert capsys.readouterr() == ("", "")


def test_without_the_package_its_extra_is_named(monkeypatch):
  monkeypatch.setitem(sys.modules, "jaxmarl.environments.smax.smax_env", None)
  with pytest.raises(files.InputError, match=r"pip install -e '\.\[smax\]'"):
    battles._library.__wrapped__()


def test_allies_see_what_one_of_them_sees(first):
  """Marines see nine lengths far."""
  x = [4.0, 5.0, 6.0, 7.0, 10.0, 18.9, 19.1, 30.0, 25.0, 12.0, 12.0]
  health = first.state.unit_health.at[:, 9].set(0)
  alive = health > 0
  seen = battles.observe(
    SCENARIO, placed(first, x, unit_health=health, unit_alive=alive), SLOTS
  )
  shown = np.flatnonzero(seen.health[0]).tolist()
  assert shown == [0, 1, 2, 3, 4, 5, 10]
  np.testing.assert_allclose(seen.position[0, 5], [2.9, 0], atol=1e-5)
  assert seen.owner[0, :11].tolist() == [0] * 5 + [1, 0, 0, 0, 0, 1]
  for x in seen:
    assert x.shape[:2] == (2, SLOTS)
    hidden = [i for i in range(SLOTS) if i not in shown]
    assert not np.any(np.asarray(x)[0, hidden])
  dead = alive.at[:, 4].set(False)  # who alone saw slot 5
  alone = battles.observe(
    SCENARIO,
    placed(first, [4.0] * 4 + [10.0] + [18.9] * 6, unit_alive=dead),
    SLOTS,
  )
  assert not np.any(alone.health[0, 5:])


def test_attacks_hit_the_slots_they_name(first):
  """Allies count enemies from the first, enemies allies from the last."""
  x = [14.0, 14.5, 15.0, 15.5, 16.0, 16.5, 17.0, 17.5, 18.0, 18.5, 19.0]
  now = placed(first, x)
  wanted = {1: 7, 8: 4}  # slot: target
  actions = jnp.full((2, 11), int(STOP)).at[:, 1].set(ATTACK + 2)
  actions = actions.at[:, 8].set(ATTACK + 0)
  after = battles.step(SCENARIO, now, actions, jax.random.key(1))
  lost = (now.state.unit_health - after.state.unit_health)[0]
  assert np.flatnonzero(lost > 0).tolist() == sorted(wanted.values())
  aim = battles.observe(SCENARIO, after, SLOTS).aim[0]
  for slot in range(11):
    assert aim[slot] == wanted.get(slot, slot)
  own = battles.from_smax(SCENARIO, actions[:, :ALLIES], SLOTS)
  assert (own.action_kind[0, 1], own.target[0, 1]) == (ATTACK, 7)
  assert own.action_kind[0, 0] == own.action_kind[0, -1] == STOP


def test_the_heuristic_strikes_the_nearest_in_range(first):
  x = [10.0, 10.1, 10.2, 10.3, 10.4, 14.0, 13.0, 26.0, 26.1, 26.2, 26.3]
  actions, _ = battles.orders(SCENARIO, placed(first, x), jax.random.key(0))
  assert actions[0, :ALLIES].tolist() == [ATTACK + 1] * ALLIES
  assert actions[0, 5:7].tolist() == [ATTACK] * 2  # the last ally
  assert actions[0, 7:].tolist() == [battles.ActionKind.LEFT] * 4


def test_ends_and_points(first):
  gone = lambda *slots: first.state.unit_health.at[:, list(slots)].set(0)
  ends = {1.0: range(5, 11), 0.0: range(5), 0.5: range(11)}
  for points, slots in ends.items():
    health = gone(*slots)
    state = first.state.replace(unit_health=health, unit_alive=health > 0)
    found = battles.points(SCENARIO, first._replace(state=state))
    assert found.tolist() == [points] * 2
  state = first.state.replace(done=jnp.array([True, False]))
  moved = battles.step(
    SCENARIO,
    first._replace(state=state),
    jnp.zeros((2, 11), jnp.int32),
    jax.random.key(0),
  )
  still = np.all(
    np.asarray(moved.state.unit_positions == state.unit_positions), axis=(1, 2)
  )
  assert still.tolist() == [True, False]


def test_only_available_actions_are_chosen():
  """Two allies, three enemies, of which one is in range of one ally."""
  available = np.ones((1, 2, 8), bool)
  available[0, 0, ATTACK:] = False
  available[0, 1, ATTACK:] = [False, True, False]
  kinds = np.zeros((1, 6, 6), np.float32)
  kinds[..., ATTACK], kinds[..., 2] = 2, 1
  targets = np.tile(np.arange(6, dtype=np.float32), (1, 6, 1))
  decisions = model.Decisions(kinds, targets, np.zeros(1))
  found = matches.choose(decisions, jnp.array(available))
  assert found.tolist() == [[2, ATTACK + 1]]


def test_equal_armies_of_the_heuristic_win_as_often():
  config = matches.RolloutConfig(num_battles=128)
  rate = matches.win_rate(None, None, "3m", 8, config)
  assert rate == pytest.approx(0.5, abs=0.15)  # 3.4 standard deviations
  assert rate == matches.win_rate(None, None, "3m", 8, config)
