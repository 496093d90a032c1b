"""Queries of a decoder, one for each output.

Queries are parts [B or 1, O, E_i] that are joined along the channels a block at
a time, so that what is the same for all examples is held only once.
"""

from collections.abc import Sequence

from jaxtyping import Array, Float, Integer
import numpy as np

from perceiver import position_encoding
from perceiver.attention import input_parts


def learned(
  num: int, channels: int, *, init_scale: float = 0.02, name: str = "queries"
) -> tuple[Float[Array, "1 {num} {channels}"]]:
  """Returns `num` learned queries; inside a Haiku module."""
  config = position_encoding.Learned(channels=channels, init_scale=init_scale)
  return (position_encoding.LearnedVectors(num, config, name=name)()[None],)


def fourier(
  config: position_encoding.Fourier,
  shape: Sequence[int],
  indices: Integer[Array | np.ndarray, "O"] | None = None,
) -> input_parts.QueryParts:
  """Returns queries for positions of a grid, the same for all examples.

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
