"""Rows of a table by their index, with mistakes made visible."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Integer


def take(
  table: Float[Array, "R C"], indices: Integer[Array, "*B"]
) -> Float[Array, "*B C"]:
  """Returns rows of a table of floats; NaN where there is no such row.

  Negative indices do not count from the end: they have no row either.
  """
  indices = indices.astype(jnp.int32)
  indices = jnp.where(indices < 0, len(table), indices)
  return jnp.take(table, indices, axis=0, mode="fill", fill_value=jnp.nan)
