"""The probability that a Perceiver AR gives to a sequence."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float32
import numpy as np

from perceiver import model as perceiver_model
from perceiver.autoregressive import sequence_positions


def log_probabilities(
  model: perceiver_model.Model,
  variables: perceiver_model.Variables,
  sequence: Sequence[int] | np.ndarray,
) -> Float32[np.ndarray, "T"]:
  """Returns natural logarithms of the probabilities of T = L − 1 elements.

  Each element but the first is predicted from those before it, the last
  `context` of them; the model's N latents predict N at a time.

  Args:
    model: a Perceiver AR.
    variables: its parameters.
    sequence: L elements from 1, such as a start and what follows.

  Raises:
    ValueError: if there are fewer than two elements, or more than the model has
      positions for.
  """
  elements = np.asarray(sequence, np.int32)
  config = model.config
  most = sequence_positions.most_elements(config.positions)
  longest = np.inf if most is None else most + 1  # The last one is not read.
  if elements.ndim != 1 or not 2 <= len(elements) <= longest:
    raise ValueError(
      f"Perceiver AR: the sequence has shape {elements.shape}; expected one of "
      f"2 to {longest} elements."
    )
  found = []
  for start in range(1, len(elements), config.num_latents):
    end = min(start + config.num_latents, len(elements))
    found.append(_block(model, variables, elements, start, end))
  return np.concatenate(found)


def _block(
  model: perceiver_model.Model,
  variables: perceiver_model.Variables,
  elements: np.ndarray,  # [L]
  start: int,
  end: int,
) -> np.ndarray:  # [end - start]
  """Returns the logarithms of the probabilities of some elements."""
  config: Any = model.config
  first = max(0, end - 1 - config.context)
  inputs = np.zeros((1, config.context), np.int32)
  inputs[0, : end - 1 - first] = elements[first : end - 1]
  # Of rotary positions, which are angles, small ones are more precise.
  shift = first if config.rotary is None else 0
  steps = jnp.arange(config.context)[None] + shift
  logits = model.apply(
    variables,
    inputs,
    positions=sequence_positions.of_steps(config.positions, steps),
  )  # [1, N, V], the last of which are those of the last inputs
  found = jax.nn.log_softmax(logits[0, start - end :].astype(jnp.float32))
  return np.asarray(found)[np.arange(end - start), elements[start:end]]
