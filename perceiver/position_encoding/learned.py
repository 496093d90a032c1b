"""Learned vectors, one for each position, latent or query."""

from collections.abc import Sequence
import dataclasses
import math

import haiku as hk
import jax.numpy as jnp
from jaxtyping import Array, Float
import numpy as np

from perceiver import bounds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Learned:
  """Learned position encoding.

  Attributes:
    channels: length of each position's vector.
    init_scale: standard deviation of the truncated normal they start from.
  """

  channels: int
  init_scale: float = 0.02

  def __post_init__(self) -> None:
    bounds.check(self, "channels", init_scale="(0, inf)")


@dataclasses.dataclass
class LearnedVectors(hk.Module):
  """A table of `num` learned vectors.

  They start as a normal of deviation `init_scale` truncated at two deviations
  (2103.03206 appendix C writes the bounds in units of the deviation).
  """

  num: int
  config: Learned
  name: str | None = None

  def __call__(self) -> Float[Array, "{self.num} C"]:
    return hk.get_parameter(
      "embeddings",
      [self.num, self.config.channels],
      init=hk.initializers.TruncatedNormal(self.config.init_scale),
    )


def interpolate(
  vectors: Float[Array | np.ndarray, "..."],
  old: Sequence[int],
  new: Sequence[int],
) -> Float[Array | np.ndarray, "M C"]:
  """Resizes a grid of learned positions, linearly, to use it at another size.

  The table is [prod(old), C]. Corners stay corners: both grids span [-1, 1]
  with their ends included.

  Raises:
    ValueError: if `vectors` is not a table of the old grid's size.
  """
  size = math.prod(old)
  if vectors.ndim != 2 or len(vectors) != size or len(old) != len(new):
    raise ValueError(
      f"Learned positions: the table has shape {vectors.shape}; expected "
      f"[{size}, channels] for a grid {tuple(old)} to become {tuple(new)}."
    )
  table = vectors.reshape(*old, -1)
  for axis, count in enumerate(new):
    table = _resize_axis(table, axis, count)
  return table.reshape(-1, table.shape[-1])


def _resize_axis(
  table: Float[Array | np.ndarray, "..."], axis: int, count: int
) -> Float[Array | np.ndarray, "..."]:
  """Interpolates one axis to `count` points from end to end."""
  old = table.shape[axis]
  if old == count:
    return table
  where = jnp.linspace(0.0, old - 1.0, count)
  low = jnp.clip(jnp.floor(where).astype(jnp.int32), 0, max(old - 2, 0))
  high = jnp.minimum(low + 1, old - 1)
  share = (where - low).reshape(
    [-1 if i == axis else 1 for i in range(table.ndim)]
  )
  return jnp.take(table, low, axis) * (1 - share) + (
    jnp.take(table, high, axis) * share
  )
