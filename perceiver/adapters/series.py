"""From values with times to inputs: chunks of them need no common grid."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from perceiver import bounds
from perceiver import position_encoding
from perceiver.adapters import checks
from perceiver.attention import input_parts


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeriesInputConfig:
  """The adapter of values at any times.

  An example is {"values": float [B, M, channels], "times": float [B, M]}, any
  number of inputs in any order.

  Attributes:
    channels: of the values.
    duration: the time from 0 that Fourier codes map to [-1, 1], in the unit of
      the times.
    positions: the encoding of times.
    num_inputs: inputs of an example for counting operations.
  """

  channels: int
  duration: float
  positions: position_encoding.Fourier
  num_inputs: int = 1024

  def __post_init__(self) -> None:
    bounds.check(self, "channels", "num_inputs", duration="(0, inf)")
    _ = self.input_channels

  @property
  def input_channels(self) -> int:
    """Channels of an input: the values, and the code of the time."""
    return self.channels + self.positions.channels(1)

  def example(self, batch_size: int = 1) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns shapes and dtypes of values and times."""
    shape = batch_size, self.num_inputs
    return {
      "values": jax.ShapeDtypeStruct((*shape, self.channels), jnp.float32),
      "times": jax.ShapeDtypeStruct(shape, jnp.float32),
    }

  def apply(
    self,
    examples: dict[str, checks.Unchecked],
    mask: checks.Unchecked | None = None,  # [B, M] bool
    *,
    is_training: bool = False,
  ) -> tuple[input_parts.Parts, Bool[Array, "B M"] | None]:
    """Returns the inputs, and their mask; see `InputAdapter`."""
    del is_training
    values, times = examples["values"], examples["times"]
    checks.floats("Series input", values, ("inputs", self.channels))
    checks.floats("Series input", times, (values.shape[1],))
    if mask is not None:
      checks.flags("Series input", mask, times.shape)
      times = jnp.where(mask, times, 0)
    scaled = 2 * times[..., None] / self.duration - 1
    codes = position_encoding.features(self.positions, scaled)
    return (values, codes.astype(values.dtype)), mask
