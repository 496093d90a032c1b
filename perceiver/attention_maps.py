"""The attention of one of several cross-attends, kept while latents are made.

A state is latents, float [B, N, D], or `Watched`, which is carried through the
same loops over blocks.
"""

from typing import Any, NamedTuple

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
  """Attends to the inputs, and keeps the attention if it is the wanted one."""
  if not isinstance(state, Watched):
    return block(state, inputs, input_mask=input_mask)
  latents, attention, left = state
  found = block.attention_map(latents, inputs, input_mask=input_mask)
  attention = jnp.where(left == 0, found, attention)
  return Watched(
    block(latents, inputs, input_mask=input_mask), attention, left - 1
  )


def process(block: processor.Processor, state: State) -> State:
  """Processes the latents."""
  if isinstance(state, Watched):
    return state._replace(latents=block(state.latents))
  return block(state)
