"""A network over rows that hold many sets, each with latents of its own.

A batch of sets of unequal size is padded to the largest; packed, sets of any
size lie one after another in rows, and operations grow with the sum of their
sizes. Latents attend within their own set, as queries decode from it.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from perceiver import network
from perceiver.attention import input_parts
from perceiver.attention import reference
from perceiver.attention import segments as segments_
from perceiver.position_encoding import grid_encoding


def encode(
  perceiver: network.Perceiver,
  inputs: input_parts.Parts,
  segments: segments_.Segments,
  *,
  input_mask: Bool[Array, "B M"] | None = None,
) -> Float[Array, "B S N D"]:
  """Returns the latents of every set; an empty one has some, too.

  Args:
    perceiver: the network.
    inputs: of all sets, a row after another.
    segments: the sets that the inputs belong to.
    input_mask: False for inputs that nothing attends to.
  """
  parts = tuple(grid_encoding.materialise(part) for part in inputs)
  _check("inputs", parts, segments)
  if input_mask is not None:
    ids = jnp.where(input_mask, segments.ids, -1)
    segments = segments_.Segments(ids, segments.count)
  if reference.enabled():
    latents = _encode_apart(perceiver, parts, segments)
  else:
    packed: Any = segments_.Packed(parts, segments)
    latents = perceiver.encode((packed,))
  return latents.reshape(-1, segments.count, *latents.shape[1:])


def decode(
  perceiver: network.Perceiver,
  latents: Float[Array, "B S N D"],
  queries: input_parts.QueryParts,
  segments: segments_.Segments,
) -> Float[Array, "B O F"]:
  """Decodes queries, each from the latents of its own set.

  Args:
    perceiver: the network.
    latents: of every set.
    queries: of all sets, a row after another.
    segments: the sets that the queries belong to.

  Returns:
    The outputs; zeros for queries that belong to no set.
  """
  parts = tuple(grid_encoding.materialise(part) for part in queries)
  _check("queries", parts, segments)
  size = segments_.choose_size(segments.ids.shape[1], segments.count)
  tiles = segments_.cut(segments, size)
  own = segments_.of_rows(latents, tiles.segment)  # [B, P, N, D]
  join = lambda x: jax.lax.collapse(x, 0, 2)
  outputs = perceiver.decode(
    join(own), tuple(join(tiles.take(part)) for part in parts)
  )  # [B · P, size, F]
  shape = (*tiles.mask.shape, outputs.shape[-1])
  outputs = outputs.reshape(shape)  # [B, P, size, F]
  return tiles.put_back(outputs, segments)


def _encode_apart(
  perceiver: network.Perceiver,
  parts: input_parts.Parts,
  segments: segments_.Segments,
) -> Float[Array, "BS N D"]:
  """Encodes every set as a row of its own that masks all others."""
  inputs = input_parts.concatenate(parts, len(segments.ids))
  own = segments.ids[:, None] == jnp.arange(segments.count)[:, None]
  rows = jnp.repeat(inputs, segments.count, axis=0)  # [B · S, M, C]
  return perceiver.encode((rows,), input_mask=jax.lax.collapse(own, 0, 2))


def _check(
  name: str, parts: input_parts.Parts, segments: segments_.Segments
) -> None:
  """Raises a ValueError if the ids are not those of the positions."""
  shape = input_parts.common_batch_size(parts), parts[0].shape[1]
  if segments.ids.shape[1] != shape[1] or shape[0] not in (
    1,
    len(segments.ids),
  ):
    raise ValueError(
      f"Segments: ids have shape {list(segments.ids.shape)}; expected "
      f"{list(shape)}, that of the {name}."
    )
