"""Everything that changes from step to step, and the step itself."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
import optax

from experiments import parallel
from experiments import task as task_lib

Array = jax.Array


class Running(NamedTuple):
  """What has been summed up since the last row of the log.

  It is part of the training state, and so of a checkpoint, in order that an
  interrupted run writes the same rows as one that never stopped.
  """

  sums: Mapping[str, Array]  # {metric: sum over steps of the batch's mean}
  num_steps: Array  # [] int32
  broken_at: Mapping[str, Array]  # {metric: first non-finite step, 0 = none}


class TrainState(NamedTuple):
  """A training run at one moment; with the data position it is all of it."""

  variables: Any  # perceiver.Variables: parameters and model state
  opt_state: Any
  step: Array  # [] int32, steps made; also the position in the data
  key: Array  # [], the key from which every step derives its own
  running: Running


# The metrics whose every value must be a number for training to go on.
_GUARDED = ("loss", "gradient_norm")


def create(
  task: task_lib.Task,
  optimizer: optax.GradientTransformation,
  batch: task_lib.BatchShapes,
  mesh: Mesh,
  seed: int,
) -> TrainState:
  """Makes the state before the first step, already laid out on the devices.

  Args:
    task: the problem; its model gives the parameters.
    optimizer: gives its own first state.
    batch: shapes and types of a training batch.
    mesh: the devices.
    seed: determines the parameters and everything random later on.
  """
  init = _initializer(task, optimizer, batch, seed)
  shardings = parallel.state_shardings(mesh, jax.eval_shape(init))
  return jax.jit(init, out_shardings=shardings)()


def abstract(
  task: task_lib.Task,
  optimizer: optax.GradientTransformation,
  batch: task_lib.BatchShapes,
  mesh: Mesh,
) -> TrainState:
  """Returns the shapes and shardings of the state, without computing it."""
  shapes = jax.eval_shape(_initializer(task, optimizer, batch, 0))
  return with_shardings(shapes, mesh)


def with_shardings(shapes: Any, mesh: Mesh) -> Any:
  """Returns `shapes` with the place on the mesh that each array belongs to."""
  place = lambda x, sharding: jax.ShapeDtypeStruct(
    x.shape, x.dtype, sharding=sharding
  )
  return jax.tree.map(place, shapes, parallel.state_shardings(mesh, shapes))


def _initializer(
  task: task_lib.Task,
  optimizer: optax.GradientTransformation,
  batch: task_lib.BatchShapes,
  seed: int,
) -> Callable[[], TrainState]:
  def init() -> TrainState:
    init_key, step_key = jax.random.split(jax.random.key(seed))
    variables = task.model.init(init_key)
    names = _metric_names(task, variables, batch)
    return TrainState(
      variables=variables,
      opt_state=optimizer.init(variables.params),
      step=jnp.zeros([], jnp.int32),
      key=step_key,
      running=_empty_running(names),
    )

  return init


def _metric_names(
  task: task_lib.Task, variables: Any, batch: task_lib.BatchShapes
) -> list[str]:
  losses = jax.eval_shape(
    lambda v, b, k: task.losses(v, b, rng=k, is_training=True),
    variables,
    batch,
    jax.random.key(0),
  )
  clash = sorted(set(losses.metrics) & {*_GUARDED, "learning_rate"})
  if clash:
    raise ValueError(f"{_name(task)} reports {clash}, which the trainer does")
  return [*_GUARDED, *sorted(losses.metrics)]


def _empty_running(names: list[str]) -> Running:
  return Running(
    sums={name: jnp.zeros([], jnp.float32) for name in names},
    num_steps=jnp.zeros([], jnp.int32),
    broken_at={name: jnp.zeros([], jnp.int32) for name in _GUARDED},
  )


def clear_running(state: TrainState) -> TrainState:
  """Returns the state with the sums of the log back at zero."""
  zeros = jax.tree.map(jnp.zeros_like, state.running)
  zeros = jax.device_put(zeros, jax.tree.map(_sharding, state.running))
  return state._replace(running=zeros)


def _sharding(x: Array) -> jax.sharding.Sharding:
  return x.sharding


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
  task: task_lib.Task,
  optimizer: optax.GradientTransformation,
  mesh: Mesh,
  state: TrainState,
) -> Callable[[TrainState, Mapping[str, Array]], tuple[TrainState, Array]]:
  """Prepares one step of training; the state handed in is used up.

  Args:
    task: gives the loss of every example.
    optimizer: turns the gradient into an update.
    mesh: the devices.
    state: the state, or its shapes and shardings.

  Returns:
    A function of state and batch to the next state and this step's loss.
  """

  def step(
    state: TrainState, batch: Mapping[str, Array]
  ) -> tuple[TrainState, Array]:
    rng = jax.random.fold_in(state.key, state.step)
    means, new_model_state, grads = _gradient(task, state, batch, rng)
    params = state.variables.params
    updates, opt_state = optimizer.update(grads, state.opt_state, params)
    means["gradient_norm"] = optax.tree.norm(grads)
    next_state = TrainState(
      variables=state.variables._replace(
        params=optax.apply_updates(params, updates), state=new_model_state
      ),
      opt_state=opt_state,
      step=state.step + 1,
      key=state.key,
      running=_add(state.running, means, state.step + 1),
    )
    return next_state, means["loss"]

  shardings = jax.tree.map(_sharding, state)
  return jax.jit(
    step,
    in_shardings=(shardings, parallel.batch_sharding(mesh)),
    out_shardings=(shardings, parallel.replicated(mesh)),
    donate_argnums=0,
  )


def _gradient(
  task: task_lib.Task,
  state: TrainState,
  batch: Mapping[str, Array],
  rng: Array,
) -> tuple[dict[str, Array], Any, Any]:
  """Returns weighted means of loss and metrics, model state, gradient."""
  weight = batch["weight"]  # [B]

  def mean(value: Array) -> Array:
    return jnp.sum(weight * value) / jnp.sum(weight)

  def objective(params: Any) -> tuple[Array, Any]:
    variables = state.variables._replace(params=params)
    losses = task.losses(variables, batch, rng=rng, is_training=True)
    check_per_example(task, losses, weight.shape)
    means = {name: mean(value) for name, value in losses.metrics.items()}
    means["loss"] = mean(losses.loss)
    return means["loss"], (means, losses.state)

  grads, (means, model_state) = jax.grad(objective, has_aux=True)(
    state.variables.params
  )
  return means, model_state, grads


def check_per_example(
  task: task_lib.Task, losses: task_lib.Losses, shape: tuple[int, ...]
) -> None:
  """Refuses losses and metrics that are not one number per example.

  Raises:
    ValueError: naming the task, the entry, its shape and the right one.
  """
  for name, value in {"loss": losses.loss, **losses.metrics}.items():
    if value.shape != shape:
      raise ValueError(
        f"{_name(task)} must give {name!r} as one number per example, shape "
        f"{shape}, but gave shape {value.shape}"
      )


def _name(task: task_lib.Task) -> str:
  return type(task).__name__


def _add(running: Running, means: Mapping[str, Array], step: Array) -> Running:
  def first_broken(name: str, before: Array) -> Array:
    broken = ~jnp.isfinite(means[name]) & (before == 0)
    return jnp.where(broken, step, before)

  return Running(
    sums={name: total + means[name] for name, total in running.sums.items()},
    num_steps=running.num_steps + 1,
    broken_at={n: first_broken(n, at) for n, at in running.broken_at.items()},
  )
