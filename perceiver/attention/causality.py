"""Causal masks, made inside each block of inputs.

Query i of a row attends to input j if j ≤ `offset` + i, with an offset for each
row of the batch. Blocks that lie in the future of all rows are not computed.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int


def mask(
  mask: Bool[Array, "B S"] | None,
  offset: Int[Array, "B"] | None,
  num_queries: int,
  start: Int[Array, ""],
  size: int,
) -> Bool[Array, "B 1 #T S"] | None:
  """Returns True where queries attend to inputs of a block; None for all.

  Args:
    mask: False for inputs of the block that nothing attends to.
    offset: of every row; None if attention is not causal.
    num_queries: the number T.
    start: index of the block's first input.
    size: inputs of the block.
  """
  mask = None if mask is None else mask[:, None, None, :]
  if offset is None:
    return mask
  ends = offset[:, None] + jnp.arange(num_queries)  # [B, T]
  causal = start + jnp.arange(size) <= ends[:, None, :, None]  # [B, 1, T, S]
  return causal if mask is None else causal & mask


def last_visible(
  offset: Int[Array, "B"] | None, num_queries: int
) -> Int[Array, ""] | None:
  """Returns the last index that any query attends to; None for all."""
  return None if offset is None else jnp.max(offset) + num_queries - 1


def run_visible(
  step: Callable[[Any, Int[Array, ""]], tuple[Any, None]],
  carry: Any,
  first: int,
  size: int,
  count: int,
  last: Int[Array, ""],
) -> Any:
  """Runs `step(carry, i)` over blocks that begin at `first` + i · `size`.

  Only the blocks up to the index `last` are run, of `count` that there are.
  """
  visible = jnp.clip((last - first) // size + 1, 0, count)
  return jax.lax.fori_loop(0, visible, lambda i, x: step(x, i)[0], carry)
