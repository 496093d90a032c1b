"""One step of training, on problems small enough to know the answer."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.training import losses as training_losses
from experiments.training import sharding
from experiments.training import state as training_state
from experiments.training import tasks
import perceiver

SHAPES = {
  name: jax.ShapeDtypeStruct((4,), jnp.float32) for name in ("x", "y", "weight")
}


class Line:
  """The model y = a x, a = 1 to begin with."""

  def init(self, key):
    del key
    return perceiver.Variables({"line": {"w": jnp.ones([])}}, {})


@dataclasses.dataclass
class Task:
  """Half the squared error of a line, or anything else."""

  loss: Any = lambda a, batch, rng: (a * batch["x"] - batch["y"]) ** 2 / 2
  model: Any = dataclasses.field(default_factory=Line)

  def losses(self, variables, batch, *, rng, is_training):
    assert is_training
    loss = self.loss(variables.params["line"]["w"], batch, rng)
    return tasks.Losses(loss, {"double": 2 * loss}, variables.state)


def _create(task, optimizer, mesh, skips=False):
  init = training_state.initializer(
    task, optimizer, SHAPES, seed=0, skips=skips
  )
  return training_state.create(init, training_state.abstract(init, mesh))


def _run(task, batches, devices=4, rate=0.5, parts=1, skips=False):
  mesh = sharding.make_mesh(sharding.ParallelConfig(data=devices))
  optimizer = optax.sgd(rate)
  state = _create(task, optimizer, mesh, skips)
  step = training_state.make_step(task, optimizer, mesh, state, parts=parts)
  losses = []
  for batch in batches:
    host = {k: np.asarray(v, np.float32) for k, v in batch.items()}
    state, loss = step(state, sharding.put_batch(mesh, host))
    losses.append(float(loss))
  return state, losses


BATCH = {"x": [1, 2, 0, 1], "y": [0, 0, 5, 1], "weight": [1, 1, 1, 1]}


@pytest.mark.parametrize("devices", [1, 2, 4])
def test_a_step_by_hand(devices):
  # Losses 1/2, 2, 25/2, 0 with a = 1; their gradients are 1, 4, 0, 0.
  state, losses = _run(Task(), [BATCH], devices)
  assert losses == [3.75]
  assert float(state.variables.params["line"]["w"]) == 1 - 0.5 * 5 / 4
  assert int(state.step) == 1
  sums = {name: float(x) for name, x in state.running.sums.items()}
  assert sums == {"loss": 3.75, "double": 7.5, "gradient_norm": 1.25}


def test_weights():
  batch = {**BATCH, "weight": [1, 3, 0, 0]}
  state, losses = _run(Task(), [batch])
  assert losses == [(0.5 + 3 * 2) / 4]
  assert float(state.variables.params["line"]["w"]) == 1 - 0.5 * 13 / 4


@pytest.mark.parametrize(("devices", "parts"), [(1, 2), (1, 4), (2, 2)])
def test_parts_of_a_batch_add_up(devices, parts):
  batch = {**BATCH, "weight": [1, 3, 0, 1]}
  state, losses = _run(Task(), [batch, batch], devices, parts=parts)
  expected, expected_losses = _run(Task(), [batch, batch], devices)
  assert losses == pytest.approx(expected_losses, rel=1e-6)
  assert float(state.variables.params["line"]["w"]) == pytest.approx(
    float(expected.variables.params["line"]["w"]), rel=1e-6
  )


def test_a_step_without_a_number_is_left_out_and_counted():
  broken = {**BATCH, "x": [1, float("nan"), 0, 1]}
  state, _ = _run(Task(), [broken, BATCH, broken], skips=True)
  expected, _ = _run(Task(), [BATCH], skips=True)
  assert float(state.variables.params["line"]["w"]) == float(
    expected.variables.params["line"]["w"]
  )
  assert int(state.step) == 3
  assert training_losses.first_broken(state.running) == (1, "gradient_norm")
  assert training_losses.averages(state.running) == {
    "loss": 3.75,
    "double": 7.5,
    "gradient_norm": 1.25,
    "skipped_steps": 2,
  }
  nothing, _ = _run(Task(), [broken], skips=True)
  assert training_losses.averages(nothing.running) == {"skipped_steps": 1}


def test_every_step_has_a_key_of_its_own():
  task = Task(lambda a, batch, rng: jax.random.uniform(rng, [4]) + 0 * a)
  state, losses = _run(task, [BATCH, BATCH])
  keys = [jax.random.fold_in(state.key, step) for step in (0, 1)]
  expected = [float(jax.random.uniform(key, [4]).mean()) for key in keys]
  assert losses == pytest.approx(expected, rel=1e-6)
  assert losses[0] != losses[1]


def test_what_was_summed_up_can_be_cleared():
  state, _ = _run(Task(), [BATCH, BATCH], rate=0.0)
  assert int(state.running.num_steps) == 2
  assert float(state.running.sums["loss"]) == 7.5
  cleared = training_state.clear_running(state)
  assert not any(map(float, jax.tree.leaves(cleared.running)))
  place = lambda tree: jax.tree.map(lambda x: x.sharding, tree)
  assert place(cleared) == place(state)


def test_a_step_is_compiled_once():
  traces = []

  def loss(a, batch, rng):
    del rng
    traces.append(None)
    return a * batch["x"]

  task = Task(loss)
  mesh = sharding.make_mesh(sharding.ParallelConfig())
  optimizer = optax.adam(0.1)
  state = _create(task, optimizer, mesh)
  step = training_state.make_step(task, optimizer, mesh, state)
  traces.clear()
  for _ in range(3):
    host = {k: np.asarray(v, np.float32) for k, v in BATCH.items()}
    state, _ = step(state, sharding.put_batch(mesh, host))
    state = training_state.clear_running(state)
  assert len(traces) == 1


def test_a_checkpoint_has_all_of_the_state():
  state, _ = _run(Task(), [BATCH])
  items = training_state.to_items(state)
  assert set(items) == {"params", "state", "opt_state", "rest"}
  assert training_state.from_items(state, items) == state


def test_shapes_and_places_are_known_without_computing():
  mesh = sharding.make_mesh(sharding.ParallelConfig())
  optimizer = optax.adam(0.1)
  real = _create(Task(), optimizer, mesh)
  init = training_state.initializer(Task(), optimizer, SHAPES, seed=0)
  known = training_state.abstract(init, mesh)
  describe = lambda x: (x.shape, x.dtype, x.sharding)
  assert jax.tree.map(describe, known) == jax.tree.map(describe, real)


def test_the_first_bad_step_is_named():
  def state(loss, norm, running):
    means = {"loss": jnp.float32(loss), "gradient_norm": jnp.float32(norm)}
    step = running.num_steps + 1
    return training_losses.add(running, means, step)

  running = training_losses.empty(["loss", "gradient_norm"])
  running = state(1.0, 1.0, running)
  running = state(2.0, np.inf, running)
  running = state(np.nan, np.nan, running)
  assert int(running.broken_at["gradient_norm"]) == 2
  assert int(running.broken_at["loss"]) == 3
