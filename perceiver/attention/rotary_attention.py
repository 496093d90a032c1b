"""Attention between elements that have positions, which turn queries and keys.

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

  def attend(
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
  ) -> Float[Array, "B T D"]:
    """Attends to inputs, which `norm` normalises first, a block at a time.

    Args:
      weights: the projections.
      norm: of the inputs.
      queries: normalised already.
      query_positions: of the rotation.
      inputs: not normalised.
      input_positions: of the rotation.
      input_mask: False for inputs that nothing attends to.
      offset: query i attends to input j if j ≤ `offset` + i; to all if None.

    Returns:
      The result; the output bias where a query attends to nothing.
    """
    query = self.queries(weights, queries, query_positions)  # [B, H, T, K]
    if reference.enabled():
      keys, values = self.keys_values(weights, norm, inputs, input_positions)
      mask = None if input_mask is None else input_mask[:, None, None]
      attended = attend_at_once(query, keys, values, mask)
      return self.output(weights, attended, query_positions)
    dtype = layers.sum_dtype(inputs.dtype)
    positions = input_positions.astype(dtype)[..., None]  # [B, M, 1]
    options = choose_options(
      query, inputs.shape[1], _Project(self, inputs.dtype)
    )
    attended, _ = blockwise.attend(
      options,
      query,
      (inputs, positions),
      (norm, weights.key, weights.value),
      input_mask,
      None,
      offset,
    )
    return self.output(weights, attended, query_positions)

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


def choose_options(
  query: Float[Array, "B H T K"], length: int, project: blockwise.Project
) -> blockwise.Options:
  """Returns the settings of an attention to `length` inputs."""
  batch, heads, num_queries, _ = query.shape
  sizes = block_sizes.choose(length, batch, heads * num_queries)
  return blockwise.Options(
    project, sizes.cpu, accelerator_block_size=sizes.accelerator
  )


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
