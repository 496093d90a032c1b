"""The probability of a sequence."""

import jax
import numpy as np
import pytest

from perceiver.autoregressive import scoring
from tests.helpers import fill
from tests.helpers import perceiver_ar_goldens as goldens


@pytest.mark.parametrize("name", ["rotary", "padded_absolute"])
def test_elements_are_as_likely_as_after_what_is_before_them(name):
  """As in passes of their own, where the latents before them are the same."""
  model, variables = goldens.model_and_variables(name)
  config = model.config
  context, block = config.context, config.num_latents
  length = 2 * context if config.rotary else 30  # for which it has positions
  noise = fill.array((length,), "scoring", name)
  sequence = 1 + (np.abs(1e4 * noise)).astype(int) % (config.vocab_size - 1)
  found = scoring.log_probabilities(model, variables, sequence)
  assert found.shape == (length - 1,)
  for number in (*range(1, block + 1), *range(2 * block, length, block)):
    first = max(0, number - context)
    before = sequence[first:number]
    inputs = np.zeros((1, context), np.int32)
    inputs[0, : len(before)] = before
    positions = first + 1 + np.arange(context)[None, :, None]
    logits = model.apply(variables, inputs, positions=positions)[0, -1]
    expected = jax.nn.log_softmax(logits)[sequence[number]]
    np.testing.assert_allclose(found[number - 1], expected, atol=1e-5)


def test_sequences_without_predictions_are_refused():
  model, variables = goldens.model_and_variables("padded_absolute")
  for sequence in ([1], [1] * 1000):
    with pytest.raises(ValueError, match="expected one of 2 to"):
      scoring.log_probabilities(model, variables, sequence)
