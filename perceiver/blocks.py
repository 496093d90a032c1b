"""The three blocks that a Perceiver is built of (2107.14795 appendix E).

All are pre-norm: layer norm, attention, residual; layer norm, two-layer MLP
with tanh-approximate GELU, residual.
"""

from collections.abc import Callable
import dataclasses
from typing import Any, NamedTuple, TypeVar

import haiku as hk
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from perceiver import bounds
from perceiver import layers
from perceiver.attention import cross_attention
from perceiver.attention import input_parts
from perceiver.attention import projections
from perceiver.attention import reference
from perceiver.attention import self_attention

State = TypeVar("State")  # latents, perhaps with more


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlockConfig:
  """Settings of a block of attention and MLP.

  Attributes:
    num_heads: the number of heads.
    qk_channels: channels of queries and keys together over heads; if None,
      those of the inputs, as in the released models.
    v_channels: channels of the values; `qk_channels` if None.
    mlp_widening: hidden channels of the MLP over those of the block's result.
    exact_gelu: whether the MLP's GELU is not the tanh approximation.
    dropout_rate: share dropped after the attention and after the MLP.
    attention_dropout_rate: share of the attention weights dropped.
  """

  num_heads: int
  qk_channels: int | None = None
  v_channels: int | None = None
  mlp_widening: int = 1
  exact_gelu: bool = False
  dropout_rate: float = 0.0
  attention_dropout_rate: float = 0.0

  def __post_init__(self) -> None:
    bounds.check(
      self,
      "qk_channels",
      "v_channels",
      "mlp_widening",
      dropout_rate="[0, 1)",
      attention_dropout_rate="[0, 1)",
    )

  def attention(
    self, query_channels: int, input_channels: int
  ) -> projections.AttentionConfig:
    """Returns the sizes of the attention between given channels.

    Raises:
      ValueError: if heads do not divide them, or they are less than 1.
    """
    qk_channels = self.qk_channels or input_channels
    return projections.AttentionConfig(
      num_heads=self.num_heads,
      qk_channels=qk_channels,
      v_channels=self.v_channels or qk_channels,
      output_channels=query_channels,
      dropout_rate=self.attention_dropout_rate,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelfAttentionConfig(BlockConfig):
  """Settings of a self-attention block; inputs are the latents themselves.

  Attributes:
    nested_sizes: numbers of first latents that do not attend to later ones,
      ascending, the last of them that of all; if empty, all attend to all.
  """

  num_heads: int = 8
  nested_sizes: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class CrossAttentionConfig(BlockConfig):
  """Settings of a cross-attention block.

  Attributes:
    query_residual: whether the queries are added to what they attend to.
  """

  num_heads: int = 1
  query_residual: bool = True


@dataclasses.dataclass
class SelfAttentionBlock(hk.Module):
  """Self-attention of all latents, then an MLP."""

  config: SelfAttentionConfig
  is_training: bool = False
  name: str | None = None

  def __call__(self, x: Float[Array, "B N D"]) -> Float[Array, "B N D"]:
    def attend(
      attention: projections.AttentionConfig,
      weights: projections.AttentionWeights,
      normed: Float[Array, "B N D"],
    ) -> Float[Array, "B N D"]:
      key = self._key(attention.dropout_rate)
      sizes = self.config.nested_sizes
      return self_attention.attend(attention, weights, normed, key, sizes)

    return self.attend_by(attend, x)

  @hk.name_like("__call__")
  def attend_by(
    self, attend: Callable[..., Array], x: Float[Array, "B N D"]
  ) -> Float[Array, "B N D"]:
    """Returns the block's result, with a function for the attention.

    Args:
      attend: sizes of the attention, its weights and normalised latents
        [B, N, D] -> attended values [B, N, D].
      x: latents.
    """
    cfg, rate = self.config, self.config.dropout_rate
    channels = x.shape[-1]
    norm = layers.LayerNorm(name="attention_norm").weights(channels)
    x, normed = norm.beside(x)  # [B, N, D]
    attention = cfg.attention(channels, channels)
    module = projections.Attention(attention, name="attention")
    weights = module.weights(channels, channels)
    attended = attend(attention, weights, normed)
    x += layers.dropout(attended, rate, self._key(rate))
    norm = layers.LayerNorm(name="mlp_norm").weights(channels)
    x, normed = norm.beside(x)  # [B, N, D]
    mlp = layers.Mlp(cfg.mlp_widening, cfg.exact_gelu, name="mlp")
    return x + layers.dropout(mlp(normed), rate, self._key(rate))

  def _key(self, rate: float) -> PRNGKeyArray | None:
    return hk.next_rng_key() if self.is_training and rate else None


class CrossAttentionWeights(NamedTuple):
  """All parameters of a cross-attention block."""

  query_norm: layers.NormWeights
  input_norm: layers.NormWeights
  attention: projections.AttentionWeights
  mlp_norm: layers.NormWeights
  mlp: layers.MlpWeights


@dataclasses.dataclass
class CrossAttentionBlock(hk.Module):
  """Cross-attention of queries to inputs of any number and width, then an MLP.

  `__call__` is for few queries and many inputs, the encoder's case.
  `decode_queries` is for few inputs and many queries, the decoder's.
  """

  config: CrossAttentionConfig
  is_training: bool = False
  name: str | None = None

  def __call__(
    self,
    queries: Float[Array, "B N E"],
    inputs: input_parts.Parts,
    *,
    input_mask: Bool[Array, "B M"] | None = None,
  ) -> Float[Array, "B N E"]:
    channels = input_parts.num_channels(inputs)
    weights, keys = self.weights(queries.shape[-1], channels), self.keys()
    if reference.enabled():
      keys_values = self._keys_values(
        weights, inputs, input_mask, queries.shape[1]
      )
      return self._attend(weights, keys_values, queries, None, keys)
    attended = cross_attention.attend(
      self._attention(weights),
      weights.attention,
      weights.input_norm,
      weights.query_norm(queries),
      inputs,
      input_mask=input_mask,
      key=keys[0],
    )  # [B, N, E]
    return self.finish(weights, queries, attended, keys)

  @hk.name_like("__call__")
  def decode_queries(
    self,
    queries: input_parts.QueryParts,
    inputs: Float[Array, "B N C"],
    output: Callable[[Float[Array, "B T E"]], Float[Array, "B T F"]],
    *,
    query_mask: Bool[Array, "B O"] | None = None,
  ) -> Float[Array, "B O F"]:
    """Decodes queries block by block, through to the `output` function.

    Nothing as wide as the queries ever exists for all of them at once, unless
    dropout is on, whose mask is drawn for all queries together.
    """
    channels = input_parts.num_channels(queries)
    weights, keys = self.weights(channels, inputs.shape[-1]), self.keys()
    num_queries = queries[0].shape[1]
    keys_values = self._keys_values(weights, (inputs,), None, num_queries)

    def decode(operands: Any) -> Float[Array, "B T F"]:
      parts, mask = operands
      joined = input_parts.concatenate(parts, inputs.shape[0])  # [B, T, E]
      return output(self._attend(weights, keys_values, joined, mask, keys))

    if any(key is not None for key in keys):
      return decode((queries, query_mask))
    return projections.map_queries(
      self._attention(weights), keys_values, decode, (queries, query_mask)
    )

  @hk.name_like("__call__")
  def attention_map(
    self,
    queries: Float[Array, "B N E"],
    inputs: input_parts.Parts,
    *,
    input_mask: Bool[Array, "B M"] | None = None,
  ) -> Float[Array, "B H N M"]:
    """Returns the attention weights of every query; they sum to one."""
    weights = self.weights(queries.shape[-1], input_parts.num_channels(inputs))
    keys_values = self._keys_values(
      weights, inputs, input_mask, queries.shape[1]
    )
    return projections.attention_map(
      self._attention(weights),
      weights.attention,
      keys_values,
      weights.query_norm(queries),
    )

  @hk.name_like("__call__")
  def weights(
    self, query_channels: int, input_channels: int
  ) -> CrossAttentionWeights:
    """Returns the parameters for queries and inputs of the given channels."""
    attention = projections.Attention(
      self.config.attention(query_channels, input_channels), name="attention"
    )
    mlp = layers.Mlp(self.config.mlp_widening, name="mlp")
    return CrossAttentionWeights(
      query_norm=layers.LayerNorm(name="query_norm").weights(query_channels),
      input_norm=layers.LayerNorm(name="input_norm").weights(input_channels),
      attention=attention.weights(query_channels, input_channels),
      mlp_norm=layers.LayerNorm(name="mlp_norm").weights(query_channels),
      mlp=mlp.weights(query_channels),
    )

  def _attention(
    self, weights: CrossAttentionWeights
  ) -> projections.AttentionConfig:
    norms = weights.query_norm, weights.input_norm
    return self.config.attention(*(len(norm.scale) for norm in norms))

  def keys(self) -> tuple[PRNGKeyArray | None, ...]:
    """Returns keys of attention weights, attended values and MLP, or None."""
    rates = (
      self.config.attention_dropout_rate,
      self.config.dropout_rate,
      self.config.dropout_rate,
    )
    return tuple(
      hk.next_rng_key() if self.is_training and rate else None for rate in rates
    )

  def _keys_values(
    self,
    weights: CrossAttentionWeights,
    inputs: input_parts.Parts,
    input_mask: Bool[Array, "B M"] | None,
    num_queries: int,
  ) -> projections.KeysValues:
    return projections.project_keys_values(
      self._attention(weights),
      weights.attention,
      weights.input_norm(input_parts.concatenate(inputs, mask=input_mask)),
      num_queries=num_queries,
      input_mask=input_mask,
    )

  def _attend(
    self,
    weights: CrossAttentionWeights,
    keys_values: projections.KeysValues,
    queries: Float[Array, "B T E"],
    query_mask: Bool[Array, "B T"] | None,
    keys: tuple[PRNGKeyArray | None, ...],
  ) -> Float[Array, "B T E"]:
    attended = projections.attend(
      self._attention(weights),
      weights.attention,
      keys_values,
      weights.query_norm(queries),
      query_mask=query_mask,
      key=keys[0],
    )  # [B, T, E]
    return self.finish(weights, queries, attended, keys)

  def finish(
    self,
    weights: CrossAttentionWeights,
    queries: Float[Array, "B T E"],
    attended: Float[Array, "B T E"],
    keys: tuple[PRNGKeyArray | None, ...],
  ) -> Float[Array, "B T E"]:
    """Returns the block's result from attended values; `keys` are its own."""
    rate = self.config.dropout_rate
    x = layers.dropout(attended, rate, keys[1])
    if self.config.query_residual:
      x += queries
    normed = weights.mlp_norm(x)  # [B, T, E]
    widened = weights.mlp(normed, self.config.exact_gelu)  # [B, T, E]
    return x + layers.dropout(widened, rate, keys[2])


def repeat(times: int, step: Callable[[State], State], x: State) -> State:
  """Applies a function that calls Haiku modules several times, as one loop.

  The loop is compiled once, and all its passes share the modules' parameters.
  """
  if times < 2:  # JAX runs no empty loop where compilation is off
    return step(x) if times else x
  return hk.fori_loop(0, times, lambda _, y: step(y), x)
