"""Token ids to inputs, decoded vectors to logits."""

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver.adapters import rows
from perceiver.adapters import text

CONFIG = text.TextInputConfig(vocab_size=4, max_length=3, channels=2)
PARAMS = {
  "text_input/token_embedding": {
    "embeddings": jnp.array([[1, 2], [3, 4], [5, 6], [7, 8]], jnp.float32)
  },
  "text_input/learned_positions": {
    "embeddings": jnp.array([[10, 20], [30, 40], [50, 60]], jnp.float32)
  },
}


def embed(ids, prefix=None):
  """Returns the adapter's inputs for ids."""
  run = lambda: text.TextInput(CONFIG, name="text_input")(ids, prefix)
  return hk.without_apply_rng(hk.transform(run)).apply(PARAMS)


def test_positions_are_added_to_embeddings():
  (found,) = embed(jnp.array([[2, 0, 3], [1, 1, 1]]))
  expected = [
    [[15, 26], [31, 42], [57, 68]],
    [[13, 24], [33, 44], [53, 64]],
  ]
  np.testing.assert_array_equal(found, expected)


def test_a_prefix_takes_the_first_positions():
  prefix = jnp.array([[0.5, 0.25]])
  (found,) = embed(jnp.array([[2], [3]]), prefix)
  expected = [[[10.5, 20.25], [35, 46]], [[10.5, 20.25], [37, 48]]]
  np.testing.assert_array_equal(found, expected)


def test_ids_of_any_integer_type():
  for dtype in (np.uint8, np.int16, np.int32):
    (found,) = embed(jnp.array([[2, 0]], dtype))
    np.testing.assert_array_equal(found, [[[15, 26], [31, 42]]])


def test_only_ids_in_range_have_rows():
  table = jnp.array([[1.0], [2.0]])
  found = rows.take(table, jnp.array([[1, 0], [2, -1]]))
  np.testing.assert_array_equal(found, [[[2], [1]], [[np.nan], [np.nan]]])
  beyond = rows.take(jnp.ones((300, 1)), jnp.array([255], np.uint8))
  assert np.isfinite(beyond).all()


def test_logits_are_products_and_a_bias():
  table = jnp.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
  run = lambda x: text.TiedLogits(name="logits")(x, table)
  params = {"logits": {"b": jnp.array([0.0, 0.5, -1.0])}}
  x = jnp.array([[[2.0, 3.0]]], jnp.bfloat16)
  found = hk.without_apply_rng(hk.transform(run)).apply(params, x)
  assert found.dtype == jnp.float32
  np.testing.assert_array_equal(found, [[[2.0, 3.5, 4.0]]])


def test_initial_values():
  config = text.TextInputConfig(vocab_size=500, max_length=400, channels=50)
  run = lambda: text.TextInput(config, name="text_input")(
    jnp.zeros((1, 1), int)
  )
  params = hk.transform(run).init(jax.random.key(0))
  for module in PARAMS:
    values = params[module]["embeddings"]
    deviation = 1.0 if "token" in module else 0.02
    assert np.abs(values).max() <= 2 * deviation + 1e-6
    # A normal cut at two deviations keeps 0.88 of its deviation.
    assert np.std(values) == pytest.approx(deviation * 0.88, rel=0.15)


@pytest.mark.parametrize("field", ["vocab_size", "max_length", "channels"])
def test_bad_config(field):
  sizes = {"vocab_size": 4, "max_length": 3, "channels": 2, field: 0}
  with pytest.raises(ValueError, match=f"{field} is 0"):
    text.TextInputConfig(**sizes)


def test_a_prefix_leaves_less_room():
  with pytest.raises(ValueError, match="length from 1 to 2"):
    embed(jnp.zeros((1, 3), jnp.int32), jnp.zeros((1, 2)))


def test_masks():
  text.check_mask(None, (1, 2))
  text.check_mask(jnp.ones((1, 2), bool), (1, 2))
  with pytest.raises(TypeError, match="int32"):
    text.check_mask(jnp.ones((1, 2), jnp.int32), (1, 2))
  with pytest.raises(ValueError, match=r"\(2, 2\); expected \[1, 2\]"):
    text.check_mask(jnp.ones((2, 2), bool), (1, 2))
