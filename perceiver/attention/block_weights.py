"""Scores and weights of the softmax over one block of inputs."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from perceiver import layers


def unnormalised(
  dropout_rate: float,
  scores: Float[Array, "B G T S"],
  subtract: Float[Array, "B G T"],
  mask: Bool[Array, "B 1 #T S"] | None,
  key: PRNGKeyArray | None,
  index: Int[Array, ""],
) -> tuple[Float[Array, "B G T S"], Float[Array, "B G T S"]]:
  """Returns the block's unnormalised weights, without and with dropout."""
  weights = jnp.exp(scores - subtract[..., None])
  if mask is not None:
    weights = jnp.where(mask, weights, 0)
  if key is None or not dropout_rate:
    return weights, weights
  keep = jax.random.bernoulli(
    jax.random.fold_in(key, index), 1 - dropout_rate, weights.shape
  )
  return weights, weights * keep / (1 - dropout_rate)


def scores(
  queries: Float[Array, "B G T K"],
  keys: Float[Array, "B G S K"],
  mask: Bool[Array, "B 1 #T S"] | None,
) -> Float[Array, "B G T S"]:
  """Returns the block's scores; the lowest number where masked."""
  wide = layers.sum_dtype(queries.dtype)
  scores = jnp.einsum(
    "bgtk,bgsk->bgts", queries, keys, preferred_element_type=wide
  )
  if mask is None:
    return scores
  return jnp.where(mask, scores, layers.LOWEST)


def gradient(
  dropout_rate: float,
  dropped: Float[Array, "B G T S"],
  values: Float[Array, "B G S V"],
  cotangent: Float[Array, "B G T V"],
) -> Float[Array, "B G T S"]:
  """Returns the gradient of a block's attention weights."""
  wide = layers.sum_dtype(values.dtype)
  d_weights = jnp.einsum(
    "bgtv,bgsv->bgts", cotangent, values, preferred_element_type=wide
  )
  if dropout_rate:
    # The same entries are dropped again: `dropped` is zero there.
    d_weights = jnp.where(dropped > 0, d_weights, 0)
    d_weights /= 1 - dropout_rate
  return d_weights
