"""Attention from few queries to many inputs as TPU kernels.

Keys are the values: the inputs themselves, normalised by the kernels on their
way. They are read a block at a time, with a running maximum and a running sum
of the softmax; the gradient computes the scores of each block again.
"""

import functools
from typing import Any

import jax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from perceiver import layers
from perceiver.attention import by_device
from perceiver.attention import flash_kernels
from perceiver.attention import input_parts
from perceiver.attention import kernel_use

_BLOCK = 512  # inputs at a time, and at most as many queries
_MAX_CHANNELS = 1024
_FIRST = lambda b, i, j: (b, i, 0)
_SECOND = lambda b, i, j: (b, j, 0)


def supports(queries: Float[Array, "B 1 T C"]) -> bool:
  """Returns whether the kernels take queries of this dtype and width."""
  known = queries.dtype in (jnp.float32, jnp.bfloat16)
  return kernel_use.allowed() and known and queries.shape[-1] <= _MAX_CHANNELS


def attend_parts(
  queries: Float[Array, "B 1 T K"],
  parts: input_parts.Parts,
  parameters: None,
  input_mask: Bool[Array, "B M"] | None,
  key: PRNGKeyArray | None,
) -> tuple[Float[Array, "B 1 T V"], Float[Array, "B 1 T"]]:
  """Attends from one group of queries, as `blockwise.attend` does."""
  del parameters, key
  inputs = input_parts.concatenate(parts, queries.shape[0], input_mask)
  out, normaliser = attend(queries[:, 0], inputs, input_mask)
  return out[:, None], normaliser[:, None]


def differentiate_parts(
  residuals: Any, cotangent: Float[Array, "B 1 T V"]
) -> tuple[Float[Array, "B 1 T K"], input_parts.Parts, None]:
  """Returns the gradients of queries, parts and the absent parameters."""
  queries, parts, _, input_mask, _, out, normaliser = residuals
  join = lambda parts: input_parts.concatenate(
    parts, queries.shape[0], input_mask
  )
  inputs, pull = jax.vjp(join, parts)
  d_queries, d_normalised = differentiate(
    queries[:, 0],
    inputs,
    input_mask,
    out[:, 0],
    normaliser[:, 0],
    cotangent[:, 0],
  )
  normalised, pull_norm = jax.vjp(layers.normalise, inputs)
  (d_inputs,) = pull_norm(d_normalised.astype(normalised.dtype))
  return d_queries[:, None].astype(queries.dtype), *pull(d_inputs), None


def attend(
  queries: Float[Array, "B T C"],
  inputs: Float[Array, "B M C"],
  mask: Array | None,
  interpret: bool = False,
) -> tuple[Float[Array, "B T C"], Float[Array, "B T"]]:
  """Attends from queries to normalised inputs.

  Args:
    queries: scaled by 1/√K.
    inputs: not normalised, in the dtype of the queries.
    mask: True where an input may be attended to, [B, M]; all if None.
    interpret: compute without a TPU, for tests.

  Returns:
    The attended values and log Σ exp(scores), both float32: zeros and +inf
    where all inputs are masked or have scores of −inf.
  """
  call = functools.partial(_call, _attend, (1, 1), queries.shape[2], interpret)
  operands = _mask(inputs, mask), _pad(inputs), _pad(queries)
  out, total, top = by_device.call(call, *operands)
  rows = slice(queries.shape[1])
  out, log_total = layers.divide_sums(
    out[:, rows, : queries.shape[2]], total[:, rows, 0]
  )
  return out, top[:, rows, 0] + log_total


