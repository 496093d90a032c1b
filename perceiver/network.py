"""The Perceiver and Perceiver IO, from inputs to outputs.

One network covers both. Perceiver IO (2107.14795) reads its inputs once and
decodes with queries. The Perceiver of 2021 (2103.03206) reads them up to eight
times, between passes through the latent stack or before, and takes a linear
map of the mean latent.
"""

import dataclasses
import itertools

import haiku as hk
import jax

from perceiver import blocks
from perceiver import decoder
from perceiver import encoder
from perceiver import processor
from perceiver import stacking
from perceiver.attention import blockwise

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class PerceiverConfig:
  """Encoder, processor and decoder, which must fit together.

  Attributes:
    encoder: latents and reads.
    processor: the latent stack; its channels are the latents'.
    decoder: with queries, or the mean over latents.
    share_weights: whether reads after the first share one set of parameters
      and repeats of the latent stack share one; otherwise nothing is shared.
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
    if isinstance(self.decoder, decoder.DecoderConfig):
      self.decoder.block(self.encoder.latent_channels)
    if not self.share_weights and len(set(self.schedule)) > 1:
      raise ValueError(
        f"Perceiver: share_weights is False with {self.encoder.num_reads} reads"
        f" over {self.processor.num_repeats} repeats; expected the same number"
        " of reads before every repeat."
      )

  @property
  def schedule(self) -> tuple[int, ...]:
    """How many reads come before each repeat of the latent stack."""
    return self.encoder.reads_per_repeat(self.processor.num_repeats)


def textbook(config: PerceiverConfig) -> PerceiverConfig:
  """Returns the same network computed the textbook way, without shortcuts.

  All projections come before the attention and all scores exist at once, as
  in the papers' operation counts. It needs the same parameters and gives the
  same numbers.
  """
  changes = {"encoder": dataclasses.replace(config.encoder, direct=True)}
  if isinstance(config.decoder, decoder.DecoderConfig):
    changes["decoder"] = dataclasses.replace(config.decoder, direct=True)  # type: ignore[assignment]
  return dataclasses.replace(config, **changes)  # type: ignore[arg-type]


@dataclasses.dataclass
class Perceiver(hk.Module):
  """Reads inputs into latents, processes these, and decodes outputs."""

  config: PerceiverConfig
  is_training: bool = False
  name: str | None = None

  def __call__(
    self,
    inputs: blockwise.Parts,  # [B or 1, M, C_i]
    queries: blockwise.Parts | None = None,  # [B or 1, O, E_i]
    *,
    input_mask: Array | None = None,  # [B, M] bool
    query_mask: Array | None = None,  # [B, O] bool
  ) -> Array:  # [B, O, F]
    latents = self.encode(inputs, input_mask=input_mask)  # [B, N, D]
    return self.decode(latents, queries, query_mask=query_mask)

  @hk.name_like("__call__")
  def encode(
    self,
    inputs: blockwise.Parts,  # [B or 1, M, C_i]
    *,
    input_mask: Array | None = None,  # [B, M] bool
  ) -> Array:  # [B, N, D]
    """Reads and processes the inputs, at a cost linear in their number."""
    self._check_inputs(inputs)
    batch_size = max(part.shape[0] for part in inputs)
    latents = encoder.initial_latents(
      self.config.encoder, batch_size, inputs[0].dtype
    )  # [B, N, D]
    if self.config.share_weights:
      return self._encode_shared(latents, inputs, input_mask)
    return self._encode_unshared(latents, inputs, input_mask)

  @hk.name_like("__call__")
  def decode(
    self,
    latents: Array,  # [B, N, D]
    queries: blockwise.Parts | None = None,  # [B or 1, O, E_i]
    *,
    query_mask: Array | None = None,  # [B, O] bool
  ) -> Array:  # [B, O, F]
    """Decodes one output per query, or the only one of a mean decoder."""
    config = self.config.decoder
    if isinstance(config, decoder.MeanDecoderConfig):
      return decoder.MeanDecoder(config, name="decoder")(latents)
    if queries is None or (
      blockwise.num_channels(queries) != config.query_channels
    ):
      found = None if queries is None else blockwise.num_channels(queries)
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
    inputs: blockwise.Parts,  # [B or 1, M, C_i]
    *,
    input_mask: Array | None = None,  # [B, M] bool
  ) -> Array:  # [B, H, N, M]
    """Returns where the first read's latents look; rows sum to one."""
    batch_size = max(part.shape[0] for part in inputs)
    latents = encoder.initial_latents(
      self.config.encoder, batch_size, inputs[0].dtype
    )
    return _read(self.config, self.is_training).attention_map(
      latents, inputs, input_mask=input_mask
    )

  @hk.name_like("__call__")
  def _encode_shared(
    self, latents: Array, inputs: blockwise.Parts, input_mask: Array | None
  ) -> Array:
    """Reads once with own weights, then processes and reads in turn."""
    before, *after = self.config.schedule
    latents = _read(self.config, self.is_training)(
      latents, inputs, input_mask=input_mask
    )
    process = _processor(self.config, self.is_training).bind(latents)
    reread: stacking.Layer | None = None
    if self.config.encoder.num_reads > 1:
      reread = stacking.bind(
        lambda x: _read(self.config, self.is_training)(
          x, inputs, input_mask=input_mask
        ),
        latents,
        name="reread",
      )
      latents = stacking.repeat(reread, before - 1)(self._key(), latents)
    # After each repeat come the reads before the next; after the last, none.
    for reads, run in itertools.groupby([*after, 0]):
      step = process
      if reads and reread is not None:
        step = stacking.chain(process, stacking.repeat(reread, reads))
      latents = stacking.repeat(step, len(list(run)))(self._key(), latents)
    return latents

  @hk.name_like("__call__")
  def _encode_unshared(
    self, latents: Array, inputs: blockwise.Parts, input_mask: Array | None
  ) -> Array:
    """Runs all repeats, each with its own reads and its own layers."""
    reads = self.config.schedule[0]

    def step(x: Array) -> Array:
      for i in range(reads):
        name = f"read_{i}" if i else "read"
        x = _read(self.config, self.is_training, name)(
          x, inputs, input_mask=input_mask
        )
      return _processor(self.config, self.is_training).bind(x)(self._key(), x)

    repeats = self.config.processor.num_repeats
    return stacking.stack(step, repeats, latents)(self._key(), latents)

  def _key(self) -> Array | None:
    """A key if anything in the encoder is random, else none is asked for."""
    parts = (self.config.encoder, self.config.processor)
    rates = [(x.dropout_rate, x.attention_dropout_rate) for x in parts]
    random = self.is_training and any(map(any, rates))
    return hk.next_rng_key() if random else None

  def _check_inputs(self, inputs: blockwise.Parts) -> None:
    shapes = [part.shape for part in inputs]
    expected = self.config.encoder.input_channels
    if any(len(shape) != 3 for shape in shapes) or (
      blockwise.num_channels(inputs) != expected
    ):
      raise ValueError(
        f"Encoder: the parts of the inputs have shapes {shapes}; expected "
        f"[batch, inputs, channels] with {expected} channels in all."
      )


# Functions, not methods: within a bound or stacked layer, a method would bring
# the whole path of its module into the names once more.


def _read(
  config: PerceiverConfig, is_training: bool, name: str = "read"
) -> blocks.CrossAttentionBlock:
  return blocks.CrossAttentionBlock(config.encoder.read, is_training, name=name)


def _processor(
  config: PerceiverConfig, is_training: bool
) -> processor.Processor:
  return processor.Processor(config.processor, is_training, name="processor")
