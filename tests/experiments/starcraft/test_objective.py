"""Losses and metrics by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.starcraft import model
from experiments.starcraft import objective
from experiments.starcraft.game import simulator
from tests.helpers.tiny_battles import battle
from tests.helpers.tiny_battles import orders
from tests.helpers.tiny_battles import unit

# Two own units, one enemy, one free slot.
STATE = battle(
  unit("soldier", 0, 0), unit("soldier", 0, 1), unit("giant", 1, 5), free=1
)
MOMENT = simulator.Moment(STATE, orders(2, "retreat", "hold", "hold"))
# Chances of a half, and of what is certain.
HALF, SURE = 0.0, 50.0


def decisions(choices, targets, winning=0.0):
  """Decisions of one battle from logits by unit: choices and target 2."""
  row = np.zeros((1, 4, 3), np.float32)
  row[0, :2] = choices
  pointer = np.full((1, 4, 4), -SURE, np.float32)
  pointer[..., 2] = targets
  return model.Decisions(
    jnp.array(row), jnp.array(pointer), jnp.array([winning])
  )


def measured(given, moment=MOMENT, won=1.0):
  found = objective.losses(given, moment, jnp.array([won]))
  return {name: float(value[0]) for name, value in found.items()}


def test_what_was_commanded_costs_nothing():
  found = measured(decisions([[0, 0, SURE], [0, SURE, 0]], SURE, winning=SURE))
  assert found == pytest.approx(
    {
      "orders": 0,
      "winning": 0,
      "order_accuracy": 1,
      "choice_accuracy": 1,
      "target_accuracy": 1,
      "winning_accuracy": 1,
    },
    abs=1e-6,
  )


def test_a_wrong_target_counts_only_where_there_is_one():
  """All four targets alike: ln 4 for the one unit that attacks."""
  found = measured(decisions([[0, 0, SURE], [0, SURE, 0]], -SURE, 0.0))
  assert found["orders"] == pytest.approx(np.log(4) / 2)
  assert found["winning"] == pytest.approx(np.log(2))
  assert found["choice_accuracy"] == 1
  assert found["order_accuracy"] == 0.5
  assert found["target_accuracy"] == 0


def test_a_wrong_choice_is_a_wrong_order():
  found = measured(decisions([[SURE, 0, 0], [HALF, HALF, -SURE]], SURE))
  assert found["orders"] == pytest.approx((SURE + np.log(2)) / 2)
  assert found["choice_accuracy"] == 0
  assert found["order_accuracy"] == 0
  assert found["target_accuracy"] == 1


def test_orders_to_others_do_not_count():
  given = decisions([[0, 0, SURE], [0, SURE, 0]], SURE)
  other = simulator.Moment(STATE, orders(2, "retreat", 0, "retreat"))
  assert measured(given, other) == measured(given)


@pytest.mark.parametrize(("won", "right"), [(1.0, 1.0), (0.0, 0.0), (0.5, 0.5)])
def test_who_wins(won, right):
  found = measured(decisions(np.zeros((2, 3)), 0, winning=3.0), won=won)
  assert found["winning_accuracy"] == right
  chance = 1 / (1 + np.exp(-3))
  expected = -won * np.log(chance) - (1 - won) * np.log(1 - chance)
  assert found["winning"] == pytest.approx(expected, rel=1e-5)


def test_an_army_that_is_no_more():
  gone = STATE._replace(health=STATE.health.at[:, :2].set(0))
  found = measured(
    decisions(np.zeros((2, 3)), 0), simulator.Moment(gone, MOMENT.orders)
  )
  assert found["orders"] == 0
  assert found["order_accuracy"] == 1