def differentiate(
  queries: Float[Array, "B T C"],
  inputs: Float[Array, "B M C"],
  mask: Array | None,
  out: Float[Array, "B T C"],
  normaliser: Float[Array, "B T"],
  cotangent: Float[Array, "B T C"],
  interpret: bool = False,
) -> tuple[Float[Array, "B T C"], Float[Array, "B M C"]]:
  """Returns the gradients of queries and normalised inputs, float32."""
  mean = jnp.sum(cotangent.astype(jnp.float32) * out, axis=2)
  rows = (_pad(x[..., None], lanes=1) for x in (normaliser, mean))
  operands = (
    _mask(inputs, mask),
    *map(_pad, (inputs, queries, cotangent.astype(queries.dtype))),
    *rows,
  )
  channels = queries.shape[2]
  found: list[Array] = []
  for kernel, products in ((_d_queries, (2, 1)), (_d_inputs, (2, 2))):
    call = functools.partial(_call, kernel, products, channels, interpret)
    found += by_device.call(call, *operands)
  d_queries, d_inputs = found
  return (
    d_queries[:, : queries.shape[1], :channels],
    d_inputs[:, : inputs.shape[1], :channels],
  )


def _mask(
  inputs: Float[Array, "B M C"], mask: Array | None
) -> Float[Array, "B 1 P"]:
  """Returns 1 for inputs that may be attended to, and 0 for those added."""
  known = jnp.ones(inputs.shape[:2]) if mask is None else mask
  padding = (0, -inputs.shape[1] % _block(inputs.shape[1]))
  return jnp.pad(known.astype(jnp.float32)[:, None], ((0, 0), (0, 0), padding))


def _pad(
  x: Float[Array, "B S C"], lanes: int = flash_kernels.LANES
) -> Float[Array, "B P D"]:
  """Adds zeros up to whole blocks and lanes."""
  padding = (0, -x.shape[1] % _block(x.shape[1])), (0, -x.shape[2] % lanes)
  return jnp.pad(x, ((0, 0), *padding))


def _block(length: int) -> int:
  """Returns the inputs or queries of a block."""
  lanes = flash_kernels.LANES
  return min(_BLOCK, pl.cdiv(length, lanes) * lanes)


