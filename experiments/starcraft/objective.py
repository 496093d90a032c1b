"""Loss and metrics of decisions, against the expert's actions."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Float32, Integer, Shaped
import numpy as np

from experiments.starcraft import model
from experiments.starcraft.game import units
from experiments.training import losses as training_losses

# Of the loss: a battle has many actions and one winner.
WINNING_WEIGHT = 0.1


def total(found: Mapping[str, Array]) -> Array:
  """Returns the loss: that of actions, and a tenth of that of winning."""
  return found["actions"] + WINNING_WEIGHT * found["winning"]


def to_actions(decisions: model.Decisions) -> units.Actions:
  """Returns the likeliest action of every unit."""
  kind = jnp.argmax(decisions.action_kinds, axis=-1)  # [B, U]
  target = jnp.argmax(decisions.targets, axis=-1)  # [B, U]
  attacks = kind == units.ActionKind.ATTACK
  return units.Actions(kind, jnp.where(attacks, target, 0))


def losses(
  decisions: model.Decisions,
  action_kind: Integer[Array, "B U"],
  target: Integer[Array, "B U"],
  own: Bool[Array, "B U"],
  attacks: Bool[Array, "B U"],
  won: Float[Array | np.ndarray, "B"],
) -> dict[str, Float[Array, "B"]]:
  """Compares decisions with the actions of an army's living units.

  Args:
    decisions: of the policy.
    action_kind: the expert's actions.
    target: their targets.
    own: True for the units that are compared.
    attacks: True for actions that have a target.
    won: 1 if the army wins, 0 if it loses, 0.5 for a draw.

  Returns:
    "actions": mean cross-entropy over these units, in nats, of the kind of
      action and, for attacks, of the target; 0 without units.
    "winning": cross-entropy of the winner.
    "action_accuracy": share of the units with the right kind of action and,
      for attacks, the right target; 1 without units.
    "action_kind_accuracy": share of the units with the right kind of action.
    "target_accuracy": share of the attacking units with the right target.
    "winning_accuracy": 1 if the likelier winner wins.
  """
  nats = _cross_entropy(decisions.action_kinds, action_kind)
  nats += attacks * _cross_entropy(decisions.targets, target)
  kind = jnp.argmax(decisions.action_kinds, axis=-1) == action_kind
  right = jnp.argmax(decisions.targets, axis=-1) == target
  probabilities = jnp.stack([1 - won, won], axis=-1)  # [B, 2]
  logits = jnp.stack([jnp.zeros_like(won), decisions.winning], axis=-1)
  predicted = decisions.winning > 0
  return {
    "actions": _mean_over(nats, own, 0.0),
    "winning": training_losses.softmax_cross_entropy(logits, probabilities),
    "action_accuracy": _mean_over(kind & (right | ~attacks), own, 1.0),
    "action_kind_accuracy": _mean_over(kind, own, 1.0),
    "target_accuracy": _mean_over(right, own & attacks, 1.0),
    "winning_accuracy": jnp.where(predicted, won, 1 - won),
  }


def _cross_entropy(
  logits: Float[Array, "B U F"], labels: Integer[Array, "B U"]
) -> Float32[Array, "B U"]:
  log_probabilities = jax.nn.log_softmax(logits.astype(jnp.float32))
  return -units.take_target(log_probabilities, labels)


def _mean_over(
  values: Shaped[Array, "B U"], mask: Bool[Array, "B U"], otherwise: float
) -> Float32[Array, "B"]:
  """Returns means of values where the mask is True."""
  total = jnp.sum(jnp.where(mask, values, 0), axis=1, dtype=jnp.float32)
  number = jnp.sum(mask, axis=1)
  return jnp.where(number > 0, total / jnp.maximum(number, 1), otherwise)
