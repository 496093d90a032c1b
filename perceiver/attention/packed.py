"""Attention of many sets in one row, each from queries of its own.

Rows are cut into tiles of one set each. All tiles are attended to as examples
of a batch, a few at a time, and the results of a set's tiles are joined by the
normalisers of their softmax: operations grow with the sum of the sets' lengths,
not with their number times the length of a row.
"""

from collections.abc import Callable
import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from perceiver import layers
from perceiver.attention import block_sizes
from perceiver.attention import input_parts
from perceiver.attention import mapping
from perceiver.attention import segments as segments_

# (queries, parts, mask) -> attended values, and log Σ exp(scores)
Attend = Callable[
  [Array, input_parts.Parts, Array],
  tuple[Float[Array, "B G T V"], Float[Array, "B G T"]],
]


def attend(
  function: Attend,
  queries: Float[Array, "BS G T K"],
  packed: segments_.Packed,
) -> tuple[Float[Array, "BS G T V"], Float[Array, "BS G T"]]:
  """Attends from the queries of every set to the set's inputs.

  Args:
    function: attends within a tile; +inf for log Σ exp(scores) of no input.
    queries: of all sets, row by row.
    packed: the inputs.

  Returns:
    The attended values and log Σ exp(scores) of every set: zeros and +inf
    where it has no input, NaN for a row whose sets are not in one piece each.
  """
  segments = packed.segments
  size = segments_.choose_size(segments.ids.shape[1], segments.count)
  tiles = segments_.cut(segments, size)
  by_set = queries.reshape(-1, segments.count, *queries.shape[1:])

  def one_block(operands: Any) -> Any:
    segment, start, mask = operands  # [B, W], [B, W], [B, W, size]
    some = tiles._replace(segment=segment, start=start, mask=mask)
    join = lambda x: jax.lax.collapse(x, 0, 2)
    own = segments_.of_rows(by_set, segment)
    parts = tuple(join(some.take(part)) for part in packed.parts)
    results = function(join(own), parts, join(mask))
    return jax.tree.map(
      lambda x: x.reshape(*start.shape, *x.shape[1:]), results
    )

  scores = math.prod(queries.shape[1:3]) * size * len(by_set)
  operands = tiles.segment, tiles.start, tiles.mask

  def in_blocks(scores_at_once: int) -> Callable[[Any], Any]:
    width = max(scores_at_once // max(scores, 1), 1)
    width = block_sizes.choose_block(tiles.start.shape[1], width)
    return lambda x: mapping.map_blocks(one_block, x, width)

  out, normaliser = jax.lax.platform_dependent(
    operands,
    cpu=in_blocks(block_sizes.BLOCK_SCORES),
    default=in_blocks(block_sizes.ACCELERATOR_BLOCK_SCORES),
  )
  out, normaliser = _join(tiles, segments.count, out, normaliser)
  bad = ~tiles.valid[:, None, None, None]
  normaliser = jnp.where(bad, jnp.nan, normaliser)
  out = jnp.where(bad[..., None], jnp.nan, out)
  return jax.lax.collapse(out, 0, 2), jax.lax.collapse(normaliser, 0, 2)


def _join(
  tiles: segments_.Tiles,
  count: int,
  out: Float[Array, "B P G T V"],
  normaliser: Float[Array, "B P G T"],
) -> tuple[Float[Array, "B S G T V"], Float[Array, "B S G T"]]:
  """Joins the results of the tiles of every set."""
  batch, segment = jnp.arange(len(out))[:, None], tiles.segment

  def start(x: Array, value: float) -> Any:
    shape = (len(x), count, *x.shape[2:])
    return jnp.full(shape, value, x.dtype).at[batch, segment]

  some = normaliser != jnp.inf
  known = jnp.where(some, normaliser, layers.LOWEST)
  # Results do not depend on what is subtracted; so do no derivatives.
  top = start(known, layers.LOWEST).max(jax.lax.stop_gradient(known))
  weights = jnp.where(some, jnp.exp(known - segments_.of_rows(top, segment)), 0)
  attended = start(out, 0).add(out * weights[..., None])
  attended, log_total = layers.divide_sums(
    attended, start(weights, 0).add(weights)
  )
  return attended, top + log_total
