"""Training steps of the ImageNet recipes against the released ones'."""

import dataclasses
from unittest import mock

import jax
import numpy as np
import pytest

from experiments.image_classification import task as classification_task
from experiments.image_classification.imagenet import configs
from experiments.training import config as training_config
from experiments.training import losses
from experiments.training import optimizers
from experiments.training import sharding
from experiments.training import state as training_state
from perceiver.checkpoints.deepmind import names
from perceiver.checkpoints.deepmind import tables
from tests.helpers import fill
from tests.helpers import released
from tests.helpers import released_classifiers

_BATCH, _CLASSES = 4, 11
_FIRST = {"fourier": 260, "learned": 140, "conv": 180}


class _GivenRatios(classification_task.ImageClassification):
  """The recipes' task, with MixUp's ratios read from the batch."""

  def losses(self, variables, batch, *, rng, is_training):
    given = lambda key, a, b, shape: batch["ratio"]
    with mock.patch.object(jax.random, "beta", given):
      return super().losses(variables, batch, rng=rng, is_training=is_training)


def _batch(variant, step):
  key = (variant, str(_FIRST[variant] + step))
  salt = released.SALT
  z = fill.array((_BATCH,), salt, "ratio", *key)
  labels = np.abs(fill.array((_BATCH,), salt, "labels", *key)) * 100
  half = np.float32(0.5)
  return {
    "images": fill.array((_BATCH, 32, 32, 3), salt, "image", *key),
    "labels": labels.astype(np.int32) % _CLASSES,
    "ratio": half + half * z / (1 + np.abs(z)),
    "weight": np.ones(_BATCH, np.float32),
  }


def _train(variant):
  """Yields the state after each of six steps, with its loss and norm."""
  recipe = configs.EXPERIMENTS[variant]
  model = released_classifiers.tiny(variant)
  mixing = dataclasses.replace(
    recipe.loss.mixing, cutmix=False, within_batch=True
  )
  task = _GivenRatios(
    model=model,
    splits=lambda: None,
    loss=dataclasses.replace(recipe.loss, mixing=mixing),
  )
  train = dataclasses.replace(
    recipe.train, batch_size=_BATCH, epochs=3, base_rate=1.28
  )
  schedule, num_steps = training_config.learning_rate(train, num_examples=9)
  assert num_steps == 6
  optimizer = optimizers.build(train.optimizer, schedule)
  mesh = sharding.make_mesh(sharding.ParallelConfig(data=1))
  init = training_state.initializer(
    task,
    optimizer,
    jax.eval_shape(lambda: _batch(variant, 1)),
    seed=0,
  )
  abstract = training_state.abstract(init, mesh)
  variables = released.filled(model)
  state = training_state.TrainState(
    variables=variables,
    opt_state=optimizer.init(variables.params),
    step=np.int32(0),
    key=jax.random.key(0),
    running=losses.empty(list(abstract.running.sums)),
  )
  step = training_state.make_step(task, optimizer, mesh, abstract)
  for number in range(1, num_steps + 1):
    batch = sharding.put_batch(mesh, _batch(variant, number))
    rate = schedule(number - 1)
    state = state._replace(running=losses.empty(list(state.running.sums)))
    state, loss = step(state, batch)
    norm = state.running.sums["gradient_norm"]
    # A copy, for the next step uses the state up.
    yield jax.device_get(state.variables), (loss, norm, rate)


def _original_arrays(model, variables):
  """Returns parameters and state in the released form, by (module, name)."""
  trees = (
    names.to_theirs(tables.parameter_names(model.config), variables.params),
    names.to_theirs(tables.state_names(model.config), variables.state),
  )
  return {
    (module, name): np.asarray(array, np.float64)
    for tree in trees
    for module, entries in tree.items()
    for name, array in entries.items()
  }


def _is_state(key):
  return key[1] in ("hidden", "average", "counter")


def _is_undetermined(key):
  """Softmax cancels the biases of keys: their gradient is rounding noise."""
  return key[0].endswith("attention/linear_1") and key[1] == "b"


def _relative_errors(found, expected):
  """Returns the relative L2 distance of each array, and of all together."""
  errors = {key: found[key] - value for key, value in expected.items()}
  norms = {key: np.linalg.norm(value) for key, value in expected.items()}
  each = {key: np.linalg.norm(errors[key]) / norms[key] for key in expected}
  total = np.linalg.norm(list(map(np.linalg.norm, errors.values())))
  return each, total / np.linalg.norm(list(norms.values()))


@pytest.mark.parametrize("variant", list(_FIRST))
def test_released_steps(variant):
  golden = released.golden(f"train_steps_imagenet_{variant}")
  model = released_classifiers.tiny(variant)
  first = _original_arrays(model, released.filled(model))
  for step, (variables, numbers) in enumerate(_train(variant), start=1):
    expected = [
      golden[name][step - 1]
      for name in ("loss", "gradient_norm", "learning_rate")
    ]
    np.testing.assert_allclose(numbers, expected, rtol=1e-5)
    stored = {
      tuple(key.split("|")[1:]): value
      for key, value in golden.items()
      if key.startswith(f"step{step}|")
    }
    if stored:
      _check_variables(_original_arrays(model, variables), stored, first)


def _check_variables(found, expected, first):
  """Compares state, and the changes of parameters since `first`."""
  assert found.keys() == expected.keys()
  for key in filter(_is_state, expected):
    assert released.relative_error(found[key], expected[key]) < 1e-5, key

  def changes(tree):
    return {
      key: value - first[key]
      for key, value in tree.items()
      if not (_is_state(key) or _is_undetermined(key))
    }

  each, together = _relative_errors(changes(found), changes(expected))
  assert together < 1e-4
  assert max(each.values()) < 1e-3, max(each.items(), key=lambda x: x[1])
