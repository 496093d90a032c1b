"""Attention from few queries to many inputs: the encoder's side.

Two forms, chosen by counting multiplications: keys and values projected a block
at a time, or not at all, with their projections folded into the few queries.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from perceiver import layers
from perceiver.attention import block_sizes
from perceiver.attention import blockwise
from perceiver.attention import input_parts
from perceiver.attention import projections


def attend(
  config: projections.AttentionConfig,
  weights: projections.AttentionWeights,
  norm: layers.NormWeights,
  queries: Float[Array, "B T E"],
  inputs: input_parts.Parts,
  *,
  input_mask: Bool[Array, "B M"] | None = None,
  key: PRNGKeyArray | None = None,
) -> Float[Array, "B T D"]:
  """Attends from few queries to many inputs, which `norm` normalises first.

  The queries are normalised already.

  Where every input of an example is masked, or has a score of −inf, the
  attended values are zeros and the result is the output bias.
  """
  query = projections.split_heads(weights.query(queries), config) * config.scale
  num_channels = input_parts.num_channels(inputs)
  if _fold_inputs(config, queries.shape[1], num_channels, key is not None):
    attended = _attend_folded(config, weights, norm, query, inputs, input_mask)
  else:
    options = _options(query, inputs, _Projection(config))._replace(
      dropout_rate=config.dropout_rate if key is not None else 0.0
    )
    attended, _ = blockwise.attend(
      options,
      jnp.swapaxes(query, 1, 2),  # [B, H, T, K]
      inputs,
      (norm, weights.key, weights.value),
      input_mask,
      key,
    )
    attended = jnp.swapaxes(attended, 1, 2)  # [B, T, H, V]
  return weights.output(projections.join_heads(attended))


def _attend_folded(
  config: projections.AttentionConfig,
  weights: projections.AttentionWeights,
  norm: layers.NormWeights,
  query: Float[Array, "B T H K"],
  inputs: input_parts.Parts,
  input_mask: Bool[Array, "B M"] | None,
) -> Float[Array, "B T H V"]:
  """Attends to the normalised inputs themselves, projecting only the result.

  Scale and offset of the norm fold as the projections do: what the offset adds
  to a row of scores is constant.
  """
  dtype = query.dtype
  w = projections.split_heads(weights.key.w, config).astype(dtype)  # [C, H, K]
  query = jnp.einsum("bthk,chk->bthc", query, w) * norm.scale.astype(dtype)
  batch, num_queries, num_heads, channels = query.shape
  options = _options(query, inputs, _normalised)._replace(shared_keys=True)
  attended, any_input = blockwise.attend(
    options,
    query.reshape(batch, 1, num_queries * num_heads, channels),
    inputs,
    None,
    input_mask,
    None,
  )
  attended = attended.reshape(query.shape)
  attended = attended * norm.scale.astype(dtype) + norm.offset.astype(dtype)
  w, b = (
    projections.split_heads(x, config).astype(dtype) for x in weights.value
  )
  attended = jnp.einsum("bthc,chv->bthv", attended, w) + b
  any_input = any_input.reshape(batch, num_queries, num_heads, 1)
  return jnp.where(any_input, attended, 0)


def _normalised(
  _: Any, block: Float[Array, "B S C"]
) -> tuple[Float[Array, "B 1 S C"], Float[Array, "B 1 S C"]]:
  """Takes normalised inputs as keys and values of one group."""
  normalised = layers.normalise(block)[:, None]  # [B, 1, S, C]
  return normalised, normalised


@dataclasses.dataclass(frozen=True)
class _Projection:
  """Makes keys and values from a block of inputs."""

  config: projections.AttentionConfig

  def __call__(
    self, parameters: Any, block: Float[Array, "B S C"]
  ) -> tuple[Float[Array, "B H S K"], Float[Array, "B H S V"]]:
    norm, key, value = parameters
    block = norm(block)  # [B, S, C]
    keys, values = (
      projections.split_heads(x(block), self.config) for x in (key, value)
    )
    return jnp.swapaxes(keys, 1, 2), jnp.swapaxes(values, 1, 2)


def _fold_inputs(
  config: projections.AttentionConfig,
  num_queries: int,
  num_channels: int,
  dropout: bool,
) -> bool:
  """Returns whether folding takes fewer multiplications per input.

  With dropout, rows of weights do not sum to one, as folding presumes.
  """
  width = config.qk_channels + config.v_channels
  folded = 2 * num_queries * config.num_heads * num_channels
  projected = num_channels * width + num_queries * width
  return folded < projected and not (dropout and config.dropout_rate)


def _options(
  query: Float[Array, "B T H K"],
  inputs: input_parts.Parts,
  project: blockwise.Project,
) -> blockwise.Options:
  batch, num_queries, num_heads, _ = query.shape
  sizes = block_sizes.choose(inputs[0].shape[1], batch, num_queries * num_heads)
  return blockwise.Options(
    project, sizes.cpu, accelerator_block_size=sizes.accelerator
  )
