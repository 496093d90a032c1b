"""The running state of an attention, to which inputs are added in chunks."""

from collections.abc import Callable
import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from perceiver import bounds
from perceiver import layers


class Sums(NamedTuple):
  """The softmax over the inputs so far, of G groups of T queries.

  Attributes:
    top: the highest score, [B, G, T].
    total: Σ exp(score − top), [B, G, T].
    values: Σ exp(score − top) · value, [B, G, T, V].
  """

  top: Float[Array, "B G T"]
  total: Float[Array, "B G T"]
  values: Float[Array, "B G T V"]


def nothing(shape: tuple[bounds.Size, ...], dtype: jnp.dtype) -> Sums:
  """Returns the sums over no inputs; `shape` is [B, G, T, V]."""
  top = jnp.full(shape[:-1], layers.LOWEST, dtype)
  return Sums(top, jnp.zeros(shape[:-1], dtype), jnp.zeros(shape, dtype))


def divide(
  sums: Sums,
) -> tuple[Float[Array, "B G T V"], Float[Array, "B G T"]]:
  """Returns the attended values and log Σ exp(scores).

  They are zeros and +inf where there is no input.
  """
  out, log_total = layers.divide_sums(sums.values, sums.total)
  return out, sums.top + log_total


@dataclasses.dataclass(frozen=True, eq=False)
class Chunk:
  """Stands for all inputs of a stream: sums over those before, and a chunk.

  Attributes:
    sums: over the inputs before; None if there are none.
    parts: the chunk, arrays [B or 1, M, _]; none for an empty one.
    mask: True where an input may be attended to; all if None.
    channels: of the inputs.
    batch_size: the number B of streams.
    dtype: of the inputs.
    found: gets the sums that include the chunk.
  """

  sums: Sums | None
  parts: tuple[Any, ...]
  mask: Bool[Array, "B M"] | None
  channels: int
  batch_size: bounds.Size
  dtype: Any
  found: list[Sums] = dataclasses.field(default_factory=list)

  @property
  def shape(self) -> tuple[bounds.Size, int, int]:
    """The shape of the chunk, of at least one input."""
    length = self.parts[0].shape[1] if self.parts else 1
    return self.batch_size, length, self.channels

  def read(
    self,
    start: Callable[..., Sums],
    add: Callable[..., Sums],
    queries: Float[Array, "B G T K"],
    parameters: Any,
  ) -> Sums:
    """Returns the sums that include the chunk, and keeps them.

    Args:
      start: (parts, parameters) -> sums over no inputs.
      add: (sums, queries, parts, parameters, mask, key) -> sums.
      queries: of the attention.
      parameters: of the projection.
    """
    sums = self.sums
    if sums is None:
      sums = start(self.parts, parameters)
    if self.parts:
      sums = add(sums, queries, self.parts, parameters, self.mask, None)
    self.found.append(sums)
    return sums