def _call(
  kernel: Any,
  products: tuple[int, int],
  channels: int,
  interpret: bool,
  *operands: Float[Array, "B _ _"],
) -> tuple[Float[Array, "B _ _"], ...]:
  """Computes a block of queries and a block of inputs at a time.

  Args:
    kernel: what is computed of them.
    products: numbers of matrix products, with and for.
    channels: without those added.
    interpret: compute without a TPU.
    *operands: the mask, the inputs, and arrays as long as the queries.
  """
  _, inputs, queries, *_ = operands
  (batch, length, lanes), num_queries = inputs.shape, queries.shape[1]
  rows, columns = _block(num_queries), _block(length)
  by_inputs, of_inputs, of_queries = kernel is _d_inputs, _SECOND, _FIRST
  grid = (batch, num_queries // rows, length // columns)
  if by_inputs:
    of_inputs, of_queries, grid = _FIRST, _SECOND, (batch, *grid[:0:-1])
  of_mask = lambda b, i, j: (b, 0, i if by_inputs else j)

  def spec(x: Any, index: Any) -> pl.BlockSpec:
    block = (None, columns if index is of_inputs else rows, x.shape[2])
    return pl.BlockSpec(block, index)

  shapes = [(length if by_inputs else num_queries, lanes)]
  shapes += [(num_queries, 1)] * (2 * (kernel is _attend))
  out_shape = [jax.ShapeDtypeStruct((batch, *x), jnp.float32) for x in shapes]
  scores = batch * num_queries * length
  size = lambda x: x.size * x.dtype.itemsize
  moved = (num_queries // rows - 1) * size(inputs)  # again, by later queries
  moved += sum(map(size, [*operands, *out_shape]))
  return tuple(
    pl.pallas_call(
      functools.partial(kernel, channels),
      grid=grid,
      in_specs=[
        pl.BlockSpec((None, 1, columns), of_mask),
        spec(inputs, of_inputs),
        *(spec(x, of_queries) for x in operands[2:]),
      ],
      out_specs=[spec(x, _FIRST) for x in out_shape],
      out_shape=out_shape,
      compiler_params=pltpu.CompilerParams(
        dimension_semantics=("parallel", "parallel", "arbitrary")
      ),
      cost_estimate=pl.CostEstimate(
        flops=2 * scores * lanes * sum(products),
        transcendentals=scores,
        bytes_accessed=moved,
      ),
      interpret=interpret,
      name=f"inputs{kernel.__name__}",
    )(*operands)
  )


def _normalise(channels: int, ref: Any) -> Float[Array, "S C"]:
  """Returns a block of normalised inputs; channels that were added are 0."""
  x = ref[...].astype(jnp.float32)
  known = jax.lax.broadcasted_iota(jnp.int32, x.shape, 1) < channels
  mean = jnp.sum(x, axis=1, keepdims=True) / channels
  centred = jnp.where(known, x - mean, 0)
  variance = jnp.sum(jnp.square(centred), axis=1, keepdims=True) / channels
  factor = jax.lax.rsqrt(variance + layers.LAYER_NORM_EPSILON)
  return (centred * factor).astype(ref.dtype)


def _clear(*refs: Any) -> None:
  """Zeroes sums before the first block."""

  @pl.when(pl.program_id(2) == 0)
  def _() -> None:
    for ref in refs:
      ref[...] = jnp.zeros_like(ref)


def _attend(
  channels: int,
  mask_ref: Any,
  input_ref: Any,
  query_ref: Any,
  out_ref: Any,
  total_ref: Any,
  top_ref: Any,
) -> None:
  """Adds a block of inputs to unnormalised sums and their totals."""
  _clear(out_ref, total_ref)

  @pl.when(pl.program_id(2) == 0)
  def _() -> None:
    top_ref[...] = jnp.full_like(top_ref, layers.LOWEST)

  inputs = _normalise(channels, input_ref)
  scores = flash_kernels.dot(query_ref[...], inputs, (1, 1))
  scores = jnp.where(mask_ref[...] > 0, scores, -jnp.inf)
  top = jnp.maximum(top_ref[...], jnp.max(scores, axis=1, keepdims=True))
  shrink = jnp.exp(top_ref[...] - top)
  weights = jnp.exp(scores - top)
  total_ref[...] = total_ref[...] * shrink + jnp.sum(
    weights, axis=1, keepdims=True
  )
  out_ref[...] = out_ref[...] * shrink + flash_kernels.dot(
    weights.astype(inputs.dtype), inputs, (1, 0)
  )
  top_ref[...] = top


def _d_scores(
  channels: int,
  mask_ref: Any,
  input_ref: Any,
  query_ref: Any,
  cotangent_ref: Any,
  normaliser_ref: Any,
  mean_ref: Any,
) -> tuple[Array, Array, Array]:
  """Returns a block's inputs, weights and gradients of the scores."""
  inputs = _normalise(channels, input_ref)
  scores = flash_kernels.dot(query_ref[...], inputs, (1, 1))
  scores = jnp.where(mask_ref[...] > 0, scores, -jnp.inf)
  weights = jnp.exp(scores - normaliser_ref[...])
  d_weights = flash_kernels.dot(cotangent_ref[...], inputs, (1, 1))
  d_scores = (weights * (d_weights - mean_ref[...])).astype(inputs.dtype)
  return inputs, weights.astype(inputs.dtype), d_scores


def _d_queries(channels: int, *refs: Any) -> None:
  *operands, d_query_ref = refs
  _clear(d_query_ref)
  inputs, _, d_scores = _d_scores(channels, *operands)
  d_query_ref[...] += flash_kernels.dot(d_scores, inputs, (1, 0))


def _d_inputs(channels: int, *refs: Any) -> None:
  *operands, d_input_ref = refs
  _, _, query_ref, cotangent_ref, *_ = operands
  _clear(d_input_ref)
  _, weights, d_scores = _d_scores(channels, *operands)
  d_input_ref[...] += flash_kernels.dot(
    d_scores, query_ref[...], (0, 0)
  ) + flash_kernels.dot(weights, cotangent_ref[...], (0, 0))
