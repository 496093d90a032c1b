"""Losses and metrics: per example, and their means between rows of the log.

B examples, F classes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Float32, Int, Int32, Integer
import numpy as np
import optax

from perceiver import errors

# The metrics whose every value must be a number for training to go on.
GUARDED = ("loss", "gradient_norm")
# The steps left out because one of them was none; only where that is wanted.
SKIPPED = "skipped_steps"


class NonFiniteError(errors.PerceiverError, FloatingPointError):
  """Training has produced a loss or a gradient that is not a number."""


def softmax_cross_entropy(
  logits: Float[Array, "B F"],
  targets: Float[Array | np.ndarray, "B F"],
) -> Float32[Array, "B"]:
  """Returns optax's cross-entropy in nats; rows of targets sum to one."""
  return optax.losses.softmax_cross_entropy(logits.astype(jnp.float32), targets)


def divergence(
  logits: Float[Array, "*B F"], wanted: Float[Array, "*B F"]
) -> Float32[Array, "*B"]:
  """Returns the Kullback-Leibler divergence, nats, from a teacher's logits."""
  log_probabilities = jax.nn.log_softmax(logits.astype(jnp.float32))
  targets = jax.nn.log_softmax(wanted.astype(jnp.float32))
  return optax.losses.kl_divergence_with_log_targets(log_probabilities, targets)


class HasLogits:
  """A task whose outputs are logits, to be compared by their divergence."""

  def distance(
    self, outputs: Float[Array, "B F"], wanted: Float[Array, "B F"], batch: Any
  ) -> Float32[Array, "B"]:
    """Returns the divergence of outputs from those of a teacher, nats."""
    del batch
    return divergence(outputs, wanted)

  def logits_and_labels(
    self, variables: Any, batch: Any
  ) -> tuple[Float[Array, "B F"], Integer[Array, "B"]]:
    """Returns the logits and labels of a batch of the evaluation.

    Raises:
      ValueError: if examples may have several labels.
    """
    if batch["labels"].ndim > 1:
      raise ValueError("an example has several labels; expected one for each")
    losses: Any = self.losses  # type: ignore[attr-defined]
    found = losses(variables, batch, rng=None, is_training=False)
    return found.outputs, batch["labels"]


def top_k_correct(
  logits: Float[Array, "B F"],
  labels: Integer[Array | np.ndarray, "B"],
  k: int = 1,
) -> Float32[Array, "B"]:
  """Returns 1.0 where the label is among the k largest logits, else 0.0.

  Labels are in [0, F).
  Of equal logits the one of the lower class counts as the larger. A logit
  that is not a number counts as larger than the label's, so that a broken
  prediction is never right by accident.
  """
  mine = jnp.take_along_axis(logits, labels[:, None], axis=-1)  # [B, 1]
  classes = jnp.arange(logits.shape[-1])  # [F]
  tied_before = (logits == mine) & (classes < labels[:, None])  # [B, F]
  ahead = ~(logits <= mine) | tied_before  # [B, F]
  return (jnp.sum(ahead, axis=-1) < k).astype(jnp.float32)


class Running(NamedTuple):
  """The sums since the last row of the log.

  It is part of the training state, and so of a checkpoint, in order that an
  interrupted run writes the same rows as one that never stopped.
  """

  # Of every metric, the sum over steps of the batch's mean.
  sums: Mapping[str, Float[Array, ""]]
  num_steps: Int32[Array, ""]
  broken_at: Mapping[str, Int32[Array, ""]]  # first non-finite step, 0 = none


def empty(names: Sequence[str]) -> Running:
  """Returns sums of nothing for these metrics, the guarded ones included."""
  return Running(
    sums={name: jnp.zeros([], jnp.float32) for name in names},
    num_steps=jnp.zeros([], jnp.int32),
    broken_at={name: jnp.zeros([], jnp.int32) for name in GUARDED},
  )


def is_broken(means: Mapping[str, Float[Array, ""]]) -> Bool[Array, ""]:
  """Returns whether loss or gradient is not a number."""
  return ~jnp.all(jnp.stack([jnp.isfinite(means[n]) for n in GUARDED]))


def add(
  running: Running, means: Mapping[str, Float[Array, ""]], step: Int[Array, ""]
) -> Running:
  """Adds a step's means; a step that is skipped counts as such alone.

  Args:
    running: the sums before.
    means: {metric: mean over the batch}.
    step: number of the step, from 1.
  """

  def first_step(name: str, before: Array) -> Array:
    broken = ~jnp.isfinite(means[name]) & (before == 0)
    return jnp.where(broken, step, before)

  sums = {
    name: running.sums[name] + value.astype(running.sums[name].dtype)
    for name, value in means.items()
  }
  if SKIPPED in running.sums:
    broken = is_broken(means)
    sums = {n: jnp.where(broken, running.sums[n], x) for n, x in sums.items()}
    sums[SKIPPED] = running.sums[SKIPPED] + broken
  return Running(
    sums=sums,
    num_steps=running.num_steps + 1,
    broken_at={n: first_step(n, at) for n, at in running.broken_at.items()},
  )


def averages(running: Running) -> dict[str, float]:
  """Returns the means since the last row, and the number of skipped steps.

  There is nothing but that number if all steps were skipped.
  """
  running = jax.device_get(running)
  sums = {name: float(total) for name, total in running.sums.items()}
  count = int(running.num_steps)
  if SKIPPED not in sums:
    return {name: total / count for name, total in sums.items()}
  skipped = int(sums.pop(SKIPPED))
  used = count - skipped
  means = {name: total / used for name, total in sums.items()} if used else {}
  return {**means, SKIPPED: skipped}


def first_broken(running: Running) -> tuple[int, str] | None:
  """Returns the first step with a metric that is not a number, and its name."""
  broken = jax.device_get(running.broken_at)
  found = [(int(step), name) for name, step in broken.items() if step]
  return min(found, default=None)
