"""Encodings of a grid's positions, Fourier or learned."""

from collections.abc import Sequence
import dataclasses
import math

from jaxtyping import Array, Float

from perceiver import bounds
from perceiver import layers
from perceiver.position_encoding import fourier
from perceiver.position_encoding import grid_encoding
from perceiver.position_encoding import learned


@dataclasses.dataclass(frozen=True, kw_only=True)
class Projected:
  """A position encoding with a learned linear map after it.

  Attributes:
    encoding: the codes that are mapped.
    channels: channels of the result.
    init_scale: variance scaling of the map's initial weights.
  """

  encoding: fourier.Fourier | learned.Learned
  channels: int
  init_scale: float = layers.TRUNCATED_VARIANCE

  def __post_init__(self) -> None:
    bounds.check(self, "channels", init_scale="[0, inf)")


Encoding = fourier.Fourier | learned.Learned | Projected


def num_channels(encoding: Encoding, num_axes: int) -> int:
  """Returns the channels of an encoding of a grid with `num_axes` axes."""
  if isinstance(encoding, fourier.Fourier):
    return encoding.channels(num_axes)
  if isinstance(encoding, Projected):
    num_channels(encoding.encoding, num_axes)  # refuses other axes
  return encoding.channels


def check_grid(encoding: Encoding, shape: Sequence[int]) -> None:
  """Raises a ValueError if a grid or its Fourier tables are too large."""
  if isinstance(encoding, Projected):
    return check_grid(encoding.encoding, shape)
  bounds.check_number(
    "Positions", "size of the grid", math.prod(shape), bounds.MAX_POSITIONS
  )
  if isinstance(encoding, fourier.Fourier):
    entries = max(shape) * encoding.num_bands
    bounds.check_number(
      "Fourier positions", "num_bands times positions", entries, bounds.MAX_SIZE
    )


def is_learned(encoding: Encoding) -> bool:
  """Returns whether codes are parameters, not functions of the position."""
  if isinstance(encoding, Projected):
    return is_learned(encoding.encoding)
  return isinstance(encoding, learned.Learned)


def encode(
  encoding: Encoding, shape: Sequence[int]
) -> Float[Array, "1 M C"] | grid_encoding.GridEncoding:
  """Returns the code of every position of a grid; inside a Haiku module.

  Args:
    encoding: how positions are encoded.
    shape: the grid's shape.

  Returns:
    Float32 codes of prod(shape) positions in order of the flattened grid; of
    Fourier codes, a `GridEncoding` that stands for them.
  """
  if isinstance(encoding, fourier.Fourier):
    return fourier.grid_features(encoding, shape)
  return _learned(encoding, shape)[None]


def _learned(
  encoding: learned.Learned | Projected, shape: Sequence[int]
) -> Float[Array, "M C"]:
  if isinstance(encoding, learned.Learned):
    return learned.LearnedVectors(
      math.prod(shape), encoding, name="learned_positions"
    )()
  inner = encode(encoding.encoding, shape)
  linear = layers.Linear(
    encoding.channels, encoding.init_scale, name="position_projection"
  )
  return linear(grid_encoding.materialise(inner)[0])
