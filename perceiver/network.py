"""The Perceiver and Perceiver IO, from inputs to outputs.

One network covers both. Perceiver IO (2107.14795) attends to its inputs once
and decodes with queries. The Perceiver of 2021 (2103.03206) attends to them up
to eight times, between its blocks of latent self-attention or before them, and
takes a linear map of the mean latent.
"""

import dataclasses

import haiku as hk
from jaxtyping import Array, Bool, Float, Integer

from perceiver import attention_maps
from perceiver import blocks
from perceiver import decoder
from perceiver import encoder
from perceiver import processor
from perceiver.attention import input_parts
from perceiver.attention import nested


@dataclasses.dataclass(frozen=True, kw_only=True)
class PerceiverConfig:
  """Encoder, processor and decoder, which must fit together.

  Attributes:
    encoder: latents and cross-attends.
    processor: the latent stack; its channels are the latents'.
    decoder: with queries, or the mean over latents.
    share_weights: whether cross-attends after the first share one set of
      parameters, and so do all blocks; otherwise nothing is shared.
  """

  encoder: encoder.EncoderConfig
  processor: processor.ProcessorConfig
  decoder: decoder.DecoderConfig | decoder.MeanDecoderConfig
  share_weights: bool = True

  def __post_init__(self) -> None:
    if self.processor.channels != self.encoder.latent_channels:
      raise ValueError(
        f"Processor: channels is {self.processor.channels}; expected the "
        f"encoder's latent_channels, {self.encoder.latent_channels}."
      )
    sizes = self.processor.self_attention.nested_sizes
    nested.check(sizes, self.encoder.num_latents)
    if isinstance(self.decoder, decoder.DecoderConfig):
      self.decoder.cross_attention.attention(
        self.decoder.query_channels, self.encoder.latent_channels
      )
    if not self.share_weights and len(set(self.schedule)) > 1:
      raise ValueError(
        "Perceiver: share_weights is False with "
        f"{self.encoder.num_cross_attends} cross-attends over "
        f"{self.processor.num_blocks} blocks; expected the same number of "
        "cross-attends before every block."
      )

  @property
  def schedule(self) -> tuple[int, ...]:
    """The number of cross-attends before each block."""
    return self.encoder.cross_attends_per_block(self.processor.num_blocks)

  @property
  def rounds(self) -> tuple[tuple[int, int], ...]:
    """Runs of blocks, with the number of cross-attends that follow each run."""
    after = (*self.schedule, 0)
    starts = [i for i, attends in enumerate(self.schedule) if attends]
    ends = [*starts[1:], len(self.schedule)]
    return tuple((end - start, after[end]) for start, end in zip(starts, ends))


