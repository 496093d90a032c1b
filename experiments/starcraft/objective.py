"""How well decisions agree with what was commanded."""

import jax
import jax.numpy as jnp

from experiments.starcraft import model
from experiments.starcraft.game import simulator
from experiments.starcraft.game import units
from experiments.training import losses as training_losses

Array = jax.Array


def to_orders(decisions: model.Decisions) -> units.Orders:
  """Returns the likeliest choice and target of every unit."""
  choice = jnp.argmax(decisions.choices, axis=-1)  # [B, U]
  target = jnp.argmax(decisions.targets, axis=-1)  # [B, U]
  attacks = choice == units.Choice.ATTACK
  return units.Orders(choice, jnp.where(attacks, target, 0))


def losses(
  decisions: model.Decisions,
  moment: simulator.Moment,
  won: Array,  # [B], 1, 0 or 0.5
) -> dict[str, Array]:  # {name: [B]}
  """Compares decisions with the orders to the living units of army 0.

  Returns:
    "orders": mean cross-entropy over these units, in nats, of the choice and,
      where it is to attack, of the target; 0 without units.
    "winning": cross-entropy of who wins in the end.
    "order_accuracy": part of the units whose choice is right, and their target
      if there is one; 1 without units.
    "choice_accuracy": part of the units whose choice is right.
    "target_accuracy": part of those that should attack whose target is right.
    "winning_accuracy": 1 if the likelier winner wins.
  """
  state, orders = moment
  own = units.living(state) & (state.owner == 0)  # [B, U]
  attacks = orders.choice == units.Choice.ATTACK  # [B, U]
  nats = _cross_entropy(decisions.choices, orders.choice)
  nats += attacks * _cross_entropy(decisions.targets, orders.target)
  choice = jnp.argmax(decisions.choices, axis=-1) == orders.choice
  target = jnp.argmax(decisions.targets, axis=-1) == orders.target
  chances = jnp.stack([1 - won, won], axis=-1)  # [B, 2]
  logits = jnp.stack([jnp.zeros_like(won), decisions.winning], axis=-1)
  says_won = decisions.winning > 0
  return {
    "orders": _mean_over(nats, own, 0.0),
    "winning": training_losses.softmax_cross_entropy(logits, chances),
    "order_accuracy": _mean_over(choice & (target | ~attacks), own, 1.0),
    "choice_accuracy": _mean_over(choice, own, 1.0),
    "target_accuracy": _mean_over(target, own & attacks, 1.0),
    "winning_accuracy": jnp.where(says_won, won, 1 - won),
  }


def _cross_entropy(
  logits: Array,  # [B, U, F]
  labels: Array,  # [B, U] integers
) -> Array:  # [B, U]
  chances = jax.nn.log_softmax(logits.astype(jnp.float32))
  return -units.towards(chances, labels)


def _mean_over(values: Array, counted: Array, otherwise: float) -> Array:
  """Returns means [B] of [B, U] over what counts."""
  total = jnp.sum(jnp.where(counted, values, 0), axis=1, dtype=jnp.float32)
  number = jnp.sum(counted, axis=1)
  return jnp.where(number > 0, total / jnp.maximum(number, 1), otherwise)
