"""A network whose inputs arrive in chunks, with latents after each.

The one cross-attend keeps the running sums of its softmax. Their size is that
of the latents, whatever has been read; any division into chunks gives the
latents of all inputs at once.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from perceiver import network
from perceiver.attention import input_parts
from perceiver.attention import reference
from perceiver.attention import streams
from perceiver.position_encoding import grid_encoding


def read(
  perceiver: network.Perceiver,
  sums: streams.Sums | None,
  chunk: input_parts.Parts,
  input_mask: Bool[Array, "B M"] | None = None,
) -> streams.Sums:
  """Returns the state after a chunk of any number of inputs.

  Args:
    perceiver: the network.
    sums: the state before; None if nothing was read.
    chunk: the inputs.
    input_mask: False for inputs that nothing attends to.
  """
  _check(perceiver)
  parts = tuple(grid_encoding.materialise(part) for part in chunk)
  part: Any = streams.Chunk(
    sums,
    parts,
    input_mask,
    input_parts.num_channels(parts),
    input_parts.common_batch_size(parts),
    parts[0].dtype,
  )
  perceiver.encode((part,))  # of which only the first cross-attend is used
  return part.found[0]


def latents(
  perceiver: network.Perceiver, sums: streams.Sums, dtype: jnp.dtype
) -> Float[Array, "B N D"]:
  """Returns the latents of all that was read.

  Args:
    perceiver: the network.
    sums: the state.
    dtype: of the activations.
  """
  _check(perceiver)
  channels = perceiver.config.encoder.input_channels
  part: Any = streams.Chunk(sums, (), None, channels, len(sums.top), dtype)
  return perceiver.encode((part,))


def _check(perceiver: network.Perceiver) -> None:
  """Raises a ValueError if inputs cannot be read once, in chunks."""
  config = perceiver.config
  count = config.encoder.num_cross_attends
  if count > 1 or not config.share_weights:
    raise ValueError(
      f"Stream: the network attends to its inputs {count} times"
      f"{'' if config.share_weights else ' and shares no weights'}; expected "
      "one cross-attend and share_weights, so that inputs need not be kept."
    )
  if reference.enabled():
    raise ValueError(
      "Stream: the reference implementation attends to all inputs at once; "
      "expected the usual one."
    )
