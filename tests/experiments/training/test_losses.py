"""Losses and metrics against literals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.training import losses

NAN = float("nan")


def test_softmax_cross_entropy():
  logits = jnp.log(jnp.array([[0.25, 0.75], [0.5, 0.5], [0.25, 0.75]]))
  targets = jnp.array([[0.0, 1], [1, 0], [0.5, 0.5]])
  expected = [-np.log(0.75), np.log(2), -(np.log(0.25) + np.log(0.75)) / 2]
  found = losses.softmax_cross_entropy(logits, targets)
  np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_softmax_cross_entropy_is_taken_in_float32():
  logits = jnp.array([[8.0, 8, 8]], jnp.bfloat16)
  found = losses.softmax_cross_entropy(logits, jnp.array([[1.0, 0, 0]]))
  np.testing.assert_allclose(found, [np.log(3)], rtol=1e-6)


@pytest.mark.parametrize(
  ("label", "k", "expected"),
  [
    (1, 1, 1),  # the largest
    (2, 1, 0),  # second
    (2, 2, 1),
    (0, 2, 0),  # third
    (0, 4, 1),
  ],
)
def test_top_k_correct(label, k, expected):
  logits = jnp.array([[0.5, 3.0, 2.0, -1.0]])
  assert losses.top_k_correct(logits, jnp.array([label]), k).tolist() == [
    expected
  ]


def test_ties_go_to_the_lower_class():
  logits = jnp.ones([3, 3])
  labels = jnp.array([0, 1, 2])
  assert losses.top_k_correct(logits, labels, 1).tolist() == [1, 0, 0]
  assert losses.top_k_correct(logits, labels, 2).tolist() == [1, 1, 0]


def test_what_is_not_a_number_is_never_right():
  labels = jnp.array([0, 0])
  logits = jnp.array([[NAN, 1.0, 0], [NAN, NAN, NAN]])
  assert losses.top_k_correct(logits, labels, 1).tolist() == [0, 0]
  beside = jnp.array([[2.0, NAN, 1], [2.0, 1, NAN]])
  assert losses.top_k_correct(beside, labels, 1).tolist() == [0, 0]
  assert losses.top_k_correct(beside, labels, 2).tolist() == [1, 1]


def test_sums_keep_their_types_in_64_bits():
  with jax.enable_x64(True):
    running = losses.empty(["loss", "gradient_norm", losses.SKIPPED])
    means = {"loss": jnp.ones([], jnp.float64), "gradient_norm": jnp.ones([])}
    added = losses.add(running, means, jnp.ones([], jnp.int32))
  assert jax.tree.map(lambda x: x.dtype, added) == jax.tree.map(
    lambda x: x.dtype, running
  )
