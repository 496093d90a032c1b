"""The loss of optical flow and its metrics."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.optical_flow import data
from experiments.optical_flow import task as flow_task
import perceiver
from tests.helpers import noise
from tests.helpers import tiny_flow

HEIGHT, WIDTH = tiny_flow.SIZE


@pytest.fixture(scope="module")
def task():
  return flow_task.OpticalFlow(
    model=perceiver.create(tiny_flow.model_config()),
    data=data.DataConfig(),
    total_examples=1,
  )


@pytest.fixture(scope="module")
def variables(task):
  """Variables whose flow is not zero."""
  return noise.variables(task.model)


@pytest.fixture(scope="module")
def batch():
  examples = [tiny_flow.Translations()[i] for i in range(3)]
  valid = np.stack([example.valid for example in examples])
  valid[1, :, 5:] = False
  valid[2] = False
  return {
    "frames": np.stack([example.frames for example in examples]),
    "flow": np.stack([example.flow for example in examples]),
    "valid": valid,
  }


def evaluate(task, variables, batch):
  return task.losses(variables, batch, rng=None, is_training=False)


def with_loss(task, **changes):
  return dataclasses.replace(task, loss=flow_task.LossConfig(**changes))


def test_zero_flow_has_the_error_of_zero_flow(task, batch):
  losses = evaluate(task, task.model.init(jax.random.key(0)), batch)
  # Flow (0, -1) everywhere, (1, -1) at what is valid, and nothing valid.
  expected = [1.0, np.sqrt(2), 0.0]
  np.testing.assert_allclose(losses.metrics["epe"], expected, rtol=1e-6)
  np.testing.assert_allclose(losses.metrics["zero_epe"], expected, rtol=1e-6)
  np.testing.assert_allclose(losses.loss, np.divide(expected, 20), rtol=1e-6)
  np.testing.assert_array_equal(losses.metrics["over_1px"], [0, 1, 0])
  np.testing.assert_array_equal(losses.metrics["over_3px"], [0, 0, 0])


def test_the_error_is_that_of_the_models_flow(task, variables, batch):
  losses = evaluate(task, variables, batch)
  frames = batch["frames"].astype(np.float32) / 127.5 - 1
  flow = np.asarray(task.model.apply(variables, frames))
  error = np.hypot(*np.moveaxis(flow - batch["flow"], -1, 0))  # [3, H, W]
  expected = [error[0].mean(), error[1, :, :5].mean()]
  np.testing.assert_allclose(losses.metrics["epe"][:2], expected, rtol=1e-4)
  expected = [(error[0] > 1).mean(), (error[1, :, :5] > 1).mean()]
  np.testing.assert_allclose(losses.metrics["over_1px"][:2], expected)


def test_the_robust_loss(task, batch):
  robust = with_loss(task, exponent=0.4, epsilon=0.01)
  losses = evaluate(robust, task.model.init(jax.random.key(0)), batch)
  expected = [0.06**0.4, (np.sqrt(2) / 20 + 0.01) ** 0.4, 0]
  np.testing.assert_allclose(losses.loss, expected, rtol=1e-5)


def test_invalid_flow_changes_nothing(task, variables, batch):
  changed = {**batch, "flow": batch["flow"].copy()}
  changed["flow"][~batch["valid"]] = 1e6

  def gradient(batch):
    return jax.grad(
      lambda params: evaluate(
        task, variables._replace(params=params), batch
      ).loss.sum()
    )(variables.params)

  chex.assert_trees_all_equal(gradient(batch), gradient(changed))
  one, other = (evaluate(task, variables, x) for x in (batch, changed))
  chex.assert_trees_all_equal(one.metrics, other.metrics)


def test_examples_do_not_depend_on_each_other(task, variables, batch):
  together = evaluate(task, variables, batch)
  for i in range(3):
    alone = evaluate(
      task, variables, {name: x[i : i + 1] for name, x in batch.items()}
    )
    np.testing.assert_allclose(alone.loss[0], together.loss[i], rtol=1e-5)


def test_decoded_pixels_have_their_errors_among_all(task, variables, batch):
  some = with_loss(task, output_points=40)
  slope = np.arange(HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH, 1)
  batch = {**batch, "flow": batch["flow"] + slope / 100}
  rng = jax.random.key(5)
  losses = some.losses(variables, batch, rng=rng, is_training=True)
  points = flow_task.sample_points(jax.random.split(rng)[0], HEIGHT * WIDTH, 40)
  only = np.zeros(HEIGHT * WIDTH, bool)
  only[np.asarray(points)] = True
  chosen = batch["valid"] & only.reshape(HEIGHT, WIDTH)
  expected = evaluate(task, variables, {**batch, "valid": chosen})
  for name, value in losses.metrics.items():
    np.testing.assert_allclose(value, expected.metrics[name], rtol=1e-4)
  np.testing.assert_allclose(losses.loss, expected.loss, rtol=1e-4)


def test_evaluation_decodes_all_pixels(task, variables, batch):
  some = with_loss(task, output_points=4)
  one, other = (evaluate(t, variables, batch) for t in (task, some))
  np.testing.assert_array_equal(one.loss, other.loss)


def test_points_are_different_and_change_with_the_key():
  first, second = (
    np.asarray(flow_task.sample_points(jax.random.key(i), 50, 20))
    for i in (0, 1)
  )
  assert len(set(first.tolist())) == 20
  assert first.min() >= 0
  assert first.max() < 50
  assert set(first.tolist()) != set(second.tolist())
  everything = flow_task.sample_points(jax.random.key(0), 50, 50)
  np.testing.assert_array_equal(everything, np.arange(50))
  with pytest.raises(ValueError, match="expected at most the 50 pixels"):
    flow_task.sample_points(jax.random.key(0), 50, 51)


def test_lengths_have_a_gradient_everywhere():
  vectors = jnp.array([[3.0, 4.0], [0.0, 0.0]])
  np.testing.assert_allclose(flow_task.lengths(vectors), [5, 0])
  gradient = jax.grad(lambda x: flow_task.lengths(x).sum())(vectors)
  np.testing.assert_allclose(gradient, [[0.6, 0.8], [0, 0]], rtol=1e-6)


def test_frames_become_the_models_units():
  frames = np.array([0, 51, 255], np.uint8)
  np.testing.assert_allclose(
    flow_task.to_model(frames), [-1, -0.6, 1], rtol=1e-6
  )


def test_the_loss_falls(task, batch):
  variables = task.model.init(jax.random.key(0))
  optimizer = optax.adam(1e-2)

  def loss(params):
    found = evaluate(task, variables._replace(params=params), batch)
    return found.loss.mean()

  @jax.jit
  def step(params, state):
    value, gradient = jax.value_and_grad(loss)(params)
    updates, state = optimizer.update(gradient, state)
    return optax.apply_updates(params, updates), state, value

  params, state, losses = variables.params, optimizer.init(variables.params), []
  for _ in range(40):
    params, state, value = step(params, state)
    losses.append(float(value))
  assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"exponent": 0.0}, r"exponent is 0.0; expected \(0, 1\]"),
    ({"exponent": 0.4}, "expected a positive epsilon"),
    ({"output_points": 0}, "output_points is 0; expected at least 1"),
  ],
)
def test_impossible_losses_are_refused(changes, message):
  with pytest.raises(ValueError, match=message):
    flow_task.LossConfig(**changes)
