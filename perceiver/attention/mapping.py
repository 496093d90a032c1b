"""Functions of many positions, mapped over blocks of them.

This serves many queries and few inputs: rows of the result do not depend on one
another.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from perceiver.attention import block_sizes
from perceiver.attention import input_parts


def map_blocks(
  function: Callable[..., Any], operands: Any, block_size: int
) -> Any:
  """Applies `function` to blocks of positions and joins the results.

  Args:
    function: operands of S positions -> results of S positions, both as trees
      of arrays [B, S, ...]; a position's result depends on that position only.
    operands: tree of arrays [B or 1, O, ...].
    block_size: the number of positions S at a time.

  Returns:
    A tree of arrays [B, O, ...]. The backward pass recomputes each block.
  """
  length = input_parts.num_positions(operands)
  if length <= block_size:
    return function(input_parts.slice_parts(operands, jnp.int32(0), length))
  results = []
  for first, size, count in block_sizes.split_blocks(length, block_size):
    results.append(
      _map_run(jax.checkpoint(function), operands, first, size, count)
    )
  return jax.tree.map(lambda *runs: jnp.concatenate(runs, axis=1), *results)


def _map_run(
  function: Callable[..., Any], operands: Any, first: int, size: int, count: int
) -> Any:
  """Maps `function` over `count` blocks of `size` from position `first` on."""

  def step(_: None, i: Int[Array, ""]) -> tuple[None, Any]:
    return None, function(
      input_parts.slice_parts(operands, first + i * size, size)
    )

  if count == 1:
    return step(None, jnp.int32(0))[1]
  _, blocks = jax.lax.scan(step, None, jnp.arange(count))  # [blocks, B, S, ...]
  return jax.tree.map(
    lambda x: jnp.moveaxis(x, 0, 1).reshape(
      x.shape[1], count * size, *x.shape[3:]
    ),
    blocks,
  )
