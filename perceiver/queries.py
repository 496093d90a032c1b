"""Queries of a decoder, one for each output.

Queries are parts [B or 1, O, E_i] that are joined along the channels a block at
a time, so that what is the same for all examples is held only once.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from perceiver import position_encoding
from perceiver.attention import blockwise

Array = jax.Array


def learned(
  num: int, channels: int, *, init_scale: float = 0.02, name: str = "queries"
) -> tuple[Array]:
  """Returns `num` learned queries, [1, O, E]; inside a Haiku module."""
  config = position_encoding.Learned(channels=channels, init_scale=init_scale)
  return (position_encoding.LearnedVectors(num, config, name=name)()[None],)


def fourier(
  config: position_encoding.Fourier,
  shape: Sequence[int],
  indices: Array | None = None,  # [O]
) -> blockwise.Parts:
  """Returns queries for positions of a grid, [1, O, E].

  Args:
    config: how the positions are encoded.
    shape: the grid's shape.
    indices: which elements of the flattened grid; all if None. The two use
      slightly different coordinates, see `position_encoding.subsampled`.
  """
  if indices is None:
    return (position_encoding.grid_features(config, shape),)
  positions = position_encoding.subsampled(indices, shape)
  return (position_encoding.features(config, positions)[None],)


def pad(
  parts: blockwise.Parts, vector: Array, channels: int
) -> blockwise.Parts:
  """Adds a learned vector [P] to every query so that all are equally wide.

  Raises:
    ValueError: if the result would not have `channels` channels.
  """
  width = blockwise.num_channels(parts) + vector.shape[-1]
  if width != channels:
    raise ValueError(
      f"Queries: {width - vector.shape[-1]} channels and {vector.shape[-1]} of "
      f"padding make {width}; expected {channels}."
    )
  length = parts[0].shape[1]
  return (*parts, jnp.broadcast_to(vector, (1, length, vector.shape[-1])))
