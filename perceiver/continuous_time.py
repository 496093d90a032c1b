"""A Perceiver IO in continuous time: inputs, latents and queries have times.

Rotary encodings turn queries, keys and values by their times, so that a result
depends on differences of times only, whatever the order, number and spacing of
the inputs (POYO, 2310.16046). Latents are spread over the time of the inputs;
queries may ask for any time.
"""

import dataclasses

import haiku as hk
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, Real
import numpy as np

from perceiver import blocks
from perceiver import bounds
from perceiver import layers
from perceiver import position_encoding
from perceiver import rematerialisation
from perceiver.attention import projections
from perceiver.attention import rotary_attention


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContinuousTimeConfig:
  """Settings of the network.

  Attributes:
    input_channels: channels C of the inputs.
    num_times: times T at which there are latents.
    latents_per_time: latents K of each of these times; N is T · K.
    channels: channels D of latents and queries.
    num_self_attends: layers L of latents.
    output_channels: channels F of the outputs.
    rotary: the encoding of times.
    rotate_values: whether values are turned as queries and keys are.
    cross_attention: settings of the attention of latents to inputs.
    self_attention: settings of the attention among latents.
    decoder_attention: settings of the attention of queries to latents.
    remat: the part of a layer that the backward pass computes again.
  """

  input_channels: int
  num_times: int
  latents_per_time: int
  channels: int
  num_self_attends: int
  output_channels: int
  rotary: position_encoding.RotaryTime
  rotate_values: bool = True
  cross_attention: blocks.CrossAttentionConfig = blocks.CrossAttentionConfig()
  self_attention: blocks.SelfAttentionConfig = blocks.SelfAttentionConfig()
  decoder_attention: blocks.CrossAttentionConfig = blocks.CrossAttentionConfig()
  remat: rematerialisation.Remat = rematerialisation.Remat.NOTHING

  def __post_init__(self) -> None:
    bounds.check(
      self,
      *("input_channels", "num_times", "latents_per_time", "channels"),
      *("num_self_attends", "output_channels"),
    )
    if self.self_attention.nested_sizes:
      raise ValueError(
        f"{type(self).__name__}: nested_sizes are "
        f"{self.self_attention.nested_sizes}; expected ()."
      )
    for attention in (
      self.attend_inputs,
      self.attend_latents,
      self.attend_queries,
    ):
      sizes = attention.config
      if sizes.dropout_rate:
        raise ValueError(
          f"{type(self).__name__}: attention_dropout_rate is "
          f"{sizes.dropout_rate}; expected 0. Use dropout_rate."
        )
      self.rotary.num_channels(sizes.qk_channels // sizes.num_heads)
      if self.rotate_values:
        self.rotary.num_channels(sizes.v_channels // sizes.num_heads)

  @property
  def num_latents(self) -> int:
    """The number N of latents."""
    return self.num_times * self.latents_per_time

  @property
  def attend_inputs(self) -> rotary_attention.RotaryAttention:
    """The attention of latents to inputs."""
    return self._attention(self.cross_attention, self.input_channels)

  @property
  def attend_latents(self) -> rotary_attention.RotaryAttention:
    """The attention of latents to latents."""
    return self._attention(self.self_attention, self.channels)

  @property
  def attend_queries(self) -> rotary_attention.RotaryAttention:
    """The attention of queries to latents."""
    return self._attention(self.decoder_attention, self.channels)

  def _attention(
    self, config: blocks.BlockConfig, input_channels: int
  ) -> rotary_attention.RotaryAttention:
    sizes = config.attention(self.channels, input_channels)
    return rotary_attention.RotaryAttention(
      sizes, self.rotary, self.rotate_values
    )

  def latent_times(
    self,
    times: Real[Array | np.ndarray, "B M"],
    mask: Bool[Array | np.ndarray, "B M"] | None = None,
  ) -> Float[Array, "B N"]:
    """Returns the times of the latents of inputs at given times.

    They are the middles of T equal parts of the time from the first to the last
    input, K times each.

    Args:
      times: of the inputs, in any order.
      mask: False where there is no input; of an example without any, all times
        are 0.
    """
    first, last = span(times, mask)  # [B, 1]
    middles = (jnp.arange(self.num_times) + 0.5) / self.num_times
    return jnp.repeat(
      first + (last - first) * middles, self.latents_per_time, axis=1
    )


def span(
  times: Real[Array | np.ndarray, "B M"],
  mask: Bool[Array | np.ndarray, "B M"] | None = None,
) -> tuple[Float[Array, "B 1"], Float[Array, "B 1"]]:
  """Returns the first and the last time of each example; 0 if it has none."""
  times = jnp.asarray(times, layers.sum_dtype(times.dtype))
  visible = jnp.ones(times.shape, bool) if mask is None else mask
  any_input = jnp.any(visible, axis=1, keepdims=True)
  first = jnp.min(jnp.where(visible, times, jnp.inf), axis=1, keepdims=True)
  last = jnp.max(jnp.where(visible, times, -jnp.inf), axis=1, keepdims=True)
  return jnp.where(any_input, first, 0), jnp.where(any_input, last, 0)


@dataclasses.dataclass
class ContinuousTime(hk.Module):
  """Encodes inputs at times as latents at times, and decodes at any times."""

  config: ContinuousTimeConfig
  is_training: bool = False
  name: str | None = None

  @hk.name_like("__call__")
  def encode(
    self,
    inputs: Float[Array, "B M C"],
    times: Real[Array, "B M"],
    latent_times: Real[Array, "B N"],
    *,
    mask: Bool[Array, "B M"] | None = None,
  ) -> Float[Array, "B N D"]:
    """Returns processed latents.

    Args:
      inputs: in any order.
      times: of the inputs.
      latent_times: of the latents.
      mask: False where there is no input.
    """
    cfg = self.config
    if mask is not None:
      inputs = jnp.where(mask[..., None], inputs, 0)
      times = jnp.where(mask, times, 0)
    vectors = self._vectors(cfg.latents_per_time, "latents", inputs.dtype)
    vectors = jnp.tile(vectors, (1, cfg.num_times, 1))
    x = jnp.broadcast_to(vectors, (*latent_times.shape, cfg.channels))
    block = blocks.CrossAttentionBlock(
      cfg.cross_attention, self.is_training, name="cross_attention"
    )
    weights = block.weights(cfg.channels, cfg.input_channels)
    attended = cfg.attend_inputs(
      weights.attention,
      weights.input_norm,
      weights.query_norm(x),
      latent_times,
      inputs,
      times,
      input_mask=mask,
    )
    x = block.finish(weights, x, attended, block.keys())

    def layer(x: Float[Array, "B N D"]) -> Float[Array, "B N D"]:
      return _SelfAttention(cfg, self.is_training, name="self_attention")(
        x, latent_times
      )

    step = rematerialisation.rematerialised(layer, cfg.remat)
    return hk.layer_stack(cfg.num_self_attends, name="stack")(step)(x)

  @hk.name_like("__call__")
  def decode(
    self,
    latents: Float[Array, "B N D"],
    latent_times: Real[Array, "B N"],
    times: Real[Array, "B O"],
  ) -> Float[Array, "B O F"]:
    """Returns outputs at any times, each on its own.

    Args:
      latents: from `encode`.
      latent_times: as given to `encode`.
      times: of the outputs.
    """
    cfg, attention = self.config, self.config.attend_queries
    query = self._vectors(1, "query", latents.dtype)  # [1, 1, D]
    block = blocks.CrossAttentionBlock(
      cfg.decoder_attention, self.is_training, name="decoder"
    )
    weights, drops = block.weights(cfg.channels, cfg.channels), block.keys()
    output = layers.Linear(cfg.output_channels, name="output")
    output_weights = output.weights(cfg.channels)
    keys, values = attention.keys_values(
      weights.attention, weights.input_norm, latents, latent_times
    )

    def decode(times: Real[Array, "B T"]) -> Float[Array, "B T F"]:
      x = jnp.broadcast_to(query, (*times.shape, cfg.channels))
      queries = attention.queries(
        weights.attention, weights.query_norm(x), times
      )
      found = rotary_attention.attend_at_once(queries, keys, values)
      attended = attention.output(weights.attention, found, times)
      return output_weights(block.finish(weights, x, attended, drops))

    if any(key is not None for key in drops):
      return decode(times)
    keys_values = projections.KeysValues(
      jnp.swapaxes(keys, 1, 2), None, jnp.swapaxes(values, 1, 2), False, None
    )
    return projections.map_queries(attention.config, keys_values, decode, times)

  @hk.name_like("__call__")
  def _vectors(
    self, count: int, name: str, dtype: jnp.dtype
  ) -> Float[Array, "1 {count} D"]:
    learned = position_encoding.Learned(channels=self.config.channels)
    vectors = position_encoding.LearnedVectors(count, learned, name=name)()
    return vectors.astype(dtype)[None]


@dataclasses.dataclass
class _SelfAttention(hk.Module):
  """Self-attention of latents that have times, then an MLP."""

  config: ContinuousTimeConfig
  is_training: bool = False
  name: str | None = None

  def __call__(
    self, x: Float[Array, "B N D"], times: Real[Array, "B N"]
  ) -> Float[Array, "B N D"]:
    cfg, attention = self.config, self.config.attend_latents
    module = projections.Attention(attention.config, name="attention")
    norm, mlp_norm = (
      layers.LayerNorm(name=name).weights(cfg.channels)
      for name in ("attention_norm", "mlp_norm")
    )
    mlp = layers.Mlp(
      cfg.self_attention.mlp_widening,
      cfg.self_attention.exact_gelu,
      name="mlp",
    )
    attended = attention(
      module.weights(cfg.channels, cfg.channels),
      norm,
      norm(x),
      times,
      x,
      times,
    )
    x += layers.dropout(attended, *self._drop())
    return x + layers.dropout(mlp(mlp_norm(x)), *self._drop())

  def _drop(self) -> tuple[float, PRNGKeyArray | None]:
    """Returns the share that is dropped, and a key if any is."""
    rate = self.config.self_attention.dropout_rate
    return rate, hk.next_rng_key() if self.is_training and rate else None
