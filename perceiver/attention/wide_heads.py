"""Attention of one wide head as a single GPU kernel, written in Pallas Triton.

Folded projections make a head as wide as the inputs: 261, 322 or 512 channels,
more than the kernels of cuDNN take. Here a head is cut into slices of channels
whose widths are powers of two, as the compiler wants them; keys are read once
where they are the values, too, and are divided among programs, as the queries
are few (flash-decoding). Nothing of size T×S is written. For heads of 704
channels, those of video autoencoding, XLA's own operations are faster (2.6 ms
for the model on an H100; 3.5 ms by the kernel, with the values divided).
"""

from collections.abc import Sequence
import functools
import math
from typing import Any, NamedTuple

import jax
from jax.experimental import custom_partitioning
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from perceiver import layers
from perceiver.attention import derivatives
from perceiver.attention import kernel_use

# Slices of channels are powers of two between these.
_SLICE_RANGE = (16, 128)
# Multiprocessors of an H100, each of which should have work.
_MULTIPROCESSORS = 132
# Stands for minus infinity where a true one would make 0 · inf.
_MASKED = -1e30


class Tiles(NamedTuple):
  """The part of the work that a program does at a time.

  Attributes:
    queries: number of queries of a program.
    keys: number of keys that it reads at once.
    warps: groups of 32 threads.
    stages: tiles of keys that are on their way at once.
    resident: programs that a multiprocessor has room for.
  """

  queries: int
  keys: int
  warps: int
  stages: int
  resident: int


def choose_tiles(channels: int, separate_values: bool) -> Tiles | None:
  """Returns the fastest tiles measured on an H100 for heads of a width.

  Args:
    channels: of the keys or the values, whichever are more.
    separate_values: whether the values are not the keys themselves.

  Returns:
    None where a tile does not fit the registers and the shared memory.
  """
  if separate_values:
    return Tiles(128, 32, 8, 2, 1) if channels <= 352 else None
  if channels <= 288:
    return Tiles(64, 64, 4, 2, 2)
  if channels <= 352:
    return Tiles(128, 64, 8, 3, 1)
  return Tiles(64, 64, 8, 2, 1) if channels <= 512 else None


def supports(
  dtype: jnp.dtype, channels: int, *, separate_values: bool, dropout: bool
) -> bool:
  """Returns whether `attend` computes this.

  Products are made in the operands' precision, which must be 16 bits.
  """
  half = kernel_use.allowed() and dtype in (jnp.bfloat16, jnp.float16)
  tiles = choose_tiles(channels, separate_values)
  return half and not dropout and tiles is not None


def attend(
  queries: Float[Array, "B T K"],
  keys: Float[Array, "B S K"],
  values: Float[Array, "B S V"] | None = None,
  *,
  bias: Float[Array, "B S"] | None = None,
  mask: Bool[Array, "B S"] | None = None,
  tiles: Tiles | None = None,
  interpret: bool = False,
) -> tuple[Float[Array, "B T V"], Float[Array, "B T"]]:
  """Attends from queries to keys.

  Args:
    queries: scaled by 1/√K.
    keys: in the dtype of the queries.
    values: the keys themselves if None.
    bias: added to the scores of each key.
    mask: True where a key may be attended to; all if None.
    tiles: the division of the work; by the width of the head if None.
    interpret: compute without a GPU, for tests.

  Returns:
    The attended values, float32, and log Σ exp(scores) of every query: zeros,
    and +inf, where every key is masked or has a score of −inf.
  """
  added = jnp.zeros(keys.shape[:2], jnp.float32) if bias is None else bias
  if mask is not None:
    added = jnp.where(mask, added, _MASKED)
  operands = (queries, keys, *(() if values is None else (values,)))
  if tiles is None:
    widest = max(x.shape[-1] for x in operands)
    tiles = choose_tiles(widest, values is not None)
  if tiles is None:
    raise ValueError(
      f"Attention kernel: a head has {widest} channels; expected fewer."
    )
  out, normaliser = _sharded(tiles, interpret, values is not None)(
    added.astype(jnp.float32), *map(_pad, operands)
  )
  channels = (keys if values is None else values).shape[-1]
  return out[..., :channels], normaliser


