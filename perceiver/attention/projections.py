"""Multi-head attention that works on whichever side is small.

A Perceiver attends between a few hundred latents and up to hundreds of
thousands of inputs or queries. Two identities keep the long side cheap; both
are exact:

* `q·k = (x W_q + b_q)·(y W_k + b_k)`. With many keys, `W_k` is folded into the
  few queries, and what `b_k` adds is the same for a whole row of scores, which
  the softmax ignores. With many queries, `W_q` is folded into the few keys.
* Rows `A` of attention weights sum to one, so `A (y W_v + b_v) = (A y) W_v +
  b_v`: the value projection may come after the attention (many keys), or the
  output projection before it (many queries).

Folding makes a head as wide as the long side's channels, so whether it pays is
decided by counting multiplications, from shapes alone.

Shapes: B batch · T queries · S keys · E query channels · C input channels ·
H heads · K, V channels per head · D output channels.
"""

from collections.abc import Callable
import dataclasses
import math
from typing import Any, NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from perceiver import bounds
from perceiver import layers
from perceiver.attention import block_sizes
from perceiver.attention import few_keys
from perceiver.attention import input_parts
from perceiver.attention import mapping
from perceiver.attention import reference


@dataclasses.dataclass(frozen=True, kw_only=True)
class AttentionConfig:
  """Sizes of one attention.

  Attributes:
    num_heads: the number of heads; divides `qk_channels` and `v_channels`.
    qk_channels: channels of queries and keys, of all heads together.
    v_channels: channels of the values, of all heads together.
    output_channels: channels of the result.
    dropout_rate: share of the attention weights dropped in training.
  """

  num_heads: int
  qk_channels: int
  v_channels: int
  output_channels: int
  dropout_rate: float = 0.0

  def __post_init__(self) -> None:
    bounds.check_ranges(
      self, "num_heads", "qk_channels", "v_channels", "output_channels"
    )
    for name in ("qk_channels", "v_channels"):
      if getattr(self, name) % self.num_heads:
        raise ValueError(
          f"Attention: {name} is {getattr(self, name)}, which {self.num_heads}"
          " heads do not divide; expected a multiple of num_heads."
        )
    if not 0 <= self.dropout_rate < 1:
      raise ValueError(
        f"Attention: dropout_rate is {self.dropout_rate}; expected [0, 1)."
      )

  @property
  def scale(self) -> float:
    """The factor of the scores, 1/√K."""
    return 1 / math.sqrt(self.qk_channels // self.num_heads)


class AttentionWeights(NamedTuple):
  """The four projections of an attention."""

  query: layers.LinearWeights  # [E, HK]
  key: layers.LinearWeights  # [C, HK]
  value: layers.LinearWeights  # [C, HV]
  output: layers.LinearWeights  # [HV, D]


@dataclasses.dataclass(frozen=True)
class KeysValues:
  """Keys and values that any number of queries may attend to.

  Attributes:
    keys: K channels per head, or E with the query map folded in.
    bias: the folded query bias; None if nothing is folded.
    values: V channels per head, or D with the output map folded in.
    output_folded: whether the output map is folded in.
    mask: True where a key may be attended to; None for all.
  """

  keys: Float[Array, "B S H _"]
  bias: Float[Array, "B S H"] | None
  values: Float[Array, "B S H _"]
  output_folded: bool
  mask: Bool[Array, "B S"] | None


@dataclasses.dataclass
class Attention(hk.Module):
  """The parameters of one attention."""

  config: AttentionConfig
  name: str | None = None

  @hk.name_like("__call__")
  def weights(
    self, query_channels: int, input_channels: int
  ) -> AttentionWeights:
    """Returns the parameters for queries and inputs of the given channels."""
    cfg = self.config
    linear = layers.Linear
    return AttentionWeights(
      query=linear(cfg.qk_channels, name="query").weights(query_channels),
      key=linear(cfg.qk_channels, name="key").weights(input_channels),
      value=linear(cfg.v_channels, name="value").weights(input_channels),
      output=linear(cfg.output_channels, name="output").weights(cfg.v_channels),
    )


def project_keys_values(
  config: AttentionConfig,
  weights: AttentionWeights,
  inputs: Float[Array, "B S C"],
  *,
  num_queries: int,
  input_mask: Bool[Array, "B S"] | None = None,
) -> KeysValues:
  """Projects few inputs to keys and values, for `num_queries` queries in all.

  The inputs are normalised already.

  With many queries the query map is folded into the keys and the output map
  into the values, each where that saves multiplications.
  """
  keys, values = split_keys_values(config, weights, inputs)
  fold_query, fold_output = _fold_queries(
    config, num_queries, inputs.shape[1], weights.query.w.shape[0]
  )
  bias = None
  if fold_query:
    w, b = (split_heads(x, config).astype(keys.dtype) for x in weights.query)
    bias = jnp.einsum("bshk,hk->bsh", keys, b)
    keys = jnp.einsum("bshk,ehk->bshe", keys, w)  # [B, S, H, E]
  if fold_output:
    w = weights.output.w.reshape(config.num_heads, -1, config.output_channels)
    values = jnp.einsum("bshv,hvd->bshd", values, w.astype(values.dtype))
  return KeysValues(keys, bias, values, fold_output, input_mask)


def split_keys_values(
  config: AttentionConfig,
  weights: AttentionWeights,
  inputs: Float[Array, "B S C"],
) -> tuple[Float[Array, "B S H K"], Float[Array, "B S H V"]]:
  """Returns scaled keys, and values, of normalised inputs."""
  keys = split_heads(weights.key(inputs), config) * config.scale
  return keys, split_heads(weights.value(inputs), config)


def attend(
  config: AttentionConfig,
  weights: AttentionWeights,
  keys_values: KeysValues,
  queries: Float[Array, "B T E"],
  *,
  query_mask: Bool[Array, "B T"] | None = None,
  key: PRNGKeyArray | None = None,
) -> Float[Array, "B T D"]:
  """Attends from normalised queries to what `project_keys_values` made.

  Masked queries, and queries all of whose keys are masked, attend to nothing:
  their result is the output bias.
  """

  def at_once(queries: Float[Array, "B T E"]) -> Float[Array, "B T V"]:
    attention = attention_map(
      config, weights, keys_values, queries
    )  # [B, H, T, S]
    attention = layers.dropout(attention, config.dropout_rate, key)
    attention = attention.astype(keys_values.values.dtype)
    if keys_values.output_folded:
      return jnp.einsum("bhts,bshd->btd", attention, keys_values.values)
    return join_heads(
      jnp.einsum("bhts,bshv->bthv", attention, keys_values.values)
    )

  def by(kernel: Callable[..., Array]) -> Callable[..., Array]:
    if keys_values.bias is not None:  # The map is folded into the keys.
      return kernel
    return lambda queries: kernel(weights.query(queries))

  kernels: dict[str, Callable[..., Array]] = {}
  drops = key is not None and config.dropout_rate > 0
  if not (reference.enabled() or drops or keys_values.mask is not None):
    arrays = keys_values.keys, keys_values.values, keys_values.bias
    folded = keys_values.output_folded
    kernels = few_keys.kernels(*arrays, folded, queries.shape[1])
  if kernels:
    branches = {platform: by(kernel) for platform, kernel in kernels.items()}
    attended = jax.lax.platform_dependent(queries, default=at_once, **branches)
  else:
    attended = at_once(queries)
  if query_mask is not None:
    attended = jnp.where(query_mask[..., None], attended, 0)
  if keys_values.output_folded:
    return attended + weights.output.b.astype(attended.dtype)
  return weights.output(attended)


def attention_map(
  config: AttentionConfig,
  weights: AttentionWeights,
  keys_values: KeysValues,
  queries: Float[Array, "B T E"],
) -> Float[Array, "B H T S"]:
  """Returns the attention weights, float32; rows sum to one.

  Rows whose keys are all masked, or have scores of −inf only, are zeros.
  """
  if keys_values.bias is None:
    query = split_heads(weights.query(queries), config)  # [B, T, H, K]
    scores = jnp.einsum(
      "bthk,bshk->bhts",
      query,
      keys_values.keys,
      preferred_element_type=layers.sum_dtype(queries.dtype),
    )
  else:
    scores = jnp.einsum(
      "bte,bshe->bhts",
      queries,
      keys_values.keys,
      preferred_element_type=layers.sum_dtype(queries.dtype),
    )
    scores += jnp.swapaxes(keys_values.bias, 1, 2)[:, :, None, :]
  mask = keys_values.mask
  mask = None if mask is None else mask[:, None, None, :]  # [B, 1, 1, S]
  return layers.softmax(scores, mask)


def map_queries(
  config: AttentionConfig,
  keys_values: KeysValues,
  function: Callable[[Any], Any],
  operands: Any,
) -> Any:
  """Applies `function` to blocks of queries that attend to `keys_values`.

  Args:
    config: of the attention.
    keys_values: their number decides how many queries fit a block.
    function: tree of arrays [B or 1, T, ...] -> tree of arrays [B, T, ...].
    operands: the same tree for all queries, [B or 1, O, ...].

  Returns:
    The results for all queries, [B, O, ...].
  """
  batch, num_keys = keys_values.keys.shape[:2]
  if reference.enabled():
    return function(operands)
  length = input_parts.num_positions(operands)
  sizes = block_sizes.choose(length, batch, config.num_heads * num_keys)
  if sizes.cpu == sizes.accelerator:
    return mapping.map_blocks(function, operands, sizes.cpu)

  def map_with(size: int) -> Callable[[Any], Any]:
    return lambda operands: mapping.map_blocks(function, operands, size)

  return jax.lax.platform_dependent(
    operands, cpu=map_with(sizes.cpu), default=map_with(sizes.accelerator)
  )


def split_heads(
  x: Float[Array, "*B HK"], config: AttentionConfig
) -> Float[Array, "*B H K"]:
  """Gives every head its own channels."""
  channels = x.shape[-1] // config.num_heads  # K
  return x.reshape(*x.shape[:-1], config.num_heads, channels)


def join_heads(x: Float[Array, "B T H V"]) -> Float[Array, "B T H*V"]:
  """Puts the heads' channels side by side again."""
  return jax.lax.collapse(x, 2)


def _fold_queries(
  config: AttentionConfig, num_queries: int, num_keys: int, num_channels: int
) -> tuple[bool, bool]:
  """Returns whether to fold the query map, and whether the output map."""
  if reference.enabled():
    return False, False

  def pays(inner: int, outer: int) -> bool:
    per_query = num_keys * config.num_heads * outer
    folded = num_queries * per_query + num_keys * inner * outer
    return folded < num_queries * (outer * inner + num_keys * inner)

  return (
    pays(config.qk_channels, num_channels),
    pays(config.v_channels, config.output_channels),
  )
