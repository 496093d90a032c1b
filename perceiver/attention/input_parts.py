"""Inputs in parts, which are joined along the channels a block at a time."""

from typing import Any, TYPE_CHECKING

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from perceiver import bounds
from perceiver.attention import segments
from perceiver.attention import streams
from perceiver.position_encoding import grid_encoding

# Arrays that are concatenated along the channels, one block at a time. Parts
# that are the same for every example, such as positions, have batch size 1;
# encodings of a grid need not even exist as arrays, and get no gradient then.
Part = Float[Array, "#B M _"] | grid_encoding.GridEncoding
if not TYPE_CHECKING:
  # Many sets in one row, or a chunk of a stream, stand for all inputs. Only the
  # way to `blockwise.attend` takes them, which uses shape and dtype alone.
  Part = Part | segments.Packed | streams.Chunk
Parts = tuple[Part, ...]
QueryParts = tuple[Float[Array, "#B O _"] | grid_encoding.GridEncoding, ...]


def concatenate(
  parts: Parts,
  batch_size: bounds.Size | None = None,
  mask: Bool[Array, "#B M"] | None = None,
) -> Float[Array, "B M C"]:
  """Joins parts along the channels, for every example of the batch.

  Masked positions are zeros, whatever they hold: 0 · NaN is NaN, so a weight of
  zero would not do, neither here nor in the gradient.
  """
  batch = common_batch_size(parts) if batch_size is None else batch_size
  whole = [
    jnp.broadcast_to(grid_encoding.materialise(part), (batch, *part.shape[1:]))
    for part in parts
  ]
  if mask is not None:
    # Each part, not all of them joined: XLA then sees through to a part where
    # one is taken out again. Its compiler for GPUs fails on the other form at
    # some shapes (jaxlib 0.10.2).
    whole = [jnp.where(mask[..., None], part, 0) for part in whole]
  return jnp.concatenate(whole, axis=-1) if len(whole) > 1 else whole[0]


def common_batch_size(parts: Parts) -> bounds.Size:
  """Returns B, to which parts of batch size 1 are broadcast."""
  return jnp.broadcast_shapes(*(part.shape[:1] for part in parts))[0]


def num_channels(parts: Parts) -> int:
  """Returns the channels of the joined parts."""
  return sum(part.shape[-1] for part in parts)


def num_positions(operands: Any) -> int:
  """Returns the length M of a tree of parts and arrays [B or 1, M, ...]."""
  return jax.tree.leaves(operands, is_leaf=_is_grid_encoding)[0].shape[1]


def slice_parts(parts: Any, start: Int[Array, ""], size: int) -> Any:
  """Takes positions `start` … `start + size` of arrays [B, M, ...]."""

  def take(
    part: Shaped[Array, "#B M ..."] | grid_encoding.GridEncoding,
  ) -> Shaped[Array, "#B S ..."]:
    if part.shape[1] == size:
      return grid_encoding.materialise(part)
    if isinstance(part, grid_encoding.GridEncoding):
      return part.slice(start, size)
    return jax.lax.dynamic_slice_in_dim(part, start, size, axis=1)

  return jax.tree.map(take, parts, is_leaf=_is_grid_encoding)


def _is_grid_encoding(part: Any) -> bool:
  return isinstance(part, grid_encoding.GridEncoding)


def write(whole: Parts, block: Any, start: Int[Array, ""]) -> Parts:
  """Puts the gradient of a block into that of the parts."""

  def write(part: Part, gradient: Array) -> Part:
    if isinstance(part, grid_encoding.GridEncoding):
      return part
    return jax.lax.dynamic_update_slice_in_dim(part, gradient, start, axis=1)

  return jax.tree.map(write, whole, block, is_leaf=_is_grid_encoding)
