"""Self-attention in which the first latents do not depend on later ones.

The latents come in groups that end at given sizes. A latent attends to its own
group and those before it (a block-causal mask; AdaPerceiver, 2511.18105), so
that the first n latents are those of a model with n of them, for every size n:
one pass gives all sizes.
"""

from collections.abc import Sequence
import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from perceiver.attention import projections


def check(sizes: Sequence[int], num_latents: int) -> None:
  """Raises a ValueError if nested sizes are not those of so many latents."""
  ascending = all(a < b for a, b in zip((0, *sizes), sizes))
  if sizes and not (ascending and sizes[-1] == num_latents):
    raise ValueError(
      f"Processor: nested_sizes is {sizes}; expected ascending numbers from 1, "
      f"the last of which is that of the latents, {num_latents}."
    )


def attend(
  config: projections.AttentionConfig,
  weights: projections.AttentionWeights,
  x: Float[Array, "B N D"],
  sizes: Sequence[int],
  key: PRNGKeyArray | None = None,
) -> Float[Array, "B N F"]:
  """Attends from every latent to those of its own group and before it.

  No score of a later group is computed.

  Args:
    config: sizes of the attention.
    weights: its parameters.
    x: latents, normalised.
    sizes: the ends of the groups, ascending; the last one is N.
    key: randomness of the dropout; none is applied without.
  """
  whole = projections.project_keys_values(
    config, weights, x, num_queries=x.shape[1]
  )
  return attend_last(config, weights, whole, x, sizes, key)


def attend_last(
  config: projections.AttentionConfig,
  weights: projections.AttentionWeights,
  keys_values: projections.KeysValues,
  x: Float[Array, "B n D"],
  sizes: Sequence[int],
  key: PRNGKeyArray | None = None,
) -> Float[Array, "B n F"]:
  """Attends from the last latents to those of their own group and before it.

  Args:
    config: sizes of the attention.
    weights: its parameters.
    keys_values: of all N latents.
    x: the last n latents, normalised; whole groups.
    sizes: the ends of the groups, ascending; the last one is N.
    key: randomness of the dropout; none is applied without.
  """
  first = sizes[-1] - x.shape[1]
  ends = [end for end in sizes if end > first]
  attended = []
  for start, end in zip((first, *ends), ends):
    seen = dataclasses.replace(
      keys_values,
      keys=keys_values.keys[:, :end],
      bias=None if keys_values.bias is None else keys_values.bias[:, :end],
      values=keys_values.values[:, :end],
    )
    own = None if key is None else jax.random.fold_in(key, end)
    queries = x[:, start - first : end - first]
    attended.append(projections.attend(config, weights, seen, queries, key=own))
  return jnp.concatenate(attended, axis=1)
