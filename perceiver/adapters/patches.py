"""Cutting arrays into patches, without parameters."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def space_to_depth(
  x: Float[Array, "B *shape C"], block: Sequence[int]
) -> Float[Array, "B *cut D"]:
  """Moves blocks of neighbouring positions into the channels.

  Args:
    x: as many axes between batch and channels as `block` has.
    block: the block's size along every one of these axes.

  Returns:
    prod(block)·C channels for every block, ordered by position within the
    block, then by original channel.

  Raises:
    ValueError: if the block does not divide the shape.
  """
  shape = x.shape[1:-1]
  if len(shape) != len(block) or any(n % b for n, b in zip(shape, block)):
    raise ValueError(
      f"Patches: an array of shape {x.shape} is to be cut into blocks "
      f"{tuple(block)}; expected blocks that divide {shape}."
    )
  d = len(shape)
  split = [size for n, b in zip(shape, block) for size in (n // b, b)]
  x = x.reshape(x.shape[0], *split, x.shape[-1])
  outer = [1 + 2 * i for i in range(d)]
  inner = [2 + 2 * i for i in range(d)]
  x = x.transpose(0, *outer, *inner, 2 * d + 1)
  return jax.lax.collapse(x, 1 + d)


def neighbourhoods(
  x: Float[Array, "*B H W C"], size: int, stride: int = 1
) -> Float[Array, "*B h w {size**2}*C"]:
  """Gives positions of an image the values around them.

  Args:
    x: images.
    size: odd side of the square neighbourhood; zeros lie beyond the border.
    stride: pixels from one position to the next; each is the centre of a block
      of that side, of an even side the pixel after the centre.

  Returns:
    The size² values around each, ordered by row, by column, then by channel,
    for ⌈H / stride⌉ · ⌈W / stride⌉ positions.
  """
  grid = [-(-side // stride) for side in x.shape[-3:-1]]
  before = size // 2 - stride // 2  # negative if stride is larger
  height, width = ((count - 1) * stride + 1 for count in grid)  # of the centres
  pad = [(0, 0, 0)] * (x.ndim - 3)
  pad += [
    (before, reach + size - 1 - side - before, 0)
    for reach, side in zip((height, width), x.shape[-3:-1])
  ]
  padded = jax.lax.pad(x, jnp.zeros((), x.dtype), [*pad, (0, 0, 0)])
  shifted = [
    padded[..., i : i + height : stride, j : j + width : stride, :]
    for i in range(size)
    for j in range(size)
  ]
  return jnp.concatenate(shifted, axis=-1)
