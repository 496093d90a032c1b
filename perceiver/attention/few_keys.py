"""Kernels that attend from many queries to few keys: the decoder's side."""

from collections.abc import Callable
import functools

from jaxtyping import Array, Float

from perceiver.attention import flash
from perceiver.attention import flash_kernels
from perceiver.attention import wide_heads

# [B, T, HK] -> [B, T, HV]
Kernel = Callable[[Array], Array]


def kernels(
  keys: Float[Array, "B S H K"],
  values: Float[Array, "B S H V"],
  bias: Float[Array, "B S H"] | None,
  sums_heads: bool,
  num_queries: int,
) -> dict[str, Kernel]:
  """Returns the kernels for keys and values, by platform.

  Args:
    keys: scaled by 1/√K.
    values: of the keys.
    bias: added to the scores of each key; none if None.
    sums_heads: whether the values of all heads are to be added up.
    num_queries: of a call.
  """
  num_heads, width, v_width = keys.shape[2], keys.shape[3], values.shape[3]
  if num_heads > 1 and (sums_heads or bias is not None):
    return {}
  if not keys.size:  # of no examples
    return {}
  row = None if bias is None else bias[:, :, 0]
  found: dict[str, Kernel] = {}
  if num_heads == 1 and wide_heads.supports(
    keys.dtype, max(width, v_width), separate_values=True, dropout=False
  ):
    found["cuda"] = lambda queries: wide_heads.attend_differentiably(
      queries, keys[:, :, 0], values[:, :, 0], row
    )
  sizes = num_heads * width, num_heads * v_width
  heads = flash_kernels.choose_heads(num_heads, *sizes, scale=1.0)
  known = flash.supports(heads, keys.dtype, keys.shape[1])
  if known and num_queries >= flash_kernels.LANES:
    found["tpu"] = functools.partial(
      flash.attend_to_keys,
      heads,
      keys=keys.reshape(*keys.shape[:2], -1),
      values=values.reshape(*values.shape[:2], -1),
      added=row,
    )
  return found
