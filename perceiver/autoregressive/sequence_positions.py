"""Positions of the elements of a sequence, and their encodings' settings."""

import dataclasses
import enum
import math

import jax.numpy as jnp
from jaxtyping import Array, Int, Real

from perceiver import bounds
from perceiver import position_encoding

PADDING = 0  # ends a sequence; no other element has this number


@dataclasses.dataclass(frozen=True, kw_only=True)
class Learned:
  """Learned positions, added to the embeddings.

  Attributes:
    sizes: rows of each table; an element has one index for each of them, and
      its encodings are added.
    grid: rows, columns and channels of an image whose elements follow a start
      token in raster order; they have indices of column, row and channel from
      2, the start token has 1. None for one index, which counts from 1.
  """

  sizes: tuple[int, ...]
  grid: tuple[int, int, int] | None = None

  def __post_init__(self) -> None:
    bounds.check(self, "sizes", "grid")
    num_indices = 1 if self.grid is None else 3
    if len(self.sizes) != num_indices:
      raise ValueError(
        f"Learned positions: sizes are {self.sizes} of a grid {self.grid}; "
        "expected one table for each index."
      )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sinusoidal:
  """Fixed sinusoidal positions, added to the embeddings.

  Attributes:
    size: positions are less than this.
  """

  size: int

  def __post_init__(self) -> None:
    bounds.check(self, "size")


class Order(enum.Enum):
  """The counting of positions of a model.

  FORWARD takes the positions that it is given. FROM_LAST counts back from a
  sequence's last element, which is 0; NEGATIVE_FROM_LAST negates these. Both
  change with every new element, so that nothing can be cached.
  """

  FORWARD = "forward"
  FROM_LAST = "from_last"
  NEGATIVE_FROM_LAST = "negative_from_last"


Positions = Learned | Sinusoidal | position_encoding.Rotary


def grid(config: Positions) -> tuple[int, int, int] | None:
  """Returns rows, columns and channels of an image; None if it is none."""
  return config.grid if isinstance(config, Learned) else None


def of_steps(config: Positions, steps: Int[Array, "*B"]) -> Int[Array, "*B P"]:
  """Returns the positions of the elements of a sequence, from step 0."""
  if not isinstance(config, Learned) or config.grid is None:
    return steps[..., None] + 1
  number = steps - 1
  _, columns, channels = config.grid
  column = number // channels % columns
  row, channel = number // (channels * columns), number % channels
  indices = jnp.stack([column, row, channel], axis=-1) + 2
  return jnp.where(steps[..., None] > 0, indices, 1)


def most_elements(config: Positions) -> int | None:
  """Returns the elements of the longest sequence; None for any number."""
  if isinstance(config, position_encoding.Rotary):
    return None
  if isinstance(config, Learned) and config.grid is not None:
    return 1 + math.prod(config.grid)
  size = config.size if isinstance(config, Sinusoidal) else config.sizes[0]
  return size - 1


def of_inputs(
  config: Positions,
  order: Order,
  inputs: Int[Array, "B M"],
  positions: Real[Array, "B M P"] | None,
) -> Real[Array, "B M P"]:
  """Returns the positions of inputs as a model counts them.

  Raises:
    ValueError: if the positions given have another shape than the model's.
  """
  steps = jnp.broadcast_to(jnp.arange(inputs.shape[1]), inputs.shape)
  if order is Order.FORWARD:
    default = of_steps(config, steps)
    if positions is not None and positions.shape != default.shape:
      raise ValueError(
        f"Perceiver AR: positions have shape {positions.shape}; expected "
        f"{default.shape}."
      )
    return default if positions is None else positions
  back = jnp.maximum(lengths(inputs)[:, None] - 1 - steps, 0)[..., None]
  return back if order is Order.FROM_LAST else -back


def lengths(inputs: Int[Array, "B M"]) -> Int[Array, "B"]:
  """Returns the index of each row's first 0, M if there is none."""
  return jnp.sum(jnp.cumprod(inputs != PADDING, axis=1), axis=1)


def latent_steps(
  lengths: Int[Array, "B"], num_latents: int
) -> Int[Array, "B N"]:
  """Returns the index of the input that each latent is at; -1 for none.

  These are the last inputs of each row.
  """
  steps = lengths[:, None] + jnp.arange(-num_latents, 0)
  return jnp.maximum(steps, -1)
