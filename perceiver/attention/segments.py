"""Many sets in one row of inputs, and the tiles that rows are cut into."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped
import numpy as np


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Segments:
  """The sets that the positions of rows belong to.

  The positions of a set follow one another. Rows that are not so have NaN for
  results; of an array of NumPy they are refused at once.

  Attributes:
    ids: int [B, M], from 0; those below 0 belong to no set.
    count: the number of sets S that a row may have; others are empty.
  """

  ids: Any  # JAX puts other objects here, too
  count: int = dataclasses.field(metadata={"static": True})

  def __post_init__(self) -> None:
    if type(self.count) is not int or self.count < 1:
      raise ValueError(
        f"Segments: count is {self.count!r}; expected at least 1."
      )
    if not isinstance(self.ids, np.ndarray):
      return
    if self.ids.dtype.kind not in "iu" or self.ids.ndim != 2:
      raise ValueError(
        f"Segments: ids are {self.ids.dtype} {list(self.ids.shape)}; expected "
        "integers [batch, positions]."
      )
    if self.ids.size and self.ids.max() >= self.count:
      raise ValueError(
        f"Segments: an id is {self.ids.max()}; expected less than the count, "
        f"{self.count}."
      )
    for row in self.ids:
      starts = row[np.flatnonzero(np.diff(row, prepend=-1))]
      starts = starts[starts >= 0]
      if len(starts) != len(set(starts.tolist())):
        raise ValueError(
          "Segments: positions of one set are apart; expected every set in one "
          "piece. Sort the positions by their ids."
        )

  @classmethod
  def of_lengths(cls, lengths: Any, length: int) -> "Segments":
    """Returns sets that follow one another from the start of each row.

    Args:
      lengths: positions of every set, int [B, S]; 0 for an empty one.
      length: positions M of a row; what the sets leave belongs to none, and
        sets end where the row does.
    """
    ends = jnp.cumsum(jnp.asarray(lengths), axis=1)  # [B, S]
    ids = jax.vmap(
      lambda x: jnp.searchsorted(x, jnp.arange(length), side="right")
    )(ends)
    count = ends.shape[1]
    return cls(jnp.where(ids < count, ids, -1), count)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Packed:
  """Stands for inputs [B · S, M, C], of which set s of row b sees its own.

  Attributes:
    parts: arrays [B or 1, M, _], joined along the channels.
    segments: the sets of the rows.
  """

  parts: tuple[Any, ...]
  segments: Segments

  @property
  def shape(self) -> tuple[int, int, int]:
    """The shape of the array that this stands for."""
    batch, length = self.segments.ids.shape
    channels = sum(part.shape[-1] for part in self.parts)
    return batch * self.segments.count, length, channels

  @property
  def dtype(self) -> jnp.dtype:
    """The array's dtype."""
    return self.parts[0].dtype


class Tiles(NamedTuple):
  """Stretches of rows, each of which lies within one set.

  Attributes:
    segment: the set of each, int [B, P].
    start: the first position of each, int [B, P].
    mask: True for positions of the set, which no other tile has, bool
      [B, P, size].
    begin: the first position of each set, int [B, S].
    first: the first tile of each set, int [B, S].
    valid: whether the row's sets fit the tiles, bool [B].
  """

  segment: Int[Array, "B P"]
  start: Int[Array, "B P"]
  mask: Bool[Array, "B P _"]
  begin: Int[Array, "B S"]
  first: Int[Array, "B S"]
  valid: Bool[Array, "B"]

  def take(self, x: Float[Array, "#B M ..."]) -> Float[Array, "B P _ ..."]:
    """Returns the positions of every tile."""
    x = jnp.broadcast_to(x, (len(self.start), *x.shape[1:]))
    size = self.mask.shape[2]
    one = lambda row, start: jax.lax.dynamic_slice_in_dim(row, start, size)
    return jax.vmap(jax.vmap(one, (None, 0)))(x, self.start)

  def put_back(
    self, x: Float[Array, "B P _ F"], segments: Segments
  ) -> Float[Array, "B M F"]:
    """Returns the positions of rows; zeros for those in no set."""
    size = x.shape[2]

    def row(
      x: Array, ids: Array, begin: Array, first: Array, start: Array
    ) -> Array:
      index, known = jnp.arange(len(ids)), jnp.maximum(ids, 0)
      tile = first[known] + (index - begin[known]) // size
      found = x[tile, index - start[tile]]  # [M, F]
      return jnp.where((ids >= 0)[:, None], found, 0)

    found = jax.vmap(row)(x, segments.ids, self.begin, self.first, self.start)
    return jnp.where(self.valid[:, None, None], found, jnp.nan)


def of_rows(
  x: Shaped[Array | np.ndarray, "B X ..."], index: Int[Array, "B *I"]
) -> Shaped[Array, "B ..."]:
  """Returns entries of every row, x[b, index[b]]."""
  return jax.vmap(lambda row, i: row[i])(x, index)


def choose_size(length: int, count: int) -> int:
  """Returns positions of a tile: a quarter of a set's where all are full.

  Larger ones are left half empty by more sets, smaller ones make more products.
  """
  return min(max(length // (4 * count), 32), length)


def cut(segments: Segments, size: int) -> Tiles:
  """Cuts sets into tiles of a size, as many as there may be for their lengths.

  Sets of M positions in all make at most (M + S·(size − 1)) / size tiles.
  """
  ids, count = segments.ids, segments.count
  batch, length = ids.shape
  number = (length + count * (size - 1)) // size  # P
  index = jnp.broadcast_to(jnp.arange(length), ids.shape)
  rows = jnp.arange(batch)[:, None]
  known = jnp.where(ids < 0, count, ids)
  begin = jnp.full((batch, count), length).at[rows, known].min(index)
  end = jnp.zeros((batch, count), int).at[rows, known].max(index + 1)
  tiles = -(-jnp.maximum(end - begin, 0) // size)  # [B, S]
  last = jnp.cumsum(tiles, axis=1)
  of_tile = jax.vmap(
    lambda x: jnp.searchsorted(x, jnp.arange(number), side="right")
  )(last)  # [B, P]
  segment = jnp.minimum(of_tile, count - 1)
  first = last - tiles
  in_set = jnp.arange(number) - of_rows(first, segment)
  start = of_rows(begin, segment) + size * in_set
  clipped = jnp.clip(start, 0, length - size)
  positions = clipped[..., None] + jnp.arange(size)  # [B, P, size]
  mask = of_rows(ids, positions) == segment[..., None]
  mask &= (positions >= start[..., None]) & (of_tile < count)[..., None]
  return Tiles(segment, clipped, mask, begin, first, last[:, -1] <= number)
