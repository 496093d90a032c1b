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
  attended = []
  for start, end in zip((0, *sizes), sizes):
    seen = dataclasses.replace(
      whole,
      keys=whole.keys[:, :end],
      bias=None if whole.bias is None else whole.bias[:, :end],
      values=whole.values[:, :end],
    )
    own = None if key is None else jax.random.fold_in(key, end)
    attended.append(
      projections.attend(config, weights, seen, x[:, start:end], key=own)
    )
  return jnp.concatenate(attended, axis=1)