def attend_differentiably(
  queries: Float[Array, "B T K"],
  keys: Float[Array, "B S K"],
  values: Float[Array, "B S V"],
  bias: Float[Array, "B S"] | None,
) -> Float[Array, "B T V"]:
  """Attends to few keys; the gradient holds all scores in memory."""

  def by_kernel(*operands: Any) -> Float[Array, "B T V"]:
    return attend(*operands[:3], bias=operands[3])[0].astype(values.dtype)

  return derivatives.choose(
    by_kernel, _attend_at_once, queries, keys, values, bias
  )


def _attend_at_once(
  queries: Float[Array, "B T K"],
  keys: Float[Array, "B S K"],
  values: Float[Array, "B S V"],
  bias: Float[Array, "B S"] | None,
) -> Float[Array, "B T V"]:
  scores = jnp.einsum(
    "btk,bsk->bts", queries, keys, preferred_element_type=jnp.float32
  )
  if bias is not None:
    scores += bias[:, None]
  weights = layers.softmax(scores).astype(values.dtype)
  return jnp.einsum("bts,bsv->btv", weights, values)


def _pad(x: Float[Array, "B S C"]) -> Float[Array, "B S D"]:
  """Adds channels of zeros up to a whole slice, so that rows are aligned."""
  return jnp.pad(x, ((0, 0), (0, 0), (0, -x.shape[-1] % _SLICE_RANGE[0])))


@functools.cache
def _sharded(tiles: Tiles, interpret: bool, separate_values: bool) -> Any:
  """Returns the kernel's function, computed where the examples' shards are."""

  def compute(*operands: Array) -> tuple[Array, Array]:
    return _divide_keys(tiles, interpret, *operands)

  wrapped = custom_partitioning.custom_partitioning(compute)

  def partition(mesh: Any, arguments: Any, results: Any) -> Any:
    spec = jax.sharding.PartitionSpec(*arguments[0].sharding.spec[:1])
    shard = jax.sharding.NamedSharding(mesh, spec)
    return (
      mesh,
      compute,
      jax.tree.map(lambda _: shard, results),
      jax.tree.map(lambda _: shard, arguments),
    )

  values, channels = (", b s v", "v") if separate_values else ("", "k")
  wrapped.def_partition(
    partition,
    sharding_rule=f"b s, b t k, b s k{values} -> b t {channels}, b t",
    need_replication_factors=("s", "t", *sorted({"k", channels})),
  )
  return wrapped


