"""Sets of entities with free slots."""

import jax.numpy as jnp
import numpy as np
import pytest

from perceiver.adapters import entities

MASK = jnp.array([[True, False, True], [False, False, False]])


def test_unused_slots_are_cleared_whatever_they_hold():
  x = jnp.array([1.0, jnp.nan, 2.0])[None, :, None]
  found = entities.clear(x, MASK[:1])
  np.testing.assert_array_equal(found[0, :, 0], [1, 0, 2])
  assert entities.clear(x, None) is x


def test_mean_is_over_slots_in_use():
  x = jnp.array([[1.0, 9.0, 2.0], [4.0, 5.0, 6.0]])[..., None]
  found = entities.masked_mean(x, MASK)
  np.testing.assert_allclose(found, [[1.5], [0.0]])
  np.testing.assert_allclose(entities.masked_mean(x, None), [[4.0], [5.0]])


def test_bad_masks_and_configs_are_refused():
  x = jnp.zeros((2, 3, 1))
  with pytest.raises(ValueError, match=r"\(1, 3\); expected \[2, 3\]"):
    entities.clear(x, MASK[:1])
  with pytest.raises(TypeError, match="int32"):
    entities.clear(x, MASK.astype(jnp.int32))
  with pytest.raises(ValueError, match="num_slots is 0"):
    entities.EntityInputConfig(num_slots=0, channels=1)
  with pytest.raises(ValueError, match="embedding_channels is 0"):
    entities.EntityInputConfig(num_slots=1, channels=1, embedding_channels=0)
