"""Losses and metrics against literals."""

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.starcraft import model
from experiments.starcraft import objective
from experiments.starcraft.game import simulator
from experiments.starcraft.game import units
from tests.helpers.tiny_battles import actions
from tests.helpers.tiny_battles import battle
from tests.helpers.tiny_battles import unit

# Two own units, one enemy, one free slot.
STATE = battle(
  unit("soldier", 0, 0), unit("soldier", 0, 1), unit("giant", 1, 5), free=1
)
TRANSITION = simulator.Transition(STATE, actions(2, "retreat", "hold", "hold"))
# Logits of the probabilities 1/2 and 1.
HALF, SURE = 0.0, 50.0


def decisions(kinds, targets, winning=0.0):
  """Returns one battle's decisions: logits of kinds, and of target 2."""
  row = np.zeros((1, 4, 3), np.float32)
  row[0, :2] = kinds
  pointer = np.full((1, 4, 4), -SURE, np.float32)
  pointer[..., 2] = targets
  return model.Decisions(
    jnp.array(row), jnp.array(pointer), jnp.array([winning])
  )


def measured(given, transition=TRANSITION, won=1.0):
  state, expert = transition
  found = objective.losses(
    given,
    *expert,
    own=units.living(state) & (state.owner == 0),
    attacks=expert.action_kind == units.ActionKind.ATTACK,
    won=jnp.array([won]),
  )
  return {name: float(value[0]) for name, value in found.items()}


def test_the_experts_actions_have_no_loss():
  found = measured(decisions([[0, 0, SURE], [0, SURE, 0]], SURE, winning=SURE))
  assert found == pytest.approx(
    {
      "actions": 0,
      "winning": 0,
      "action_accuracy": 1,
      "action_kind_accuracy": 1,
      "target_accuracy": 1,
      "winning_accuracy": 1,
    },
    abs=1e-6,
  )


def test_a_wrong_target_counts_only_for_attacks():
  """All four targets alike: ln 4 for the one unit that attacks."""
  found = measured(decisions([[0, 0, SURE], [0, SURE, 0]], -SURE, 0.0))
  assert found["actions"] == pytest.approx(np.log(4) / 2)
  assert found["winning"] == pytest.approx(np.log(2))
  assert found["action_kind_accuracy"] == 1
  assert found["action_accuracy"] == 0.5
  assert found["target_accuracy"] == 0


def test_a_wrong_kind_is_a_wrong_action():
  found = measured(decisions([[SURE, 0, 0], [HALF, HALF, -SURE]], SURE))
  assert found["actions"] == pytest.approx((SURE + np.log(2)) / 2)
  assert found["action_kind_accuracy"] == 0
  assert found["action_accuracy"] == 0
  assert found["target_accuracy"] == 1


def test_actions_of_the_other_army_do_not_count():
  given = decisions([[0, 0, SURE], [0, SURE, 0]], SURE)
  other = simulator.Transition(STATE, actions(2, "retreat", 0, "retreat"))
  assert measured(given, other) == measured(given)


@pytest.mark.parametrize(("won", "right"), [(1.0, 1.0), (0.0, 0.0), (0.5, 0.5)])
def test_the_winner(won, right):
  found = measured(decisions(np.zeros((2, 3)), 0, winning=3.0), won=won)
  assert found["winning_accuracy"] == right
  chance = 1 / (1 + np.exp(-3))
  expected = -won * np.log(chance) - (1 - won) * np.log(1 - chance)
  assert found["winning"] == pytest.approx(expected, rel=1e-5)


def test_an_army_without_units():
  gone = STATE._replace(health=STATE.health.at[:, :2].set(0))
  found = measured(
    decisions(np.zeros((2, 3)), 0),
    simulator.Transition(gone, TRANSITION.actions),
  )
  assert found["actions"] == 0
  assert found["action_accuracy"] == 1