def _divide_keys(
  tiles: Tiles,
  interpret: bool,
  bias: Float[Array, "B S"],
  queries: Float[Array, "B T K"],
  *keys_values: Float[Array, "B S _"],
) -> tuple[Float[Array, "B T V"], Float[Array, "B T"]]:
  """Attends to shares of the keys, one a program, and joins the results."""
  batch, num_queries, _ = queries.shape
  length = bias.shape[1]
  queries = jnp.pad(
    queries, ((0, 0), (0, -num_queries % tiles.queries), (0, 0))
  )
  programs = batch * queries.shape[1] // tiles.queries
  room = _MULTIPROCESSORS * tiles.resident
  shares = min(max(room // programs, 1), pl.cdiv(length, tiles.keys))
  out, top, total = _call(tiles, interpret, shares, bias, queries, *keys_values)
  highest = jnp.max(top, axis=1, keepdims=True)
  factor = jnp.exp2(top - highest)  # [B, shares, T]
  total = jnp.sum(total * factor, axis=1)
  out = jnp.sum(out * factor[..., None], axis=1)
  out, log_total = layers.divide_sums(out, total)
  normaliser = highest[:, 0] * math.log(2) + log_total
  return out[:, :num_queries], normaliser[:, :num_queries]


def _call(
  tiles: Tiles,
  interpret: bool,
  shares: int,
  bias: Float[Array, "B S"],
  queries: Float[Array, "B T K"],
  *keys_values: Float[Array, "B S _"],
) -> Any:
  """Runs the kernel: unnormalised sums, maxima and totals of every share."""
  batch, num_queries, key_channels = queries.shape
  length, value_channels = keys_values[-1].shape[1:]
  operands = (bias, queries, *keys_values)
  kernel = functools.partial(
    _kernel,
    tiles=tiles,
    length=length,
    shares=shares,
    key_slices=_slices(key_channels),
    value_slices=_slices(value_channels),
  )
  whole = lambda x: pl.BlockSpec(
    (None, *x.shape[1:]), lambda b, i, s: (b, 0, 0)
  )

  def results(*channels: int) -> tuple[pl.BlockSpec, jax.ShapeDtypeStruct]:
    block = (None, None, tiles.queries, *channels)
    return (
      pl.BlockSpec(block, lambda b, i, s: (b, s, i, *(0 for _ in channels))),
      jax.ShapeDtypeStruct(
        (batch, shares, num_queries, *channels), jnp.float32
      ),
    )

  out_specs, out_shape = zip(results(value_channels), results(), results())
  products = 2 * batch * num_queries * length
  return pl.pallas_call(
    kernel,
    grid=(batch, num_queries // tiles.queries, shares),
    in_specs=[
      pl.BlockSpec((None, length), lambda b, i, s: (b, 0)),
      pl.BlockSpec(
        (None, tiles.queries, key_channels), lambda b, i, s: (b, i, 0)
      ),
      *map(whole, keys_values),
    ],
    out_specs=out_specs,
    out_shape=out_shape,
    compiler_params=plgpu.CompilerParams(
      num_warps=tiles.warps, num_stages=tiles.stages
    ),
    cost_estimate=pl.CostEstimate(
      flops=products * (key_channels + value_channels),
      transcendentals=products // 2,
      bytes_accessed=sum(x.size * x.dtype.itemsize for x in operands)
      + 4 * batch * shares * num_queries * value_channels,
    ),
    interpret=interpret,
    name="attend_wide_heads",
  )(*operands)


def _slices(channels: int) -> list[tuple[int, int]]:
  """Cuts channels into (first, width) with widths that are powers of two."""
  lowest, highest = _SLICE_RANGE
  cut, first = [], 0
  while first < channels:
    width = highest
    while width > max(channels - first, lowest):
      width //= 2
    cut.append((first, width))
    first += width
  return cut


def _kernel(
  bias_ref: Any,
  query_ref: Any,
  key_ref: Any,
  *refs: Any,
  tiles: Tiles,
  length: int,
  shares: int,
  key_slices: Sequence[tuple[int, int]],
  value_slices: Sequence[tuple[int, int]],
) -> None:
  """Attends from one block of queries to one share of the keys."""
  *value_ref, out_ref, top_ref, total_ref = refs
  share = pl.program_id(2)
  queries = [query_ref[:, pl.ds(i, w)] for i, w in key_slices]
  blocks = pl.cdiv(length, tiles.keys)
  per_share = pl.cdiv(blocks, shares)

  def body(block: Int[Array, ""], carry: Any) -> Any:
    top, total, sums = carry
    rows = pl.ds(block * tiles.keys, tiles.keys)
    valid = block * tiles.keys + jnp.arange(tiles.keys) < length

    def load(ref: Any, channel: int, w: int) -> Array:
      source = ref.at[rows, pl.ds(channel, w)]
      return plgpu.load(source, mask=valid[:, None], other=0.0)

    keys = [load(key_ref, i, w) for i, w in key_slices]
    added = plgpu.load(bias_ref.at[rows], mask=valid, other=_MASKED)
    scores = sum(plgpu.dot(q, k.T) for q, k in zip(queries, keys))
    scores = (scores + added[None, :]) * math.log2(math.e)
    new_top = jnp.maximum(top, jnp.max(scores, axis=1))
    shrink = jnp.exp2(top - new_top)
    weights = jnp.exp2(scores - new_top[:, None])
    weights = jnp.where(added[None, :] > _MASKED / 2, weights, 0.0)
    values = [load(ref, i, w) for ref in value_ref for i, w in value_slices]
    sums = tuple(
      s * shrink[:, None] + plgpu.dot(weights.astype(v.dtype), v)
      for s, v in zip(sums, values or keys)
    )
    return new_top, total * shrink + jnp.sum(weights, axis=1), sums

  start = (
    jnp.full((tiles.queries,), _MASKED, jnp.float32),
    jnp.zeros((tiles.queries,), jnp.float32),
    tuple(jnp.zeros((tiles.queries, w), jnp.float32) for _, w in value_slices),
  )
  first = share * per_share
  last = jnp.minimum(first + per_share, blocks)
  top, total, sums = jax.lax.fori_loop(first, last, body, start)
  for (i, w), x in zip(value_slices, sums):
    out_ref[:, pl.ds(i, w)] = x
  top_ref[...] = top
  total_ref[...] = total
