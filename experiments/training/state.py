"""Everything that changes from step to step, and the step itself."""

from collections.abc import Callable, Mapping
import operator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
import numpy as np
import optax

from experiments.training import gradients
from experiments.training import losses
from experiments.training import sharding as training_sharding
from experiments.training import tasks

Array = jax.Array


class TrainState(NamedTuple):
  """A training run at one moment; with the data position it is all of it."""

  variables: Any  # perceiver.Variables: parameters and model state
  opt_state: Any
  step: Array  # [] int32, steps made; also the position in the data
  key: Array  # [], the key from which every step derives its own
  running: losses.Running


def create(init: Callable[[], TrainState], target: TrainState) -> TrainState:
  """Makes the state before the first step, laid out on the devices.

  Args:
    init: from `initializer`.
    target: its shapes and shardings, from `abstract`.
  """
  return jax.jit(init, out_shardings=_shardings(target))()


def abstract(
  init: Callable[[], TrainState],
  mesh: Mesh,
  min_size: int = training_sharding.MIN_SHARDED_SIZE,
) -> TrainState:
  """Returns the shapes and shardings of the state, without computing it.

  Args:
    init: from `initializer`.
    mesh: the devices.
    min_size: arrays with fewer entries are repeated on every device.
  """
  return training_sharding.with_shardings(jax.eval_shape(init), mesh, min_size)


def initializer(
  task: tasks.Task,
  optimizer: optax.GradientTransformation,
  batch: tasks.BatchShapes,
  seed: int,
  *,
  skips: bool = False,
) -> Callable[[], TrainState]:
  """Returns the function that makes the state before the first step.

  Args:
    task: the problem; its model gives the parameters.
    optimizer: gives its own first state.
    batch: shapes and types of a training batch.
    seed: determines the parameters and everything random later on.
    skips: whether steps without a number for their loss or gradient are left
      out and counted.
  """

  def init() -> TrainState:
    init_key, step_key = jax.random.split(jax.random.key(seed))
    variables = task.model.init(init_key)
    names = _metric_names(task, variables, batch) + [losses.SKIPPED] * skips
    return TrainState(
      variables=variables,
      opt_state=optimizer.init(variables.params),
      step=jnp.zeros([], jnp.int32),
      key=step_key,
      running=losses.empty(names),
    )

  return init


def _metric_names(
  task: tasks.Task, variables: Any, batch: tasks.BatchShapes
) -> list[str]:
  found = jax.eval_shape(
    lambda v, b, k: task.losses(v, b, rng=k, is_training=True),
    variables,
    batch,
    jax.random.key(0),
  )
  taken = {*losses.GUARDED, losses.SKIPPED, "learning_rate"}
  clash = sorted(taken & set(found.metrics))
  if clash:
    name = type(task).__name__
    raise ValueError(f"{name} reports {clash}, which the trainer does")
  return [*losses.GUARDED, *sorted(found.metrics)]


def clear_running(state: TrainState) -> TrainState:
  """Returns the state with the sums of the log back at zero."""
  return state._replace(running=jax.tree.map(_zeros_like, state.running))


def _zeros_like(x: Array) -> Array:
  """Returns zeros on the same devices, some of which may not be ours."""
  return jax.make_array_from_callback(
    x.shape, x.sharding, lambda index: np.zeros(x.shape, x.dtype)[index]
  )


def to_items(state: TrainState) -> dict[str, Any]:
  """Splits the state into the parts that a checkpoint keeps apart."""
  rest = {"step": state.step, "key": state.key, "running": state.running}
  return {
    "params": state.variables.params,
    "state": state.variables.state,
    "opt_state": state.opt_state,
    "rest": rest,
  }


def from_items(state: TrainState, items: Mapping[str, Any]) -> TrainState:
  """Returns `state`, abstract or not, with the contents of a checkpoint."""
  return TrainState(
    variables=state.variables._replace(
      params=items["params"], state=items["state"]
    ),
    opt_state=items["opt_state"],
    **items["rest"],
  )


def make_step(
  task: tasks.Task,
  optimizer: optax.GradientTransformation,
  mesh: Mesh,
  state: TrainState,
  *,
  parts: int = 1,
) -> Callable[[TrainState, Mapping[str, Array]], tuple[TrainState, Array]]:
  """Prepares one step of training; the state handed in is used up.

  Args:
    task: gives the loss of every example.
    optimizer: turns the gradient into an update.
    mesh: the devices.
    state: the state, or its shapes and shardings. Whether it counts skipped
      steps decides about one whose loss or gradient is no number.
    parts: how many parts of the batch are computed one after the other.

  Returns:
    A function of state and batch to the next state and this step's loss.
  """

  def step(
    state: TrainState, batch: Mapping[str, Array]
  ) -> tuple[TrainState, Array]:
    rng = jax.random.fold_in(state.key, state.step)
    means, model_state, grads = gradients.of_batch(
      task, state.variables, batch, rng, mesh, parts
    )
    params = state.variables.params
    updates, opt_state = optimizer.update(grads, state.opt_state, params)
    means["gradient_norm"] = optax.tree.norm(grads)
    variables = state.variables._replace(
      params=optax.apply_updates(params, updates), state=model_state
    )
    if losses.SKIPPED in state.running.sums:
      broken = losses.is_broken(means)
      variables, opt_state = jax.tree.map(
        lambda new, old: jnp.where(broken, old, new),
        (variables, opt_state),
        (state.variables, state.opt_state),
      )
    next_state = TrainState(
      variables=variables,
      opt_state=opt_state,
      step=state.step + 1,
      key=state.key,
      running=losses.add(state.running, means, state.step + 1),
    )
    return next_state, means["loss"]

  places = _shardings(state)
  return jax.jit(
    step,
    in_shardings=(places, training_sharding.batch_sharding(mesh)),
    out_shardings=(places, training_sharding.replicated(mesh)),
    donate_argnums=0,
  )


def _shardings(state: TrainState) -> Any:
  return jax.tree.map(operator.attrgetter("sharding"), state)
