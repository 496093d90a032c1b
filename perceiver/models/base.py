"""The common part of all models: an input adapter before a Perceiver."""

import dataclasses
from typing import Any

import haiku as hk
from jaxtyping import Array, Bool, Float, Integer

from perceiver import decoder
from perceiver import growing
from perceiver import network
from perceiver import packing
from perceiver import streaming
from perceiver.attention import input_parts
from perceiver.attention import streams


def check_channels(
  perceiver: network.PerceiverConfig,
  input_channels: int,
  query_channels: int | None = None,
) -> None:
  """Raises a ValueError if a network does not fit its adapters.

  Args:
    perceiver: the network.
    input_channels: channels of the adapter's inputs.
    query_channels: channels of the queries; None for any decoder.
  """
  found = perceiver.encoder.input_channels
  if found != input_channels:
    raise ValueError(
      f"Encoder: input_channels is {found}; expected {input_channels}, the "
      "channels of the adapter's inputs."
    )
  decoding = perceiver.decoder
  if query_channels is None:
    return
  if not isinstance(decoding, decoder.DecoderConfig):
    raise ValueError(
      "Decoder: one output for all latents; expected one with queries."
    )
  if decoding.query_channels != query_channels:
    raise ValueError(
      f"Decoder: query_channels is {decoding.query_channels}; expected "
      f"{query_channels}, the channels of the queries."
    )


@dataclasses.dataclass
class AdaptedPerceiver(hk.Module):
  """A Perceiver whose inputs are adapted examples.

  Subclasses give `__call__` and `decode`; and `_adapt`, if their configuration
  has no `InputAdapter` called `inputs`.

  Attributes:
    config: has `perceiver` and `precision`.
    is_training: whether dropout is on and batch statistics are used.
    name: of the module.
  """

  config: Any
  is_training: bool = False
  name: str | None = None

  @hk.name_like("__call__")
  def encode(
    self, *examples: Any, **options: Any
  ) -> Float[Array, "B N D"] | Float[Array, "B S N D"]:
    """Returns the latents of examples, which are those of `__call__`.

    With the option `segments`, `perceiver.Segments`, examples are rows of many
    sets, each with latents.
    """
    segments = options.pop("segments", None)
    inputs, input_mask = self._inputs(*examples, **options)
    network = self._network()
    if segments is None:
      return network.encode(inputs, input_mask=input_mask)
    return packing.encode(network, inputs, segments, input_mask=input_mask)

  @hk.name_like("__call__")
  def read(
    self, sums: streams.Sums | None, *chunk: Any, **options: Any
  ) -> streams.Sums:
    """Returns the state of a stream after a chunk; None if it begins."""
    inputs, input_mask = self._inputs(*chunk, **options)
    return streaming.read(self._network(), sums, inputs, input_mask)

  @hk.name_like("__call__")
  def latents(self, sums: streams.Sums) -> Float[Array, "B N D"]:
    """Returns the latents of all that a stream has read."""
    dtype = self.config.precision.dtype
    return streaming.latents(self._network(), sums, dtype)

  @hk.name_like("__call__")
  def grow(
    self, grown: growing.Grown | None, *examples: Any, **options: Any
  ) -> growing.Grown:
    """Returns all latents of examples, given the first; None if none are."""
    inputs, input_mask = self._inputs(*examples, **options)
    return growing.grow(self._network(), grown, inputs, input_mask)

  @hk.name_like("__call__")
  def attention_map(
    self,
    *examples: Any,
    cross_attend: Integer[Array, ""] | int = 0,
    **options: Any,
  ) -> Float[Array, "B H N M"]:
    """Returns the attention of a cross-attend to the inputs, from 0."""
    inputs, input_mask = self._inputs(*examples, **options)
    return self._network().attention_map(
      inputs, input_mask=input_mask, cross_attend=cross_attend
    )

  @hk.name_like("__call__")
  def _network(self) -> Any:
    return network.Perceiver(
      self.config.perceiver, self.is_training, name="perceiver"
    )

  @hk.name_like("__call__")
  def _inputs(
    self, *examples: Any, **options: Any
  ) -> tuple[input_parts.Parts, Bool[Array, "B M"] | None]:
    """Returns inputs, of the dtype of activations, and their mask."""
    parts, input_mask = self._adapt(*examples, **options)
    dtype = self.config.precision.dtype
    return tuple(part.astype(dtype) for part in parts), input_mask

  @hk.name_like("__call__")
  def _adapt(
    self, *examples: Any, **options: Any
  ) -> tuple[input_parts.Parts, Bool[Array, "B M"] | None]:
    """Returns inputs of examples, and their mask, None if there is none."""
    return self.config.inputs.apply(
      *examples, **options, is_training=self.is_training
    )
