"""Attention over many inputs, block by block, with nothing of size M×N kept.

`attend` is exact softmax attention from few queries to many inputs. It walks
over blocks of inputs with a running maximum and a running sum (Rabe and Staats,
2112.05682); its backward pass walks over them again and recomputes each block's
scores (FlashAttention, 2205.14135). The memory used beyond inputs and outputs
is that of one block, whatever the number of inputs. Causal attention makes its
mask inside each block, and skips the blocks that no query attends to.

`mapping.py` is the counterpart for many queries and few inputs.
"""

from collections.abc import Callable
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from perceiver import layers
from perceiver.attention import block_weights
from perceiver.attention import causality
from perceiver.attention import derivatives
from perceiver.attention import flash_inputs
from perceiver.attention import input_parts
from perceiver.attention import packed
from perceiver.attention import segments
from perceiver.attention import streams
from perceiver.attention import wide_heads

# (parameters, block [B, S, C]) -> keys [B, G, S, K], values [B, G, S, V]
Project = Callable[[Any, Array], tuple[Array, Array]]


class Options(NamedTuple):
  """The static settings of `attend`.

  Attributes:
    project: projects a block of inputs to keys and values.
    block_size: inputs of a block on a CPU.
    dropout_rate: share of the attention weights dropped, which needs a key.
    accelerator_block_size: inputs of a block elsewhere; `block_size` if None.
    shared_keys: whether `project` gives one group whose keys are its values,
      the normalised inputs.
  """

  project: Project
  block_size: int
  dropout_rate: float = 0.0
  accelerator_block_size: int | None = None
  shared_keys: bool = False


def attend(
  options: Options,
  queries: Float[Array, "B G T K"],
  parts: input_parts.Parts,
  parameters: Any,
  input_mask: Bool[Array, "B M"] | None,
  key: PRNGKeyArray | None,
  offset: Int[Array, "B"] | None = None,
) -> tuple[Float[Array, "B G T V"], Bool[Array, "B G T"]]:
  """Attends from few queries to many inputs.

  Args:
    options: projection, block sizes and dropout.
    queries: in G independent groups, scaled by 1/√K.
    parts: the inputs, not joined; or one `Packed`, whose sets have queries
      each, B of all rows; or one `Chunk` of a stream.
    parameters: handed to `options.project`.
    input_mask: True where an input may be attended to; all if None.
    key: randomness of the dropout.
    offset: makes it causal: query i attends to input j if j ≤ `offset` + i.

  Returns:
    The attended values, and whether a query attends to any input: its values
    are zeros where every input is masked, or has a score of −inf. Softmax and
    sums are float32 at least, the result has the dtype of `queries`.
  """
  function = derivatives.Function(
    functools.partial(_forward, options),
    functools.partial(_backward, options),
    functools.partial(_by_platform, options, _attend_blocks, {}),
  )

  def attend_parts(queries: Array, parts: Any, mask: Array | None) -> Any:
    return function(queries, parts, parameters, mask, key, *_given(offset))

  if isinstance(parts[0], segments.Packed):
    out, normaliser = packed.attend(attend_parts, queries, parts[0])
  elif isinstance(parts[0], streams.Chunk):
    start = functools.partial(_no_sums, options, queries)
    add = functools.partial(_by_platform, options, _add_blocks, {})
    sums = parts[0].read(start, add, queries, parameters)
    out, normaliser = streams.divide(sums)
  else:
    out, normaliser = attend_parts(queries, parts, input_mask)
  return out.astype(queries.dtype), normaliser != jnp.inf


def _forward(
  options: Options, *operands: Any
) -> tuple[Float[Array, "B G T V"], Float[Array, "B G T"]]:
  queries, offset = operands[0], operands[5:]
  kernels: dict[str, Callable[..., Any]] = {}
  if options.shared_keys and wide_heads.supports(
    queries.dtype,
    queries.shape[-1],
    separate_values=False,
    dropout=options.dropout_rate > 0,
  ):
    kernels["cuda"] = functools.partial(_attend_at_once, options)
  if _has_tpu_kernel(options, queries):
    kernels["tpu"] = flash_inputs.attend_parts
  kernels = {} if offset else kernels
  return _by_platform(options, _attend_blocks, kernels, *operands)


