"""Attention by the differences of positions, causal or not.

Queries and keys are turned by the positions of their elements. Rotated keys
cannot be folded into the queries, and their bias does not cancel in the
softmax: keys and values are projected a block at a time.
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
from perceiver.attention import input_parts
from perceiver.attention import projections
from perceiver.attention import reference


@dataclasses.dataclass(frozen=True)
class RotaryAttention:
  """Attention of queries to inputs, by the differences of their positions.

  Attributes:
    config: sizes of the attention.
    rotary: turns queries and keys by their positions; None for neither.
    rotate_values: whether values are turned by their positions, too, and what
      is attended to is turned back by the query's, so that it depends on where
      the values were from the query (2310.16046).
  """

  config: projections.AttentionConfig
  rotary: position_encoding.Rotation | None
  rotate_values: bool = False

  def __call__(
    self,
    weights: projections.AttentionWeights,
    norm: layers.NormWeights,
    queries: Float[Array, "B T E"],
    query_positions: Real[Array, "B T"],
    inputs: Float[Array, "B M C"],
    input_positions: Real[Array, "B M"],
    *,
    input_mask: Bool[Array, "B M"] | None = None,
    offset: Int[Array, "B"] | None = None,
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
      input_mask: False for inputs that nothing attends to.
      offset: makes it causal: query i attends to input j if j ≤ `offset` + i.
      kept: of causal attention, False for inputs that only the query at their
        own position, at j = `offset` + i, attends to; there is one array of
        scores then.

    Returns:
      The result; the output bias where a query attends to nothing.
    """
    query = self.queries(weights, queries, query_positions)  # [B, H, T, K]
    if kept is not None or reference.enabled():
      keys, values = self.keys_values(weights, norm, inputs, input_positions)
      visible = _visible(query, keys, input_mask, offset, kept)
      attended = attend_at_once(query, keys, values, visible)
    else:
      dtype = layers.sum_dtype(inputs.dtype)
      positions = input_positions.astype(dtype)[..., None]  # [B, M, 1]
      attended = _attend_blocks(
        query,
        (inputs, positions),
        _Project(self, inputs.dtype),
        (norm, weights.key, weights.value),
        input_mask,
        offset,
      )
    return self.output(weights, attended, query_positions)

  def attend_projected(
    self,
    queries: Float[Array, "B H T K"],
    keys: Float[Array, "B H M K"],
    values: Float[Array, "B H M V"],
    *,
    input_mask: Bool[Array, "B M"],
    offset: Int[Array, "B"],
  ) -> Float[Array, "B H T V"]:
    """Attends to keys and values that are in memory, as `__call__` does."""
    together = jnp.concatenate([keys, values], axis=-1)
    parts = (projections.join_heads(jnp.swapaxes(together, 1, 2)),)
    split = _Split(*keys.shape[1::2])
    return _attend_blocks(queries, parts, split, None, input_mask, offset)

  def queries(
    self,
    weights: projections.AttentionWeights,
    queries: Float[Array, "B T E"],
    positions: Real[Array, "B T"],
  ) -> Float[Array, "B H T K"]:
    """Returns projected queries, turned and scaled by 1/√K."""
    split = projections.split_heads(weights.query(queries), self.config)
    turned = self._turn(split * self.config.scale, positions)
    return jnp.swapaxes(turned, 1, 2)

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
    if self.rotate_values:
      values = self._turn(values, positions)
    keys = self._turn(keys, positions)
    return jnp.swapaxes(keys, 1, 2), jnp.swapaxes(values, 1, 2)

  def output(
    self,
    weights: projections.AttentionWeights,
    attended: Float[Array, "B H T V"],
    positions: Real[Array, "B T"],
  ) -> Float[Array, "B T D"]:
    """Returns the output map of attended values, of queries at positions."""
    attended = jnp.swapaxes(attended, 1, 2)  # [B, T, H, V]
    if self.rotate_values:
      attended = self._turn(attended, -positions)
    return weights.output(projections.join_heads(attended))

  def _turn(
    self, x: Float[Array, "B S H K"], positions: Real[Array, "B S"]
  ) -> Float[Array, "B S H K"]:
    if self.rotary is None:
      return x
    return position_encoding.rotate(self.rotary, x, positions)


@dataclasses.dataclass(frozen=True)
class _Project:
  """Makes keys and values of a block whose last channel is the position."""

  attention: RotaryAttention
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


def _attend_blocks(
  queries: Float[Array, "B H T K"],
  parts: input_parts.Parts,
  project: blockwise.Project,
  parameters: Any,
  input_mask: Bool[Array, "B M"] | None,
  offset: Int[Array, "B"] | None,
) -> Float[Array, "B H T V"]:
  """Attends to blocks of inputs, joined parts that are projected each."""
  batch, heads, num_queries, _ = queries.shape
  length = parts[0].shape[1]
  sizes = block_sizes.choose(length, batch, heads * num_queries)
  options = blockwise.Options(
    project, sizes.cpu, accelerator_block_size=sizes.accelerator
  )
  return blockwise.attend(
    options, queries, parts, parameters, input_mask, None, offset
  )[0]


def attend_at_once(
  queries: Float[Array, "B H T K"],
  keys: Float[Array, "B H S K"],
  values: Float[Array, "B H S V"],
  visible: Bool[Array, "B 1 #T S"] | None = None,
) -> Float[Array, "B H T V"]:
  """Attends with all scores in memory; zeros where nothing is visible."""
  scores = block_weights.scores(queries, keys, None)
  attention = layers.softmax(scores, visible).astype(values.dtype)
  return jnp.einsum("bhts,bhsv->bhtv", attention, values)


def _visible(
  queries: Float[Array, "B H T K"],
  keys: Float[Array, "B H M K"],
  input_mask: Bool[Array, "B M"] | None,
  offset: Int[Array, "B"] | None,
  kept: Bool[Array, "B M"] | None,
) -> Bool[Array, "B 1 #T M"] | None:
  """Returns True where a query attends to an input; None if all do to all."""
  mask = None if input_mask is None else input_mask[:, None, None, :]
  if offset is None:
    return mask
  ends = causality.ends(offset, queries.shape[2])  # [B, 1, T, 1]
  index = jnp.arange(keys.shape[2])
  visible = index <= ends
  if mask is not None:
    visible &= mask
  if kept is not None:
    visible &= kept[:, None, None, :] | (index == ends)
  return visible
