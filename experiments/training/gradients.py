"""The gradient of a batch, at once or part by part."""

from collections.abc import Mapping
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from experiments.training import sharding
from experiments.training import tasks


class Gradient(NamedTuple):
  """The gradient of a batch, with its metrics and the next state."""

  # Of every metric, and of "loss", the weighted mean over the batch.
  means: dict[str, Float[Array, ""]]
  state: Any  # the model's state after the step
  grads: Any  # of the mean loss


def of_batch(
  task: tasks.Task,
  variables: Any,
  batch: Mapping[str, Shaped[Array, "B ..."]],
  rng: PRNGKeyArray,
  mesh: Mesh,
  parts: int = 1,
) -> Gradient:
  """Computes weighted means of loss and metrics, and the loss's gradient.

  The parts add up to the whole batch within the rounding of float32, where an
  example's loss does not depend on the others or on `rng`. Every part begins
  with the model state from before the step, and the states that result are
  averaged: an average over the batch comes out right.

  Args:
    task: gives the loss of every example.
    variables: parameters and state of the model.
    batch: arrays with the leading axis B, a multiple of `parts`.
    rng: the step's key; every part of several derives its own.
    mesh: the devices, over all of which every part is spread.
    parts: how many are computed one after the other, to save memory.
  """
  total = jnp.sum(batch["weight"])
  if parts == 1:
    return _of_part(task, variables, batch, rng, total)

  def add(sums: Gradient, part: Any) -> tuple[Gradient, None]:
    number, examples = part
    key = jax.random.fold_in(rng, number)
    found = _of_part(task, variables, examples, key, total)
    return jax.tree.map(jnp.add, sums, found), None

  divided = {name: _divide(x, mesh, parts) for name, x in batch.items()}
  one = jax.tree.map(lambda x: x[0], divided)
  shapes = jax.eval_shape(
    functools.partial(_of_part, task), variables, one, rng, total
  )
  zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
  sums, _ = jax.lax.scan(add, zeros, (jnp.arange(parts), divided))
  return sums._replace(
    state=jax.tree.map(lambda x: _mean(x, parts), sums.state)
  )


def _mean(total: Shaped[Array, "..."], parts: int) -> Shaped[Array, "..."]:
  """Divides a sum; that of counters, which are all alike, without a rest."""
  if jnp.issubdtype(total.dtype, jnp.integer):
    return total // parts
  return total / parts


def _divide(
  x: Shaped[Array, "B ..."], mesh: Mesh, parts: int
) -> Shaped[Array, "{parts} _ ..."]:
  """Divides a batch into parts; no example leaves its device."""
  x = x.reshape(x.shape[0] // parts, parts, *x.shape[1:])
  return jax.lax.with_sharding_constraint(
    jnp.swapaxes(x, 0, 1), sharding.parts_sharding(mesh)
  )


def _of_part(
  task: tasks.Task,
  variables: Any,
  batch: Mapping[str, Shaped[Array, "B ..."]],
  rng: PRNGKeyArray,
  total: Float[Array, ""],
) -> Gradient:
  """Computes a part's share of the gradient; the whole batch weighs `total`."""
  weight = batch["weight"]  # [B]

  def mean(value: Float[Array, "B"]) -> Float[Array, ""]:
    return jnp.sum(weight * value) / total

  def objective(params: Any) -> tuple[Array, Any]:
    trained = variables._replace(params=params)
    losses = task.losses(trained, batch, rng=rng, is_training=True)
    values = per_example(task, losses, weight.shape)
    loss = values.pop("loss")
    means = {name: mean(value) for name, value in values.items()}
    means["loss"] = mean(loss)
    return means["loss"], (means, losses.state)

  grads, (means, state) = jax.grad(objective, has_aux=True)(variables.params)
  return Gradient(means, state, grads)


def per_example(
  task: tasks.Task, losses: tasks.Losses, shape: tuple[int, ...]
) -> dict[str, Array]:
  """Returns the loss, as "loss", and the metrics of every example, [B].

  Raises:
    ValueError: if one is not one number per example; it names the task, the
      entry, its shape and the right one.
  """
  values = {"loss": losses.loss, **losses.metrics}
  for name, value in values.items():
    if value.shape != shape:
      raise ValueError(
        f"{type(task).__name__} must give {name!r} as one number per example, "
        f"shape {shape}, but gave shape {value.shape}"
      )
  return values