def _backward(options: Options, operands: Any, results: Any, d: Any) -> Any:
  """Returns the gradients of `_forward`'s operands.

  Args:
    options: as of `attend`.
    operands: as of `_forward`.
    results: of `_forward`.
    d: cotangents of these; None where nothing depends on one.
  """
  queries, offset = operands[0], operands[5:]
  cotangent, d_normaliser = d
  if cotangent is None:
    cotangent = jnp.zeros_like(results[0])
  given = (
    (*operands[:5], *results),
    cotangent.astype(queries.dtype),
    d_normaliser,
    *offset,
  )
  kernels: dict[str, Callable[..., Any]] = {}
  if not offset and d_normaliser is None and _has_tpu_kernel(options, queries):
    kernels["tpu"] = lambda *x: flash_inputs.differentiate_parts(*x[:2])
  by_platform = functools.partial(_by_platform, options, _differentiate)
  gradients = derivatives.choose(
    functools.partial(by_platform, kernels),
    functools.partial(by_platform, {}),
    *given,
  )
  return (*gradients, None, None, *(None for _ in offset))


def _given(offset: Int[Array, "B"] | None) -> tuple[Array, ...]:
  """Returns the operand that kernels do not take, if there is one."""
  return () if offset is None else (offset,)


def _has_tpu_kernel(options: Options, queries: Array) -> bool:
  """Returns whether a TPU attends by kernels."""
  return (
    options.shared_keys
    and not options.dropout_rate
    and flash_inputs.supports(queries)
  )


def _by_platform(
  options: Options,
  function: Callable[..., Any],
  kernels: dict[str, Callable[..., Any]],
  *operands: Any,
) -> Any:
  """Applies a function with the block size of the hardware lowered for.

  The functions in `kernels` take its place on their platforms.
  """
  larger = options.accelerator_block_size or options.block_size
  cpu = functools.partial(function, options)
  default = functools.partial(function, options._replace(block_size=larger))
  if not kernels and larger == options.block_size:
    return cpu(*operands)
  return jax.lax.platform_dependent(
    *operands, cpu=cpu, default=default, **kernels
  )


def _attend_at_once(
  options: Options,
  queries: Float[Array, "B 1 T K"],
  parts: input_parts.Parts,
  parameters: Any,
  input_mask: Bool[Array, "B M"] | None,
  key: PRNGKeyArray | None,
) -> tuple[Float[Array, "B 1 T V"], Float[Array, "B 1 T"]]:
  """Attends by one kernel to all inputs, whose keys exist in memory."""
  del key
  inputs = input_parts.concatenate(parts, queries.shape[0], input_mask)
  keys, _ = options.project(parameters, inputs)
  out, normaliser = wide_heads.attend(
    queries[:, 0], keys[:, 0], mask=input_mask
  )
  return out[:, None], normaliser[:, None]


def _attend_blocks(
  options: Options,
  queries: Float[Array, "B G T K"],
  parts: input_parts.Parts,
  parameters: Any,
  *operands: Any,
) -> tuple[Float[Array, "B G T V"], Float[Array, "B G T"]]:
  """Returns the attended values and log Σ exp(scores), float32 at least.

  Without any input the latter is +inf, with which every weight is zero.
  """
  empty = _no_sums(options, queries, parts, parameters)
  sums = _add_blocks(options, empty, queries, parts, parameters, *operands)
  return streams.divide(sums)


def _no_sums(
  options: Options,
  queries: Float[Array, "B G T K"],
  parts: input_parts.Parts,
  parameters: Any,
) -> streams.Sums:
  """Returns the sums over no inputs."""
  batch = queries.shape[0]
  _, values = jax.eval_shape(
    lambda p, x: options.project(p, input_parts.concatenate(x, batch)),
    parameters,
    input_parts.slice_parts(parts, jnp.int32(0), 1),
  )
  shape = (*queries.shape[:3], values.shape[-1])
  return streams.nothing(shape, layers.sum_dtype(queries.dtype))


