"""The attention of one of several cross-attends, kept while latents are made.

A state is latents, float [B, N, D], or a tuple that holds them and is carried
through the same loops over blocks: `Watched` here, `growing.Growing`.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Float32, Integer

from perceiver import blocks
from perceiver import processor
from perceiver.attention import input_parts

State = Any


class Watched(NamedTuple):
  """Latents, with the attention of the cross-attend after `left` others."""

  latents: Float[Array, "B N D"]
  attention: Float32[Array, "B H N M"]
  left: Integer[Array, ""]

  def attend(
    self,
    block: blocks.CrossAttentionBlock,
    inputs: input_parts.Parts,
    input_mask: Bool[Array, "B M"] | None,
  ) -> "Watched":
    """Attends to the inputs, and keeps the attention that is wanted."""
    found = block.attention_map(self.latents, inputs, input_mask=input_mask)
    attention = jnp.where(self.left == 0, found, self.attention)
    latents = block(self.latents, inputs, input_mask=input_mask)
    return Watched(latents, attention, self.left - 1)

  def process(self, block: processor.Processor) -> "Watched":
    """Processes the latents."""
    return self._replace(latents=block(self.latents))


def watch(
  latents: Float[Array, "B N D"],
  num_heads: int,
  num_inputs: int,
  cross_attend: Integer[Array, ""] | int,
) -> Watched:
  """Returns the state before the first cross-attend."""
  shape = (latents.shape[0], num_heads, latents.shape[1], num_inputs)
  return Watched(latents, jnp.zeros(shape), jnp.asarray(cross_attend))


def attend(
  block: blocks.CrossAttentionBlock,
  state: State,
  inputs: input_parts.Parts,
  input_mask: Bool[Array, "B M"] | None,
) -> State:
  """Attends to the inputs from latents, or from those of a state."""
  if isinstance(state, jax.Array):
    return block(state, inputs, input_mask=input_mask)
  return state.attend(block, inputs, input_mask)


def process(block: processor.Processor, state: State) -> State:
  """Processes latents, or those of a state."""
  if isinstance(state, jax.Array):
    return block(state)
  return state.process(block)
