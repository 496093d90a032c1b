"""Losses and metrics, one number per example.

B examples, F classes.
"""

import jax
import jax.numpy as jnp

Array = jax.Array


def smooth_labels(
  targets: Array,  # [B, F]
  amount: float,
) -> Array:  # [B, F]
  """Moves `amount` of each target's mass to all classes in equal parts.

  Args:
    targets: probabilities of the classes.
    amount: in [0, 1]; 0 changes nothing, 1 leaves the uniform distribution.
  """
  return (1 - amount) * targets + amount / targets.shape[-1]


def softmax_cross_entropy(
  logits: Array,  # [B, F]
  targets: Array,  # [B, F]
) -> Array:  # [B]
  """Returns the cross-entropy in nats of each row of `targets`.

  Targets are probabilities, one-hot or soft. The sum is taken in float32.
  """
  log_probabilities = jax.nn.log_softmax(logits.astype(jnp.float32))
  return -jnp.sum(targets * log_probabilities, axis=-1)


def top_k_correct(
  logits: Array,  # [B, F]
  labels: Array,  # [B] integers in [0, F)
  k: int = 1,
) -> Array:  # [B]
  """Returns 1.0 where the label is among the k largest logits, else 0.0.

  Of equal logits the one of the lower class counts as the larger. A logit
  that is not a number counts as larger than the label's, so that a broken
  prediction is never right by accident.
  """
  mine = jnp.take_along_axis(logits, labels[:, None], axis=-1)  # [B, 1]
  classes = jnp.arange(logits.shape[-1])  # [F]
  tied_before = (logits == mine) & (classes < labels[:, None])  # [B, F]
  ahead = ~(logits <= mine) | tied_before  # [B, F]
  return (jnp.sum(ahead, axis=-1) < k).astype(jnp.float32)
