"""The choice of the next element."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver.autoregressive import sampling
from tests.helpers import fill
from tests.helpers import perceiver_ar_goldens as goldens

CASES = goldens.INDEX["goldens"]["sampling_filter"]["cases"]


@pytest.mark.parametrize("case", CASES)
def test_nucleus_comes_before_temperature(case):
  top_p, temperature = CASES[case]
  logits = 2 * fill.array((3, 11), goldens.SALT, "sampling", "logits")
  config = sampling.SamplingConfig(top_p=top_p, temperature=temperature)
  found = sampling.filtered(config, jnp.asarray(logits))
  expected = goldens.arrays("sampling_filter")[case]
  np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_top_k_keeps_the_likeliest():
  logits = jnp.array([[0.0, 3.0, 1.0, 2.0]])
  config = sampling.SamplingConfig(top_k=2)
  found = sampling.filtered(config, logits)
  assert np.flatnonzero(found[0] > -1e20).tolist() == [1, 3]
  keys = jax.random.split(jax.random.key(0), 50)
  sampled = [int(sampling.sample(config, logits, key)[0]) for key in keys]
  assert set(sampled) == {1, 3}


@pytest.mark.parametrize("option", ["temperature", "top_p"])
def test_zero_takes_the_likeliest(option):
  config = sampling.SamplingConfig(**{option: 0.0})
  logits = jnp.array([[0.0, 3.0, 1.0], [4.0, 3.0, 1.0]])
  found = sampling.sample(config, logits, jax.random.key(0))
  assert found.tolist() == [1, 0]


def test_rows_do_not_depend_on_the_batch():
  logits = jnp.zeros((4, 9))
  key = jax.random.key(1)
  together = sampling.sample(sampling.SamplingConfig(), logits, key)
  alone = sampling.sample(sampling.SamplingConfig(), logits[:2], key)
  np.testing.assert_array_equal(together[:2], alone)


def test_channels_of_an_image():
  allowed = sampling.image_channels(771, 3)(jnp.arange(1, 5))
  expected = goldens.arrays("image_channels")["allowed"]
  np.testing.assert_array_equal(allowed, expected)