@dataclasses.dataclass
class Perceiver(hk.Module):
  """Encodes inputs as latents, processes these, and decodes outputs."""

  config: PerceiverConfig
  is_training: bool = False
  name: str | None = None

  def __call__(
    self,
    inputs: input_parts.Parts,
    queries: input_parts.QueryParts | None = None,
    *,
    input_mask: Bool[Array, "B M"] | None = None,
    query_mask: Bool[Array, "B O"] | None = None,
  ) -> Float[Array, "B O F"] | Float[Array, "B 1 F"]:
    latents = self.encode(inputs, input_mask=input_mask)  # [B, N, D]
    return self.decode(latents, queries, query_mask=query_mask)

  @hk.name_like("__call__")
  def encode(
    self,
    inputs: input_parts.Parts,
    *,
    input_mask: Bool[Array, "B M"] | None = None,
  ) -> Float[Array, "B N D"]:
    """Returns processed latents, at a cost linear in the number of inputs."""
    self._check_inputs(inputs)
    return self.encode_state(self.initial_latents(inputs), inputs, input_mask)

  @hk.name_like("__call__")
  def decode(
    self,
    latents: Float[Array, "B N D"],
    queries: input_parts.QueryParts | None = None,
    *,
    query_mask: Bool[Array, "B O"] | None = None,
  ) -> Float[Array, "B O F"] | Float[Array, "B 1 F"]:
    """Decodes one output per query, or the only one of a mean decoder."""
    config = self.config.decoder
    if isinstance(config, decoder.MeanDecoderConfig):
      return decoder.MeanDecoder(config, name="decoder")(latents)
    if queries is None or (
      input_parts.num_channels(queries) != config.query_channels
    ):
      found = None if queries is None else input_parts.num_channels(queries)
      raise ValueError(
        f"Decoder: queries have {found} channels; expected "
        f"{config.query_channels}."
      )
    return decoder.Decoder(config, self.is_training, name="decoder")(
      latents, queries, query_mask=query_mask
    )

  @hk.name_like("__call__")
  def attention_map(
    self,
    inputs: input_parts.Parts,
    *,
    input_mask: Bool[Array, "B M"] | None = None,
    cross_attend: Integer[Array, ""] | int = 0,
  ) -> Float[Array, "B H N M"]:
    """Returns the attention of a cross-attend, by its number from 0."""
    latents = self.initial_latents(inputs)  # [B, N, D]
    is_first = isinstance(cross_attend, int) and not cross_attend
    if is_first and self.config.share_weights:
      return _cross_attention(self.config, self.is_training).attention_map(
        latents, inputs, input_mask=input_mask
      )
    num_heads = self.config.encoder.cross_attention.num_heads
    state = attention_maps.watch(
      latents, num_heads, inputs[0].shape[1], cross_attend
    )
    return self.encode_state(state, inputs, input_mask).attention

  @hk.name_like("__call__")
  def initial_latents(self, inputs: input_parts.Parts) -> Float[Array, "B N D"]:
    """Returns the learned latents, the same for every example."""
    batch_size = input_parts.common_batch_size(inputs)
    return encoder.initial_latents(
      self.config.encoder, batch_size, inputs[0].dtype
    )

  @hk.name_like("__call__")
  def encode_state(
    self,
    state: attention_maps.State,
    inputs: input_parts.Parts,
    input_mask: Bool[Array, "B M"] | None,
  ) -> attention_maps.State:
    """Alternates between cross-attends and blocks.

    Unless nothing is shared, the first cross-attend has weights of its own, all
    later ones share theirs, and so do all blocks. The state is latents, or
    holds them with more, as in `attention_maps` and `growing`.
    """
    if not self.config.share_weights:
      return self._encode_unshared(state, inputs, input_mask)
    first, later = (
      _cross_attention(self.config, self.is_training, name)
      for name in ("cross_attention", "later_cross_attention")
    )
    attend = lambda block, x: attention_maps.attend(
      block, x, inputs, input_mask
    )
    attend_again = lambda x: attend(later, x)
    block = _processor(self.config, self.is_training)
    process = lambda x: attention_maps.process(block, x)

    def process_and_attend(
      x: attention_maps.State, num_blocks: int, num_attends: int
    ) -> attention_maps.State:
      x = blocks.repeat(num_blocks, process, x)
      return blocks.repeat(num_attends, attend_again, x)

    *rounds, last = self.config.rounds
    num_more = self.config.schedule[0] - 1
    state = blocks.repeat(num_more, attend_again, attend(first, state))
    if len(set(rounds)) > 1:  # the cross-attends do not divide the blocks
      for counts in rounds:
        state = process_and_attend(state, *counts)
    else:
      step = lambda x: process_and_attend(x, *rounds[0])
      state = blocks.repeat(len(rounds), step, state)
    return process_and_attend(state, *last)

  @hk.name_like("__call__")
  def _encode_unshared(
    self,
    state: attention_maps.State,
    inputs: input_parts.Parts,
    input_mask: Bool[Array, "B M"] | None,
  ) -> attention_maps.State:
    """Alternates between cross-attends and blocks with weights of their own."""

    def step(x: attention_maps.State) -> attention_maps.State:
      for i in range(self.config.schedule[0]):
        name = f"cross_attention_{i}" if i else "cross_attention"
        attend = _cross_attention(self.config, self.is_training, name)
        x = attention_maps.attend(attend, x, inputs, input_mask)
      block = _processor(self.config, self.is_training)
      return attention_maps.process(block, x)

    num_blocks = self.config.processor.num_blocks
    return hk.layer_stack(num_blocks, name="stack")(step)(state)

  def _check_inputs(self, inputs: input_parts.Parts) -> None:
    shapes = [part.shape for part in inputs]
    expected = self.config.encoder.input_channels
    if any(len(shape) != 3 or not shape[1] for shape in shapes) or (
      input_parts.num_channels(inputs) != expected
    ):
      raise ValueError(
        f"Encoder: the parts of the inputs have shapes {shapes}; expected "
        f"[batch, inputs, channels], at least one input and {expected} "
        "channels in all."
      )


# Functions, not methods: within a stacked layer, a method would bring the whole
# path of its module into the names once more.


def _cross_attention(
  config: PerceiverConfig, is_training: bool, name: str = "cross_attention"
) -> blocks.CrossAttentionBlock:
  return blocks.CrossAttentionBlock(
    config.encoder.cross_attention, is_training, name=name
  )


def _processor(
  config: PerceiverConfig, is_training: bool
) -> processor.Processor:
  return processor.Processor(config.processor, is_training, name="processor")
