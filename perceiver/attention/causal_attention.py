"""Causal attention with rotary positions, from latents to the inputs before.

Rotated keys cannot be folded into the queries, and their bias does not cancel
in the softmax: keys and values are projected a block at a time.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Real

from perceiver import layers
from perceiver import position_encoding
from perceiver.attention import block_sizes
from perceiver.attention import block_weights
from perceiver.attention import blockwise
from perceiver.attention import causality
from perceiver.attention import projections
from perceiver.attention import reference


@dataclasses.dataclass(frozen=True)
class CausalAttention:
  """Attention of queries to the inputs at and before their own position.

  Attributes:
    config: sizes of the attention.
    rotary: turns queries and keys by their positions; None for neither.
  """

  config: projections.AttentionConfig
  rotary: position_encoding.Rotary | None

  def __call__(
    self,
    weights: projections.AttentionWeights,
    norm: layers.NormWeights,
    queries: Float[Array, "B T E"],
    query_positions: Real[Array, "B T"],
    inputs: Float[Array, "B M C"],
    input_positions: Real[Array, "B M"],
    *,
    offset: Int[Array, "B"],
    input_mask: Bool[Array, "B M"],
    kept: Bool[Array, "B M"] | None = None,
  ) -> Float[Array, "B T D"]:
    """Attends to inputs, which `norm` normalises first.

    Args:
      weights: the projections.
      norm: of the inputs.
      queries: normalised already.
      query_positions: of the rotation.
      inputs: not normalised.
      input_positions: of the rotation.
      offset: query i attends to input j if j ≤ `offset` + i.
      input_mask: False for inputs that nothing attends to.
      kept: False for inputs that only the query at their own position, at
        j = `offset` + i, attends to; there is one array of scores then.

    Returns:
      The result; the output bias where a query attends to nothing.
    """
    query = self.queries(weights, queries, query_positions)  # [B, H, T, K]
    if kept is not None or reference.enabled():
      keys, values = self.keys_values(weights, norm, inputs, input_positions)
      visible = _visible(offset, query.shape[2], input_mask, kept)
      attended = attend_at_once(query, keys, values, visible)
    else:
      positions = input_positions.astype(jnp.float32)[..., None]  # [B, M, 1]
      parts = (inputs, positions)
      parameters = (norm, weights.key, weights.value)
      options = _options(query, inputs.shape[1], _Project(self, inputs.dtype))
      attended, _ = blockwise.attend(
        options, query, parts, parameters, input_mask, None, offset
      )
    return self.output(weights, attended)

  def attend_projected(
    self,
    queries: Float[Array, "B H T K"],
    keys: Float[Array, "B H M K"],
    values: Float[Array, "B H M V"],
    *,
    offset: Int[Array, "B"],
    input_mask: Bool[Array, "B M"],
  ) -> Float[Array, "B H T V"]:
    """Attends to keys and values that are in memory, as `__call__` does."""
    together = jnp.concatenate([keys, values], axis=-1)
    parts = (projections.join_heads(jnp.swapaxes(together, 1, 2)),)
    options = _options(queries, keys.shape[2], _Split(*keys.shape[1::2]))
    return blockwise.attend(
      options, queries, parts, None, input_mask, None, offset
    )[0]

  def queries(
    self,
    weights: projections.AttentionWeights,
    queries: Float[Array, "B T E"],
    positions: Real[Array, "B T"],
  ) -> Float[Array, "B H T K"]:
    """Returns projected queries, turned and scaled by 1/√K."""
    split = projections.split_heads(weights.query(queries), self.config)
    return self._rotated(split * self.config.scale, positions)

  def keys_values(
    self,
    weights: projections.AttentionWeights,
    norm: layers.NormWeights,
    inputs: Float[Array, "B M C"],
    positions: Real[Array, "B M"],
  ) -> tuple[Float[Array, "B H M K"], Float[Array, "B H M V"]]:
    """Returns turned keys, and values, of inputs, normalised first."""
    normed = norm(inputs)
    keys, values = (
      projections.split_heads(part(normed), self.config)
      for part in (weights.key, weights.value)
    )
    return self._rotated(keys, positions), jnp.swapaxes(values, 1, 2)

  def output(
    self,
    weights: projections.AttentionWeights,
    attended: Float[Array, "B H T V"],
  ) -> Float[Array, "B T D"]:
    """Returns the output map of attended values."""
    joined = projections.join_heads(jnp.swapaxes(attended, 1, 2))
    return weights.output(joined)

  def _rotated(
    self, x: Float[Array, "B S H K"], positions: Real[Array, "B S"]
  ) -> Float[Array, "B H S K"]:
    if self.rotary is not None:
      x = position_encoding.rotate(self.rotary, x, positions)
    return jnp.swapaxes(x, 1, 2)


@dataclasses.dataclass(frozen=True)
class _Project:
  """Makes keys and values of a block whose last channel is the position."""

  attention: CausalAttention
  dtype: Any

  def __call__(
    self, parameters: Any, block: Float[Array, "B S _"]
  ) -> tuple[Float[Array, "B H S K"], Float[Array, "B H S V"]]:
    norm, key, value = parameters
    weights = projections.AttentionWeights(key, key, value, value)
    inputs, positions = block[..., :-1].astype(self.dtype), block[..., -1]
    return self.attention.keys_values(weights, norm, inputs, positions)


@dataclasses.dataclass(frozen=True)
class _Split:
  """Takes keys and values of a block of both, side by side in each head."""

  num_heads: int
  key_channels: int

  def __call__(
    self, parameters: None, block: Float[Array, "B S HKV"]
  ) -> tuple[Float[Array, "B H S K"], Float[Array, "B H S V"]]:
    del parameters
    split = block.reshape(*block.shape[:2], self.num_heads, -1)
    split = jnp.swapaxes(split, 1, 2)  # [B, H, S, K + V]
    return split[..., : self.key_channels], split[..., self.key_channels :]


def _options(
  query: Float[Array, "B H T K"], length: int, project: blockwise.Project
) -> blockwise.Options:
  batch, heads, num_queries, _ = query.shape
  sizes = block_sizes.choose(length, batch, heads * num_queries)
  return blockwise.Options(
    project, sizes.cpu, accelerator_block_size=sizes.accelerator
  )


def attend_at_once(
  queries: Float[Array, "B H T K"],
  keys: Float[Array, "B H S K"],
  values: Float[Array, "B H S V"],
  visible: Bool[Array, "B 1 #T S"],
) -> Float[Array, "B H T V"]:
  """Attends with all scores in memory; zeros where nothing is visible."""
  scores = block_weights.scores(queries, keys, None)
  attention = layers.softmax(scores, visible).astype(values.dtype)
  return jnp.einsum("bhts,bhsv->bhtv", attention, values)


def _visible(
  offset: Int[Array, "B"],
  num_queries: int,
  input_mask: Bool[Array, "B M"],
  kept: Bool[Array, "B M"] | None,
) -> Bool[Array, "B 1 T M"]:
  """Returns True where a query attends to an input."""
  ends = causality.ends(offset, num_queries)  # [B, 1, T, 1]
  index = jnp.arange(input_mask.shape[1])
  visible = (index <= ends) & input_mask[:, None, None, :]
  if kept is not None:
    visible &= kept[:, None, None, :] | (index == ends)
  return visible
