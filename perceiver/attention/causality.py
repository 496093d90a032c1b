"""The loop over blocks of inputs, and causal masks inside of each.

Query i of a row attends to input j if j ≤ `offset` + i, with an offset for each
row of the batch. Blocks that lie in the future of all rows are not computed.
"""

from collections.abc import Callable
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from perceiver.attention import block_sizes


def ends(offset: Int[Array, "B"], num_queries: int) -> Int[Array, "B 1 T 1"]:
  """Returns the last index that each query may attend to."""
  return (offset[:, None] + jnp.arange(num_queries))[:, None, :, None]


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
  causal = start + jnp.arange(size) <= ends(offset, num_queries)  # [B, 1, T, S]
  return causal if mask is None else causal & mask


def last_visible(
  offset: Int[Array, "B"] | None, num_queries: int
) -> Int[Array, ""] | None:
  """Returns the last index that any query attends to; None for all."""
  return None if offset is None else jnp.max(offset) + num_queries - 1


def loop(
  length: int,
  size: int,
  body: Callable[[Any, Array, int, Array], Any],
  carry: Any,
  last: Int[Array, ""] | None,
) -> Any:
  """Runs `body(carry, start, size, block_index)` over all blocks in order.

  Blocks that begin after the index `last` are skipped; none are if it is None.
  """
  for first, width, count in block_sizes.split_blocks(length, size):
    step = functools.partial(_step, body, first, width, first // size, last)
    if count == 1:
      carry = step(carry, jnp.int32(0))[0]
    else:
      carry = jax.lax.scan(step, carry, jnp.arange(count))[0]
  return carry


def _step(
  body: Callable[[Any, Array, int, Array], Any],
  first: int,
  size: int,
  first_block: int,
  last: Int[Array, ""] | None,
  carry: Any,
  i: Int[Array, ""],
) -> tuple[Any, None]:
  start = first + i * size
  run = lambda carry: body(carry, start, size, first_block + i)
  if last is None:
    return run(carry), None
  # A choice in a loop of fixed length: its operations can be counted.
  return jax.lax.cond(start <= last, run, lambda carry: carry, carry), None
