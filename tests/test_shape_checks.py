"""The test run checks the shapes and dtypes that annotations promise."""

import importlib
import sys

import beartype.roar
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from experiments.image_classification import mixing
from experiments.training import losses
from perceiver import layers
from perceiver import position_encoding
from perceiver import queries
from perceiver.attention import blockwise
from tests.helpers import annotations

_FOURIER = position_encoding.Fourier(num_bands=2, max_resolution=(4.0, 4.0))
_BATCH = jnp.ones((2, 5, 3))


def _attend(queries_, inputs, mask):
  options = blockwise.Options(lambda _, x: (x[:, None], x[:, None]), 8)
  return blockwise.attend(options, queries_, (inputs,), None, mask, None)[0]


def test_what_annotations_promise_is_accepted():
  mask = jnp.ones((2, 5), bool)
  assert _attend(_BATCH[:, None, :4], _BATCH, mask).shape == (2, 1, 4, 3)
  assert _attend(_BATCH[:, None, :4], _BATCH[:1], None).shape == (2, 1, 4, 3)


@pytest.mark.parametrize(
  ("queries_", "inputs", "mask"),
  [
    (_BATCH, _BATCH, None),  # no axis of groups
    (_BATCH[:, None], _BATCH[0], None),  # no batch
    (_BATCH[:, None], _BATCH, jnp.ones((2, 4), bool)),  # of other inputs
    (_BATCH[:, None], _BATCH, jnp.ones((3, 5), bool)),  # of another batch
  ],
)
def test_a_wrong_shape_is_refused(queries_, inputs, mask):
  with pytest.raises(jaxtyping.TypeCheckError):
    _attend(queries_, inputs, mask)


def test_a_wrong_dtype_is_refused():
  with pytest.raises(jaxtyping.TypeCheckError):
    _attend(_BATCH[:, None], _BATCH, jnp.ones((2, 5), jnp.int32))
  with pytest.raises(jaxtyping.TypeCheckError):
    layers.normalise(jnp.ones((2, 3), jnp.int32))


def test_a_wrong_result_is_refused():
  weights = layers.LinearWeights(w=jnp.ones((3, 4)), b=jnp.ones((2, 1, 4)))
  with pytest.raises(jaxtyping.TypeCheckError, match="return value"):
    weights(jnp.ones((3,)))


def test_a_wrong_type_is_refused_where_there_are_no_arrays():
  with pytest.raises(beartype.roar.BeartypeCallHintParamViolation):
    position_encoding.sinusoidal_table("3", 4)


def test_functions_inside_of_functions_are_checked(tmp_path, monkeypatch):
  monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
  monkeypatch.syspath_prepend(tmp_path)
  (tmp_path / "nested_functions.py").write_text(
    "import jax\n"
    "from jaxtyping import Float\n"
    "def outer(x, dims):\n"
    "  def inner(x: Float[jax.Array, dims]) -> Float[jax.Array, dims]:\n"
    "    return x[:1]\n"
    "  return inner(x)\n"
  )
  annotations.install(["nested_functions"])
  outer = importlib.import_module("nested_functions").outer
  assert outer(jnp.ones((1, 2)), "a b").shape == (1, 2)
  with pytest.raises(jaxtyping.TypeCheckError, match="parameters"):
    outer(jnp.ones(1), "a b")
  with pytest.raises(jaxtyping.TypeCheckError, match="return value"):
    outer(jnp.ones((2, 2)), "a b")
  assert outer(jnp.ones(1), "a").shape == (1,)  # not as the first one's


def test_numpy_arrays_are_accepted_where_users_have_them():
  assert len(queries.fourier(_FOURIER, (4, 4), np.arange(3))) == 1


def test_shapes_are_checked_where_experiments_take_arrays():
  with pytest.raises(jaxtyping.TypeCheckError):
    losses.top_k_correct(jnp.ones((2, 3)), jnp.array([1, 2, 0]))
  with pytest.raises(jaxtyping.TypeCheckError):
    mixing.top_k_correct(
      jnp.ones((2, 3)), jnp.array([1, 2]), jnp.ones((2, 4)), 1
    )
