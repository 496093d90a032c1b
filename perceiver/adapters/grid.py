"""From values on a grid to inputs, each with the code of its position."""

import math
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from perceiver import position_encoding
from perceiver.adapters import checks
from perceiver.attention import input_parts


class GridInputConfig(Protocol):
  """The base of adapters of inputs on a grid, which are dataclasses.

  Attributes:
    positions: the encoding of the grid of inputs.
  """

  positions: position_encoding.Encoding

  @property
  def shape(self) -> tuple[int, ...]:
    """The shape of one example."""

  @property
  def grid(self) -> tuple[int, ...]:
    """The shape of the grid of inputs."""

  @property
  def num_values(self) -> int:
    """Channels of an input without its position."""

  def module(self, name: str, is_training: bool = False) -> Any:
    """Returns the Haiku module from examples to inputs."""

  def example(self, batch_size: int = 1) -> jax.ShapeDtypeStruct:
    """Returns shape and dtype of a batch of examples, float32."""
    return jax.ShapeDtypeStruct((batch_size, *self.shape), jnp.float32)

  def apply(
    self,
    examples: checks.Unchecked,
    mask: checks.Unchecked | None = None,
    *,
    is_training: bool = False,
  ) -> tuple[input_parts.Parts, None]:
    """Returns the inputs of examples; see `InputAdapter`.

    Raises:
      ValueError: if a mask is given.
    """
    kind = type(self).__name__.removesuffix("InputConfig")
    if mask is not None:
      raise ValueError(f"{kind} input: a mask is given; expected None.")
    return self.module(f"{kind.lower()}_input", is_training)(examples), None

  def check_grid(self) -> None:
    """Raises a ValueError if the grid is too large or has no such positions."""
    _ = self.input_channels
    position_encoding.check_grid(self.positions, self.grid)

  def resizable_tables(self) -> dict[str, tuple[int, ...]]:
    """Returns the grids of learned positions, by module below the input's."""
    learned = position_encoding.is_learned(self.positions)
    return {"learned_positions": self.grid} if learned else {}

  @property
  def num_inputs(self) -> int:
    """The number M of inputs."""
    return math.prod(self.grid)

  @property
  def input_channels(self) -> int:
    """Channels of the inputs with their positions."""
    return self.num_values + position_encoding.num_channels(
      self.positions, num_axes=len(self.grid)
    )

  def with_positions(
    self, values: Float[Array, "B *grid"]
  ) -> tuple[
    Float[Array, "B M C"],
    Float[Array, "1 M P"] | position_encoding.GridEncoding,
  ]:
    """Returns ([B, M, values], [1, M, positions]); inside a Haiku module."""
    shape = len(values), self.num_inputs, self.num_values
    values = values.reshape(shape)
    positions = position_encoding.encode(self.positions, self.grid)
    return values, positions.astype(values.dtype)
