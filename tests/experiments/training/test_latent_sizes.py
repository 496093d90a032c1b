"""Training for several numbers of latents."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.point_clouds import task as points_task
from experiments.training import gradients
from experiments.training import latent_sizes
from experiments.training import losses as training_losses
from experiments.training import sharding
from experiments.training import tasks
from tests.helpers import noise
from tests.helpers import tiny_runs
from tests.helpers.recipes import flow
from tests.helpers.recipes import language
from tests.helpers.recipes import points
from tests.helpers.recipes import starcraft
from tests.helpers.recipes import sums
from tests.helpers.recipes import video

PREFIX = latent_sizes.LatentSizes(
  sizes=(1, 2), training=latent_sizes.Training.PREFIX
)
SANDWICH = latent_sizes.LatentSizes(
  sizes=(1, 2), training=latent_sizes.Training.SANDWICH, weight=0.5
)
FROM_DATA = dataclasses.replace(SANDWICH, target=latent_sizes.Target.DATA)
NETWORK = points.MINI.model.perceiver
MODEL = dataclasses.replace(
  points.MINI.model,
  perceiver=dataclasses.replace(
    NETWORK, encoder=dataclasses.replace(NETWORK.encoder, num_cross_attends=1)
  ),
)
MINI = dataclasses.replace(points.MINI, model=MODEL)
KEYS = [jax.random.key(i) for i in range(12)]


@pytest.fixture(scope="module")
def task():
  return MINI.task()


@pytest.fixture(scope="module")
def variables(task):
  return jax.tree.map(jnp.asarray, noise.variables(task.model))


def examples(task, count):
  split, generator = task.train_split(), np.random.default_rng(0)
  found = [split.transform(split.source[i], generator) for i in range(count)]
  return {key: np.stack([x[key] for x in found]) for key in found[0]}


@pytest.fixture(scope="module")
def batch(task):
  return examples(task, 4) | {"weight": np.ones(4, np.float32)}


def losses(task, variables, batch, rng=None):
  run = jax.jit(lambda *args: task.losses(*args, rng=rng, is_training=True)[:2])
  return run(variables, batch)


def test_ordinary_training_is_the_task_itself(task):
  assert latent_sizes.trained(task, latent_sizes.LatentSizes()) is task


def test_prefix_uses_one_of_the_sizes(task, variables, batch):
  """Every size comes up, and nothing else does."""
  prefix = latent_sizes.trained(task, PREFIX)
  assert prefix.model is task.model
  each = [
    losses(latent_sizes.with_first(task, n), variables, batch, KEYS[0])[0]
    for n in (1, 2, task.model.config.perceiver.encoder.num_latents)
  ]
  chosen = set()
  run = jax.jit(
    lambda key: prefix.losses(variables, batch, rng=key, is_training=True).loss
  )
  for key in KEYS:
    found = run(key)
    apart = [np.abs(found - one).max() for one in each]
    assert min(apart) < 1e-5
    chosen.add(int(np.argmin(apart)))
  assert chosen == {0, 1, 2}


def test_sandwich_adds_the_divergence_from_all(task, variables, batch):
  sandwich = latent_sizes.trained(task, SANDWICH)
  logits = lambda n: task.model.apply(variables, batch["points"], num_latents=n)
  whole, metrics = losses(task, variables, batch)
  each = [training_losses.divergence(logits(n), logits(None)) for n in (1, 2)]
  run = jax.jit(
    lambda key: sandwich.losses(variables, batch, rng=key, is_training=True)[:2]
  )
  chosen = set()
  for key in KEYS:
    loss, found = run(key)
    smaller = found["smaller_loss"]
    apart = [np.abs(smaller - one).max() for one in each]
    assert min(apart) < 1e-5
    chosen.add(int(np.argmin(apart)))
    np.testing.assert_allclose(loss, whole + 0.5 * smaller, rtol=1e-5)
    np.testing.assert_array_equal(found["top_1"], metrics["top_1"])
  assert chosen == {0, 1}


def test_a_sandwich_may_learn_from_the_data(task, variables, batch):
  """The smaller number of latents has the task's own loss."""
  sandwich = latent_sizes.trained(task, FROM_DATA)
  whole, metrics = losses(task, variables, batch)
  each = [
    losses(latent_sizes.with_first(task, n), variables, batch, KEYS[0])[0]
    for n in (1, 2)
  ]
  run = jax.jit(
    lambda key: sandwich.losses(variables, batch, rng=key, is_training=True)[:2]
  )
  chosen = set()
  for key in KEYS:
    loss, found = run(key)
    apart = [np.abs(found["smaller_loss"] - one).max() for one in each]
    assert min(apart) < 1e-5
    chosen.add(int(np.argmin(apart)))
    np.testing.assert_allclose(
      loss, whole + 0.5 * found["smaller_loss"], rtol=1e-5
    )
    np.testing.assert_array_equal(found["top_1"], metrics["top_1"])
  assert chosen == {0, 1}