def _add_blocks(
  options: Options,
  sums: streams.Sums,
  queries: Float[Array, "B G T K"],
  parts: input_parts.Parts,
  parameters: Any,
  input_mask: Bool[Array, "B M"] | None,
  key: PRNGKeyArray | None,
  offset: Int[Array, "B"] | None = None,
) -> streams.Sums:
  """Adds inputs to sums over others, a block at a time."""
  batch, _, num_queries, _ = queries.shape

  def body(
    sums: streams.Sums, start: Int[Array, ""], size: int, index: Int[Array, ""]
  ) -> streams.Sums:
    block, mask = input_parts.slice_parts((parts, input_mask), start, size)
    joined = input_parts.concatenate(block, batch, mask)  # [B, S, C]
    keys, values = options.project(parameters, joined)
    mask = causality.mask(mask, offset, num_queries, start, size)
    scores = block_weights.scores(queries, keys, mask)  # [B, G, T, S]
    # Results do not depend on what is subtracted; so do no derivatives.
    highest = jnp.max(jax.lax.stop_gradient(scores), axis=-1)
    top = jnp.maximum(sums.top, highest)
    shrink = jnp.exp(sums.top - top)
    weights, dropped = block_weights.unnormalised(
      options.dropout_rate, scores, top, mask, key, index
    )
    update = jnp.einsum(
      "bgts,bgsv->bgtv",
      dropped.astype(values.dtype),
      values,
      preferred_element_type=sums.values.dtype,
    )
    total = sums.total * shrink + jnp.sum(weights, axis=-1)
    return streams.Sums(top, total, sums.values * shrink[..., None] + update)

  last = causality.last_visible(offset, num_queries)
  return causality.loop(parts[0].shape[1], options.block_size, body, sums, last)


def _differentiate(
  options: Options,
  residuals: Any,
  cotangent: Float[Array, "B G T V"],
  d_normaliser: Float[Array, "B G T"] | None = None,
  offset: Int[Array, "B"] | None = None,
) -> tuple[Float[Array, "B G T K"], input_parts.Parts, Any]:
  """Returns the gradients of queries, parts and parameters."""
  queries, parts, parameters, input_mask, key, out, normaliser = residuals
  batch, _, num_queries, _ = queries.shape
  mean = jnp.sum(cotangent.astype(out.dtype) * out, axis=-1)  # [B, G, T]
  if d_normaliser is not None:
    mean -= d_normaliser

  def body(
    carry: Any, start: Int[Array, ""], size: int, index: Int[Array, ""]
  ) -> Any:
    d_queries, d_parts, d_parameters = carry
    block, mask = input_parts.slice_parts((parts, input_mask), start, size)
    (keys, values), pull = jax.vjp(
      lambda p, x: options.project(p, input_parts.concatenate(x, batch, mask)),
      parameters,
      block,
    )
    mask = causality.mask(mask, offset, num_queries, start, size)
    scores = block_weights.scores(queries, keys, mask)  # [B, G, T, S]
    weights, dropped = block_weights.unnormalised(
      options.dropout_rate, scores, normaliser, mask, key, index
    )
    narrow = dropped.astype(values.dtype)
    d_values = jnp.einsum("bgts,bgtv->bgsv", narrow, cotangent)
    d_weights = block_weights.gradient(
      options.dropout_rate, dropped, values, cotangent
    )
    d_scores = (weights * (d_weights - mean[..., None])).astype(keys.dtype)
    d_keys = jnp.einsum("bgts,bgtk->bgsk", d_scores, queries)
    d_block_parameters, d_block = pull(
      (d_keys.astype(keys.dtype), d_values.astype(values.dtype))
    )
    d_queries += jnp.einsum(
      "bgts,bgsk->bgtk", d_scores, keys, preferred_element_type=out.dtype
    )
    return (
      d_queries,
      input_parts.write(d_parts, d_block, start),
      jax.tree.map(jnp.add, d_parameters, d_block_parameters),
    )

  d_queries, d_parts, d_parameters = causality.loop(
    parts[0].shape[1],
    options.block_size,
    body,
    (
      jnp.zeros(queries.shape, out.dtype),
      *jax.tree.map(jnp.zeros_like, (parts, parameters)),
    ),
    causality.last_visible(offset, num_queries),
  )
  return d_queries.astype(queries.dtype), d_parts, d_parameters
