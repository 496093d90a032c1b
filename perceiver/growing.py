"""More of nested latents, at the cost of the new ones.

The first latents of a network with nested sizes do not depend on later ones, so
that more of them need their keys and values only (AdaPerceiver, 2511.18105).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer

from perceiver import blocks
from perceiver import network
from perceiver import processor
from perceiver.attention import input_parts
from perceiver.attention import nested
from perceiver.attention import projections


class Grown(NamedTuple):
  """Processed latents, and what later ones need of them.

  Attributes:
    latents: the first n, as `encode` gives them.
    keys: of each of the A self-attentions that were passed, in their order.
    values: likewise.
  """

  latents: Float[Array, "B n D"]
  keys: Float[Array, "A B n H K"]
  values: Float[Array, "A B n H V"]


class Growing(NamedTuple):
  """The last latents on their way through a network.

  Attributes:
    latents: the last ones.
    keys: of all N latents, as of `Grown`; later self-attentions lack the last.
    values: likewise.
    passed: the number of self-attentions that the latents have passed.
  """

  latents: Float[Array, "B n D"]
  keys: Float[Array, "A B N H K"]
  values: Float[Array, "A B N H V"]
  passed: Integer[Array, ""]

  def attend(
    self,
    block: blocks.CrossAttentionBlock,
    inputs: input_parts.Parts,
    input_mask: Bool[Array, "B M"] | None,
  ) -> "Growing":
    """Returns the state after a cross-attend; no latent sees another."""
    latents = block(self.latents, inputs, input_mask=input_mask)
    return self._replace(latents=latents)

  def process(self, block: processor.Processor) -> "Growing":
    """Returns the state after a block of self-attentions."""
    return block.map_layers(_process, self)


def grow(
  perceiver: network.Perceiver,
  grown: Grown | None,
  inputs: input_parts.Parts,
  input_mask: Bool[Array, "B M"] | None = None,
) -> Grown:
  """Returns all latents of a network, of which some are there already.

  Args:
    perceiver: the network; its latents are nested.
    grown: the first of them, made of the same inputs; None for none.
    inputs: the network's.
    input_mask: False for inputs that nothing attends to.

  Raises:
    ValueError: if `grown` has none of the sizes before the last.
  """
  config = perceiver.config
  sizes = config.processor.self_attention.nested_sizes
  count = 0 if grown is None else grown.latents.shape[1]
  _check(sizes, count)
  new = perceiver.initial_latents(inputs)[:, count:]  # [B, n, D]
  attention = config.processor.self_attention.attention(*(new.shape[-1],) * 2)
  num_attentions = (
    config.processor.num_blocks * config.processor.num_self_attends_per_block
  )

  def room(
    held: Float[Array, "A B n H KV"] | None, channels: int
  ) -> Float[Array, "A B N H KV"]:
    heads = attention.num_heads
    shape = (num_attentions, *new.shape[:2], heads, channels // heads)
    empty = jnp.zeros(shape, new.dtype)
    return empty if held is None else jnp.concatenate([held, empty], axis=2)

  state = perceiver.encode_state(
    Growing(
      new,
      room(grown and grown.keys, attention.qk_channels),
      room(grown and grown.values, attention.v_channels),
      jnp.int32(0),
    ),
    inputs,
    input_mask,
  )
  latents = state.latents
  if grown is not None:
    latents = jnp.concatenate([grown.latents, latents], axis=1)
  return Grown(latents, state.keys, state.values)


def _process(layer: blocks.SelfAttentionBlock, state: Growing) -> Growing:
  """Attends from the last latents to all that they may see, in one layer."""
  sizes = layer.config.nested_sizes
  first = sizes[-1] - state.latents.shape[1]
  found = []

  def attend(
    config: projections.AttentionConfig,
    weights: projections.AttentionWeights,
    normed: Float[Array, "B n D"],
  ) -> Float[Array, "B n F"]:
    new = projections.split_keys_values(config, weights, normed)
    for held, array in zip((state.keys, state.values), new):
      start = (state.passed, 0, first, 0, 0)
      found.append(jax.lax.dynamic_update_slice(held, array[None], start))
    keys, values = (array[state.passed] for array in found)
    keys_values = projections.KeysValues(keys, None, values, False, None)
    return nested.attend_last(config, weights, keys_values, normed, sizes)

  latents = layer.attend_by(attend, state.latents)
  keys, values = found
  return Growing(latents, keys, values, state.passed + 1)


def _check(sizes: tuple[int, ...], count: int) -> None:
  """Raises a ValueError if so many latents cannot grow to the last size."""
  if count not in (0, *sizes[:-1]):
    raise ValueError(
      f"Model: {count} latents are to grow to {sizes[-1]}; expected none, or "
      f"one of the nested sizes before, {sizes[:-1]}."
    )
