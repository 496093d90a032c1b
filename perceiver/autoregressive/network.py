"""Perceiver AR: a Perceiver that gives the next element of a sequence.

Its latents are the last N positions of a sequence. One causal cross-attention
has each of them attend to all inputs up to its own, a stack of causal
self-attentions follows, and each latent gives logits over the element after it
(Hawthorne et al., 2202.07765). `decoding.py` generates.
"""

import dataclasses

import haiku as hk
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Float32, Int, Real

from perceiver import blocks
from perceiver import bounds
from perceiver import layers
from perceiver import model
from perceiver import position_encoding
from perceiver import rematerialisation
from perceiver.adapters import checks
from perceiver.attention import projections
from perceiver.attention import rotary_attention
from perceiver.autoregressive import parts
from perceiver.autoregressive import sequence_positions

_NEGATIVE = sequence_positions.Order.NEGATIVE_FROM_LAST
_INIT_SCALE = 1.0  # of embeddings, before truncation at two deviations


@dataclasses.dataclass(frozen=True, kw_only=True)
class AutoregressiveConfig:
  """Settings of a Perceiver AR.

  Attributes:
    vocab_size: elements, of which 0 is padding.
    context: inputs M that it is made for.
    num_latents: the number N, one for each of the last positions.
    channels: channels D of the latents.
    input_channels: channels C of the embeddings; those of the latents if None.
    num_layers: self-attentions L.
    convolution_width: elements K that an input knows, its own and those before
      it, whose embeddings are added by a linear map each; published: 1.
    positions: their encoding.
    order: the counting of positions.
    offset_queries: whether latents have the positions of what they predict,
      one more than their inputs; for rotary positions.
    cross_attention: settings of the attention to the inputs.
    self_attention: settings of the attentions among latents.
    activation: of the MLPs.
    input_dropout_rate: share of the inputs that no latent of an example
      attends to in training.
    latent_dropout_rate: share of the latents that no later latent of an
      example attends to in training.
    remat: the part of a layer that the backward pass computes again.
    precision: the dtype of activations.
  """

  vocab_size: int
  context: int
  num_latents: int
  channels: int
  input_channels: int | None = None
  num_layers: int
  convolution_width: int = 1
  positions: sequence_positions.Positions
  order: sequence_positions.Order = sequence_positions.Order.FORWARD
  offset_queries: bool = False
  cross_attention: blocks.CrossAttentionConfig
  self_attention: blocks.SelfAttentionConfig
  activation: parts.Activation = parts.Activation.SQUARED_RELU
  input_dropout_rate: float = 0.0
  latent_dropout_rate: float = 0.0
  remat: rematerialisation.Remat = rematerialisation.Remat.NOTHING
  precision: model.Precision = model.Precision.FLOAT32

  def __post_init__(self) -> None:
    bounds.check(
      self,
      *("vocab_size", "context", "num_latents", "channels", "input_channels"),
      *("num_layers", "convolution_width"),
      input_dropout_rate="[0, 1)",
      latent_dropout_rate="[0, 1)",
    )
    for attention in (self.attend_inputs, self.attend_latents):
      if attention.config.dropout_rate:
        raise ValueError(
          "AutoregressiveConfig: attention_dropout_rate is "
          f"{attention.config.dropout_rate}; expected 0. Use "
          "input_dropout_rate."
        )
      if attention.rotary is not None:
        config = attention.config
        attention.rotary.num_channels(config.qk_channels // config.num_heads)
    cross, latents = self.cross_attention, self.self_attention
    if latents.nested_sizes or not cross.query_residual:
      raise ValueError(
        f"AutoregressiveConfig: nested_sizes are {latents.nested_sizes} and "
        f"query_residual is {cross.query_residual}; expected () and True."
      )
    if self.rotary is None and (self.offset_queries or self.order is _NEGATIVE):
      raise ValueError(
        f"AutoregressiveConfig: positions are {self.positions}; expected "
        "rotary positions with offset_queries or negative ones."
      )

  @property
  def embedding_channels(self) -> int:
    """Channels C of the embeddings."""
    return self.input_channels or self.channels

  @property
  def rotary(self) -> position_encoding.Rotary | None:
    """The rotation of queries and keys; None where positions are added."""
    if not isinstance(self.positions, position_encoding.Rotary):
      return None
    longest = self.positions.max_wavelength + self.offset_queries
    return dataclasses.replace(self.positions, max_wavelength=longest)

  @property
  def attend_inputs(self) -> rotary_attention.RotaryAttention:
    """The attention of latents to inputs."""
    sizes = self.cross_attention.attention(
      self.channels, self.embedding_channels
    )
    return rotary_attention.RotaryAttention(sizes, self.rotary)

  @property
  def attend_latents(self) -> rotary_attention.RotaryAttention:
    """The attention of latents to latents."""
    sizes = self.self_attention.attention(self.channels, self.channels)
    return rotary_attention.RotaryAttention(sizes, self.rotary)

  def network(self, is_training: bool = False) -> "PerceiverAR":
    """Returns the Haiku module."""
    return PerceiverAR(self, is_training, name="perceiver_ar")

  def example(self, batch_size: int = 1) -> tuple[jax.ShapeDtypeStruct]:
    """Returns shape and dtype of the inputs, [B, M] int32."""
    return (jax.ShapeDtypeStruct((batch_size, self.context), jnp.int32),)


@dataclasses.dataclass
class SelfAttention(hk.Module):
  """The parameters of one layer of latents."""

  config: AutoregressiveConfig
  name: str | None = None

  @hk.name_like("__call__")
  def weights(self) -> blocks.CrossAttentionWeights:
    """Returns the parameters; one norm is that of queries and of inputs."""
    cfg, channels = self.config, self.config.channels
    attention = projections.Attention(
      cfg.attend_latents.config, name="attention"
    )
    norm = layers.LayerNorm(name="attention_norm").weights(channels)
    mlp = layers.Mlp(cfg.self_attention.mlp_widening, name="mlp")
    return blocks.CrossAttentionWeights(
      query_norm=norm,
      input_norm=norm,
      attention=attention.weights(channels, channels),
      mlp_norm=layers.LayerNorm(name="mlp_norm").weights(channels),
      mlp=mlp.weights(channels),
    )


@dataclasses.dataclass
class PerceiverAR(hk.Module):
  """Sequences to logits over the element after each of the last N."""

  config: AutoregressiveConfig
  is_training: bool = False
  name: str | None = None

  def __call__(
    self,
    inputs: checks.Unchecked,  # [B, M] integers
    *,
    positions: checks.Unchecked | None = None,  # [B, M, P] integers
    kept_inputs: Bool[Array, "B M"] | None = None,
    kept_latents: Bool[Array, "B N"] | None = None,
  ) -> Float32[Array, "B N V"]:
    """Returns logits of the elements after those at `latent_steps`.

    Args:
      inputs: elements from 1; the first 0 of a row is its end.
      positions: indices of each element; 1, 2, … if None. Positions of any
        real numbers are allowed if they are rotary.
      kept_inputs: False for inputs that no latent attends to; sampled in
        training if the configuration drops any.
      kept_latents: False for latents that no later one attends to; likewise.

    Logits of absent latents, of step -1, mean nothing.
    """
    latents = self.encode(
      inputs,
      positions=positions,
      kept_inputs=kept_inputs,
      kept_latents=kept_latents,
    )
    return self.decode(latents)

  @hk.name_like("__call__")
  def encode(
    self,
    inputs: checks.Unchecked,  # [B, M] integers
    *,
    positions: checks.Unchecked | None = None,
    kept_inputs: Bool[Array, "B M"] | None = None,
    kept_latents: Bool[Array, "B N"] | None = None,
  ) -> Float[Array, "B N D"]:
    """Returns the latents; arguments are those of `__call__`."""
    cfg, weights = self.config, self.weights()
    lengths = sequence_positions.lengths(inputs)  # [B]
    positions = sequence_positions.of_inputs(
      cfg.positions, cfg.order, inputs, positions
    )  # [B, M, P]
    elements = jnp.pad(inputs, ((0, 0), (cfg.convolution_width - 1, 0)))
    embedded = weights.embed(cfg.positions, elements, positions)
    embedded = embedded.astype(cfg.precision.dtype)  # [B, M, C]
    steps = sequence_positions.latent_steps(lengths, cfg.num_latents)
    steps = jnp.maximum(steps, 0)  # [B, N]
    at_steps = lambda x: jnp.take_along_axis(
      x, steps.reshape(*steps.shape, *(1,) * (x.ndim - 2)), axis=1
    )
    own = positions[..., 0]  # [B, M]
    latent_positions = at_steps(own) + int(cfg.offset_queries)  # [B, N]
    mask = jnp.arange(inputs.shape[1]) < lengths[:, None]  # [B, M]
    kept_inputs = self._kept(kept_inputs, mask, cfg.input_dropout_rate)
    x = weights.query(at_steps(embedded))  # [B, N, D]
    x = self._block(
      x,
      weights.cross_attention,
      cfg.cross_attention,
      cfg.attend_inputs(
        weights.cross_attention.attention,
        weights.cross_attention.input_norm,
        weights.cross_attention.query_norm(x),
        latent_positions,
        embedded,
        own,
        offset=lengths - cfg.num_latents,
        input_mask=mask if kept_inputs is None else mask & kept_inputs,
      ),
    )
    return self._process(x, latent_positions, lengths, kept_latents)

  @hk.name_like("__call__")
  def decode(self, latents: Float[Array, "B N D"]) -> Float32[Array, "B N V"]:
    """Returns logits of latents."""
    return self.weights().predict(latents)

  @hk.name_like("__call__")
  def _process(
    self,
    x: Float[Array, "B N D"],
    positions: Real[Array, "B N"],
    lengths: Int[Array, "B"],
    kept: Bool[Array, "B N"] | None,
  ) -> Float[Array, "B N D"]:
    """Applies the self-attentions."""
    cfg = self.config
    mask = jnp.arange(-cfg.num_latents, 0) >= -lengths[:, None]  # [B, N]
    kept = self._kept(kept, mask, cfg.latent_dropout_rate)

    def layer(x: Float[Array, "B N D"]) -> Float[Array, "B N D"]:
      weights = SelfAttention(cfg, name="self_attention").weights()
      attended = cfg.attend_latents(
        weights.attention,
        weights.input_norm,
        weights.query_norm(x),
        positions,
        x,
        positions,
        offset=jnp.zeros(x.shape[0], jnp.int32),
        input_mask=mask,
        kept=kept,
      )
      return self._block(x, weights, cfg.self_attention, attended)

    step = rematerialisation.rematerialised(layer, cfg.remat)
    return hk.layer_stack(cfg.num_layers, name="stack")(step)(x)

  @hk.name_like("__call__")
  def weights(self) -> parts.Weights:
    """Returns the parameters but those of the self-attentions."""
    cfg, channels = self.config, self.config.embedding_channels
    sizes: tuple[int, ...] = ()
    if isinstance(cfg.positions, sequence_positions.Learned):
      sizes = cfg.positions.sizes
    learned = position_encoding.Learned(
      channels=channels, init_scale=_INIT_SCALE
    )
    table = position_encoding.LearnedVectors
    cross_attention = blocks.CrossAttentionBlock(
      cfg.cross_attention, name="cross_attention"
    )
    linear, norm = layers.Linear, layers.LayerNorm(name="norm")
    logits = linear(cfg.vocab_size, init_scale=0.0, name="logits")
    tokens = table(cfg.vocab_size, learned, name="token_embedding")()
    return parts.Weights(
      tokens=tokens,
      preceding=tuple(
        linear(channels, name=f"convolution_{back}_before")(tokens)
        for back in range(1, cfg.convolution_width)
      ),
      tables=tuple(
        table(size, learned, name=f"positions_{axis}")()
        for axis, size in enumerate(sizes)
      ),
      query=linear(cfg.channels, name="query").weights(channels),
      cross_attention=cross_attention.weights(cfg.channels, channels),
      norm=norm.weights(cfg.channels),
      logits=logits.weights(cfg.channels),
    )

  def _block(
    self,
    x: Float[Array, "B N D"],
    weights: blocks.CrossAttentionWeights,
    config: blocks.BlockConfig,
    attended: Float[Array, "B N D"],
  ) -> Float[Array, "B N D"]:
    rate = config.dropout_rate
    key = lambda: hk.next_rng_key() if self.is_training and rate else None
    return parts.finish_block(
      self.config.activation, weights, x, attended, rate, (key(), key())
    )

  def _kept(
    self,
    kept: Bool[Array, "B S"] | None,
    mask: Bool[Array, "B S"],
    rate: float,
  ) -> Bool[Array, "B S"] | None:
    """Returns the mask of kept inputs; None if all are kept."""
    if kept is not None or not (self.is_training and rate):
      return kept
    return jax.random.bernoulli(hk.next_rng_key(), 1 - rate, mask.shape)
