"""Everything that changes from step to step, and the step itself."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
import numpy as np
import optax

from experiments.training import gradients
from experiments.training import sharding as training_sharding
from experiments.training import tasks

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
# The steps left out because one of them was none; only where that is wanted.
SKIPPED = "skipped_steps"


def create(
  task: tasks.Task,
  optimizer: optax.GradientTransformation,
  batch: tasks.BatchShapes,
  mesh: Mesh,
  seed: int,
  *,
  skips: bool = False,
) -> TrainState:
  """Makes the state before the first step, already laid out on the devices.

  Args:
    task: the problem; its model gives the parameters.
    optimizer: gives its own first state.
    batch: shapes and types of a training batch.
    mesh: the devices.
    seed: determines the parameters and everything random later on.
    skips: whether steps without a number for their loss or gradient are left
      out and counted.
  """
  init = _initializer(task, optimizer, batch, seed, skips)
  shardings = training_sharding.state_shardings(mesh, jax.eval_shape(init))
  return jax.jit(init, out_shardings=shardings)()


def abstract(
  task: tasks.Task,
  optimizer: optax.GradientTransformation,
  batch: tasks.BatchShapes,
  mesh: Mesh,
  *,
  skips: bool = False,
) -> TrainState:
  """Returns the shapes and shardings of the state, without computing it."""
  shapes = jax.eval_shape(_initializer(task, optimizer, batch, 0, skips))
  return with_shardings(shapes, mesh)


def with_shardings(shapes: Any, mesh: Mesh) -> Any:
  """Returns `shapes` with the place on the mesh that each array belongs to."""
  place = lambda x, sharding: jax.ShapeDtypeStruct(
    x.shape, x.dtype, sharding=sharding
  )
  return jax.tree.map(
    place, shapes, training_sharding.state_shardings(mesh, shapes)
  )


def _initializer(
  task: tasks.Task,
  optimizer: optax.GradientTransformation,
  batch: tasks.BatchShapes,
  seed: int,
  skips: bool,
) -> Callable[[], TrainState]:
  def init() -> TrainState:
    init_key, step_key = jax.random.split(jax.random.key(seed))
    variables = task.model.init(init_key)
    names = _metric_names(task, variables, batch) + [SKIPPED] * skips
    return TrainState(
      variables=variables,
      opt_state=optimizer.init(variables.params),
      step=jnp.zeros([], jnp.int32),
      key=step_key,
      running=_empty_running(names),
    )

  return init


def _metric_names(
  task: tasks.Task, variables: Any, batch: tasks.BatchShapes
) -> list[str]:
  losses = jax.eval_shape(
    lambda v, b, k: task.losses(v, b, rng=k, is_training=True),
    variables,
    batch,
    jax.random.key(0),
  )
  clash = sorted(set(losses.metrics) & {*_GUARDED, SKIPPED, "learning_rate"})
  if clash:
    name = type(task).__name__
    raise ValueError(f"{name} reports {clash}, which the trainer does")
  return [*_GUARDED, *sorted(losses.metrics)]


def _empty_running(names: list[str]) -> Running:
  return Running(
    sums={name: jnp.zeros([], jnp.float32) for name in names},
    num_steps=jnp.zeros([], jnp.int32),
    broken_at={name: jnp.zeros([], jnp.int32) for name in _GUARDED},
  )


def clear_running(state: TrainState) -> TrainState:
  """Returns the state with the sums of the log back at zero."""
  return state._replace(running=jax.tree.map(_zeros_like, state.running))


def _zeros_like(x: Array) -> Array:
  """Returns zeros on the same devices, some of which may not be ours."""
  return jax.make_array_from_callback(
    x.shape, x.sharding, lambda index: np.zeros(x.shape, x.dtype)[index]
  )


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
      steps says what happens to one whose loss or gradient is no number.
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
    if SKIPPED in state.running.sums:
      broken = _is_broken(means)
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
      running=_add(state.running, means, state.step + 1),
    )
    return next_state, means["loss"]

  shardings = jax.tree.map(_sharding, state)
  return jax.jit(
    step,
    in_shardings=(shardings, training_sharding.batch_sharding(mesh)),
    out_shardings=(shardings, training_sharding.replicated(mesh)),
    donate_argnums=0,
  )


def _is_broken(means: Mapping[str, Array]) -> Array:  # [] bool
  return ~jnp.all(jnp.stack([jnp.isfinite(means[n]) for n in _GUARDED]))


def _add(running: Running, means: Mapping[str, Array], step: Array) -> Running:
  def first_broken(name: str, before: Array) -> Array:
    broken = ~jnp.isfinite(means[name]) & (before == 0)
    return jnp.where(broken, step, before)

  sums = {name: running.sums[name] + value for name, value in means.items()}
  if SKIPPED in running.sums:
    broken = _is_broken(means)
    sums = {n: jnp.where(broken, running.sums[n], x) for n, x in sums.items()}
    sums[SKIPPED] = running.sums[SKIPPED] + broken
  return Running(
    sums=sums,
    num_steps=running.num_steps + 1,
    broken_at={n: first_broken(n, at) for n, at in running.broken_at.items()},
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
  """Returns the first step with a number that is none, and what it is of."""
  broken = jax.device_get(running.broken_at)
  found = [(int(step), name) for name, step in broken.items() if step]
  return min(found, default=None)
