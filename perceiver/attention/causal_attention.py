"""Causal attention with rotary positions, from latents to the inputs before."""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Real

from perceiver import layers
from perceiver.attention import blockwise
from perceiver.attention import causality
from perceiver.attention import projections
from perceiver.attention import reference
from perceiver.attention import rotary_attention


class CausalAttention(rotary_attention.RotaryAttention):
  """Attention of queries to the inputs at and before their own position."""

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
    if kept is None and not reference.enabled():
      return self.attend(
        weights,
        norm,
        queries,
        query_positions,
        inputs,
        input_positions,
        input_mask=input_mask,
        offset=offset,
      )
    query = self.queries(weights, queries, query_positions)  # [B, H, T, K]
    keys, values = self.keys_values(weights, norm, inputs, input_positions)
    visible = _visible(offset, query.shape[2], input_mask, kept)
    attended = rotary_attention.attend_at_once(query, keys, values, visible)
    return self.output(weights, attended, query_positions)

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
    options = rotary_attention.choose_options(
      queries, keys.shape[2], _Split(*keys.shape[1::2])
    )
    return blockwise.attend(
      options, queries, parts, None, input_mask, None, offset
    )[0]


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
