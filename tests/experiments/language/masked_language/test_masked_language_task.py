"""Loss and metrics of masked texts."""

import dataclasses
import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.data import loader
from experiments.language.masked_language import data
from experiments.language.masked_language import task as language_task
from experiments.language.text import corpora
import perceiver
from tests.helpers import tiny_language

CONFIG = data.DataConfig(
  source=corpora.PYTHON_TOPICS, max_masked=0.5, eval_examples=6
)


@pytest.fixture(scope="module")
def task():
  model = perceiver.create(tiny_language.model_config())
  return language_task.MaskedLanguage(model=model, data=CONFIG)


@pytest.fixture(scope="module")
def variables(task):
  return task.model.init(jax.random.key(0))


@pytest.fixture(scope="module")
def losses(task):
  """The task's losses in evaluation, compiled."""
  return jax.jit(
    lambda variables, batch: task.losses(
      variables, batch, rng=None, is_training=False
    )
  )


@pytest.fixture(scope="module")
def batch(task):
  (found,) = loader.eval_batches(task.eval_split(), batch_size=6)
  return found


def test_cross_entropy_literally():
  logits = jnp.log(jnp.array([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]]))
  found = language_task.cross_entropy(logits, jnp.array([[1, 2]]))
  np.testing.assert_allclose(found, [[math.log(4), -math.log(0.8)]], rtol=1e-6)


def test_metrics_literally():
  """Words 0 and 1 of 2 and 1 tokens, 4 and 3 bytes; the rest is padding."""
  batch = {
    "words": np.array([[0, 0, 1, -1, -1], [-1] * 5], np.int32),
    "num_bytes": np.array([[1, 3, 3, 0, 0], [0] * 5], np.int32),
  }
  nats = np.log([[2.0, 4.0, 16.0, 99.0, 99.0], [99.0] * 5])
  right = np.array([[True, False, True, True, False], [True] * 5])
  found = language_task.masked_metrics(nats, right, batch)
  expected = {
    "nats": np.float32([7 * math.log(2) / 3, 0]),
    "bits_per_byte": np.float32([1, 0]),
    "accuracy": np.float32([2 / 3, 0]),
    "word_accuracy": np.float32([1 / 2, 0]),
  }
  chex.assert_trees_all_close(found, expected, rtol=1e-6)


def test_padding_does_not_count_for_the_first_word():
  batch = {
    "words": np.array([[0, -1]], np.int32),
    "num_bytes": np.array([[1, 0]], np.int32),
  }
  right = np.array([[True, False]])
  found = language_task.masked_metrics(np.zeros((1, 2)), right, batch)
  assert float(found["word_accuracy"][0]) == 1


def test_decoding_masked_positions_only_gives_the_same(
  task, losses, variables, batch
):
  whole = dataclasses.replace(
    task, loss=language_task.LossConfig(decode_masked_only=False)
  )
  found = losses(variables, batch)
  expected = jax.jit(
    lambda variables, batch: whole.losses(
      variables, batch, rng=None, is_training=False
    )
  )(variables, batch)
  np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-5)
  assert set(found.metrics) == {"bits_per_byte", "accuracy", "word_accuracy"}
  for name, values in expected.metrics.items():
    np.testing.assert_allclose(found.metrics[name], values, rtol=1e-5)


def test_the_loss_of_visible_tokens_literally():
  """Of four tokens one is masked and one padding; P has room for two."""
  chances = [[0.5, 0.5], [0.25, 0.75], [0.1, 0.9], [0.9, 0.1]]
  batch = {
    "ids": np.array([[0, 1, 0, 0]]),
    "input_mask": np.array([[True, True, True, False]]),
    "positions": np.array([[1, 0]]),  # the second is none
    "words": np.array([[0, -1]]),
  }
  found = language_task.visible_nats(jnp.log(jnp.array([chances])), batch)
  expected = -(math.log(0.5) + math.log(0.1)) / 2
  np.testing.assert_allclose(found, [expected], rtol=1e-6)
  batch["input_mask"][:] = False
  assert float(language_task.visible_nats(jnp.zeros((1, 4, 2)), batch)[0]) == 0


def test_visible_tokens_count_in_training_alone(task, losses, variables, batch):
  both = dataclasses.replace(task, loss=language_task.LossConfig(visible=0.5))
  found = {
    is_training: both.losses(
      variables, batch, rng=None, is_training=is_training
    ).loss
    for is_training in (True, False)
  }
  expected = losses(variables, batch).loss
  np.testing.assert_allclose(found[False], expected, rtol=1e-5)
  logits = task.model.apply(
    variables, batch["ids"], input_mask=batch["input_mask"]
  )
  visible = language_task.visible_nats(logits, batch)
  np.testing.assert_allclose(found[True], expected + 0.5 * visible, rtol=1e-5)


def test_a_negative_weight():
  with pytest.raises(ValueError, match=r"visible is -1; expected at least 0"):
    language_task.LossConfig(visible=-1)


def test_the_loss_of_an_untrained_model(losses, variables, batch):
  found = losses(variables, batch)
  assert found.loss.shape == (6,)
  assert float(found.loss.mean()) == pytest.approx(math.log(262), abs=1)
  np.testing.assert_allclose(
    found.metrics["bits_per_byte"], found.loss / math.log(2), rtol=1e-5
  )


def test_examples_are_independent(losses, variables, batch):
  together = losses(variables, batch).loss
  one = {name: values[2:3] for name, values in batch.items()}
  alone = losses(variables, one).loss
  np.testing.assert_allclose(alone[0], together[2], rtol=1e-5)


def test_padding_changes_nothing(losses, variables, batch):
  changed = {name: values.copy() for name, values in batch.items()}
  for row in range(6):
    size = 20
    changed["input_mask"][row, size:] = False
    outside = changed["positions"][row] >= size
    for name, fill in (("words", -1), ("positions", 0), ("num_bytes", 0)):
      changed[name][row][outside] = fill
  other = {name: values.copy() for name, values in changed.items()}
  other["ids"][:, 20:] = 7
  results = [losses(variables, b) for b in (changed, other)]
  np.testing.assert_allclose(results[0].loss, results[1].loss, rtol=1e-5)