def test_the_teacher_does_not_learn_from_the_pupil(task, variables, batch):
  """The gradient is that of the task and of the pupil against constants."""
  sandwich = latent_sizes.trained(
    task, dataclasses.replace(SANDWICH, sizes=(2,))
  )
  mesh = sharding.make_mesh(sharding.ParallelConfig(data=1))
  run = jax.jit(lambda *args: gradients.of_batch(sandwich, *args, mesh))
  found = run(variables, batch, KEYS[0])
  wanted = task.model.apply(variables, batch["points"])

  def objective(params):
    now = variables._replace(params=params)
    whole = task.losses(now, batch, rng=None, is_training=True).loss
    logits = task.model.apply(now, batch["points"], num_latents=2)
    smaller = training_losses.divergence(logits, wanted)
    return jnp.mean(whole + 0.5 * smaller)

  expected = jax.jit(jax.grad(objective))(variables.params)
  chex.assert_trees_all_close(found.grads, expected, atol=1e-5)


@pytest.mark.parametrize("config", [PREFIX, SANDWICH, FROM_DATA])
def test_devices_and_parts_share_the_choice(task, variables, batch, config):
  """The gradient is the same on four devices."""
  trained = latent_sizes.trained(task, config)
  found = []
  for count in (1, 4):
    mesh = sharding.make_mesh(sharding.ParallelConfig(data=count))
    place = sharding.batch_sharding(mesh)
    run = jax.jit(
      lambda v, b, mesh=mesh: gradients.of_batch(trained, v, b, KEYS[1], mesh),
      in_shardings=(sharding.replicated(mesh), place),
    )
    found.append(jax.device_get(run(variables, batch)))
  chex.assert_trees_all_close(*found, atol=1e-5)


def test_an_interrupted_run_goes_on_exactly(tmp_path, monkeypatch):
  monkeypatch.setattr(points_task.PointClassification, "plots", lambda *_: [])
  experiment = dataclasses.replace(
    MINI,
    train=dataclasses.replace(
      MINI.train, latents=SANDWICH, steps=6, checkpoint_every=3
    ),
  )
  tiny_runs.trainer.train(experiment, tmp_path / "whole")
  assert tiny_runs.interrupt_at(4, experiment, tmp_path / "halves") == 143
  tiny_runs.trainer.train(experiment, tmp_path / "halves")
  logs = [
    (tmp_path / x / "metrics.jsonl").read_bytes() for x in ("whole", "halves")
  ]
  assert logs[0] == logs[1]
  assert b"smaller_loss" in logs[0]
  files = [
    (tmp_path / x / "model.safetensors").read_bytes()
    for x in ("whole", "halves")
  ]
  assert files[0] == files[1]


@pytest.mark.parametrize("recipe", [flow, language, points, video])
def test_distances_are_zero_of_equal_outputs_only(recipe):
  """Shapes and values, by the task's own outputs."""
  task = recipe.MINI.task()
  batch = examples(task, 2)
  variables = noise.variables(task.model)

  def distances(variables, batch):
    found = task.losses(
      variables, batch, rng=jax.random.key(0), is_training=True
    ).outputs
    other = jax.tree.map(
      lambda x: x * 1.5 + jnp.sin(jnp.arange(x.size)).reshape(x.shape), found
    )
    return task.distance(found, found, batch), task.distance(
      other, found, batch
    )

  same, different = jax.jit(distances)(variables, batch)
  assert same.shape == different.shape == (2,)
  np.testing.assert_allclose(same, 0, atol=1e-6)
  assert (different > 1e-4).all()


def test_a_task_without_distance_is_refused():
  task = starcraft.MINI.task()
  with pytest.raises(latent_sizes.NotOfferedError, match="outputs is not off"):
    latent_sizes.trained(task, SANDWICH)
  assert latent_sizes.trained(task, FROM_DATA).model is task.model
  assert latent_sizes.trained(task, PREFIX).model is task.model


def test_a_sandwich_without_a_smaller_number_is_refused(task):
  most = task.model.config.perceiver.encoder.num_latents
  with pytest.raises(latent_sizes.NotOfferedError, match="needs a smaller"):
    latent_sizes.trained(task, dataclasses.replace(SANDWICH, sizes=(most,)))


def test_models_without_so_many_latents_are_refused(task):
  with pytest.raises(latent_sizes.NotOfferedError, match="its model has none"):
    latent_sizes.trained(sums.MINI.task(), PREFIX)
  many = dataclasses.replace(PREFIX, sizes=(2, 500))
  with pytest.raises(latent_sizes.NotOfferedError, match="the model has"):
    latent_sizes.trained(task, many)


@pytest.mark.parametrize(
  ("sizes", "training"),
  [
    ((), "prefix"),
    ((2, 1), "prefix"),
    ((0, 1), "sandwich"),
    ((2,), "ordinary"),
  ],
)
def test_impossible_sizes_are_refused(sizes, training):
  with pytest.raises(ValueError, match="LatentSizes: sizes is"):
    latent_sizes.LatentSizes(
      sizes=sizes, training=latent_sizes.Training(training)
    )


def test_losses_without_outputs_stay_as_they_were():
  assert tasks.Losses(1.0, {}, None).outputs is None
