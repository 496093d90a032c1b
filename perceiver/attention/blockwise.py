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
from perceiver.attention import causality
from perceiver.attention import flash_inputs
from perceiver.attention import input_parts
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


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
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
    parts: the inputs, not joined.
    parameters: handed to `options.project`.
    input_mask: True where an input may be attended to; all if None.
    key: randomness of the dropout.
    offset: makes it causal: query i attends to input j if j ≤ `offset` + i.

  Returns:
    The attended values, and whether a query attends to any input: its values
    are zeros where every input is masked, or has a score of −inf. Softmax and
    sums are float32, the result has the dtype of `queries`.
  """
  operands = (queries, parts, parameters, input_mask, key, offset)
  return _forward(options, *operands)[0]


def _forward(
  options: Options,
  queries: Float[Array, "B G T K"],
  parts: input_parts.Parts,
  parameters: Any,
  input_mask: Bool[Array, "B M"] | None,
  key: PRNGKeyArray | None,
  offset: Int[Array, "B"] | None,
) -> tuple[tuple[Float[Array, "B G T V"], Bool[Array, "B G T"]], Any]:
  operands = (queries, parts, parameters, input_mask, key)
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
  if offset is not None:
    kernels = {}
  out, normaliser = _by_platform(
    options, _attend_blocks, (*operands, *_given(offset)), kernels
  )
  result = out.astype(queries.dtype), normaliser != jnp.inf
  return result, ((*operands, out, normaliser), offset)


def _backward(
  options: Options, residuals: Any, cotangents: tuple[Array, Any]
) -> tuple[Float[Array, "B G T K"], input_parts.Parts, Any, None, None, None]:
  residuals, offset = residuals
  operands = (residuals, cotangents[0], *_given(offset))
  kernels: dict[str, Callable[..., Any]] = {}
  if offset is None and _has_tpu_kernel(options, residuals[0]):
    kernels["tpu"] = flash_inputs.differentiate_parts
  gradients = _by_platform(options, _differentiate, operands, kernels)
  return (*gradients, None, None, None)


attend.defvjp(_forward, _backward)


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
  operands: tuple[Any, ...],
  kernels: dict[str, Callable[..., Any]],
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


def _weights(
  options: Options,
  scores: Float[Array, "B G T S"],
  subtract: Float[Array, "B G T"],
  mask: Bool[Array, "B 1 #T S"] | None,
  key: PRNGKeyArray | None,
  index: Int[Array, ""],
) -> tuple[Float[Array, "B G T S"], Float[Array, "B G T S"]]:
  """Returns the block's unnormalised weights, without and with dropout."""
  weights = jnp.exp(scores - subtract[..., None])
  if mask is not None:
    weights = jnp.where(mask, weights, 0)
  if key is None or not options.dropout_rate:
    return weights, weights
  keep = jax.random.bernoulli(
    jax.random.fold_in(key, index), 1 - options.dropout_rate, weights.shape
  )
  return weights, weights * keep / (1 - options.dropout_rate)


def _scores(
  queries: Float[Array, "B G T K"],
  keys: Float[Array, "B G S K"],
  mask: Bool[Array, "B 1 #T S"] | None,
) -> Float[Array, "B G T S"]:
  scores = jnp.einsum(
    "bgtk,bgsk->bgts", queries, keys, preferred_element_type=jnp.float32
  )
  if mask is None:
    return scores
  return jnp.where(mask, scores, layers.LOWEST)


def _attend_blocks(
  options: Options,
  queries: Float[Array, "B G T K"],
  parts: input_parts.Parts,
  parameters: Any,
  input_mask: Bool[Array, "B M"] | None,
  key: PRNGKeyArray | None,
  offset: Int[Array, "B"] | None = None,
) -> tuple[Float[Array, "B G T V"], Float[Array, "B G T"]]:
  """Returns the attended values and log Σ exp(scores), both float32.

  Without any input the latter is +inf, with which every weight is zero.
  """
  batch, groups, num_queries, _ = queries.shape
  length = parts[0].shape[1]

  def body(
    carry: Any, start: Int[Array, ""], size: int, index: Int[Array, ""]
  ) -> Any:
    top, total, attended = carry
    block, mask = input_parts.slice_parts((parts, input_mask), start, size)
    joined = input_parts.concatenate(block, batch, mask)  # [B, S, C]
    keys, values = options.project(parameters, joined)
    mask = causality.mask(mask, offset, num_queries, start, size)
    scores = _scores(queries, keys, mask)  # [B, G, T, S]
    new_top = jnp.maximum(top, jnp.max(scores, axis=-1))
    shrink = jnp.exp(top - new_top)
    weights, dropped = _weights(options, scores, new_top, mask, key, index)
    update = jnp.einsum(
      "bgts,bgsv->bgtv",
      dropped.astype(values.dtype),
      values,
      preferred_element_type=jnp.float32,
    )
    total = total * shrink + jnp.sum(weights, axis=-1)
    return new_top, total, attended * shrink[..., None] + update

  _, values = jax.eval_shape(
    lambda p, x: options.project(p, input_parts.concatenate(x, batch)),
    parameters,
    input_parts.slice_parts(parts, jnp.int32(0), 1),
  )
  rows = (batch, groups, num_queries)
  top, total, attended = causality.loop(
    length,
    options.block_size,
    body,
    (
      jnp.full(rows, layers.LOWEST, jnp.float32),
      jnp.zeros(rows, jnp.float32),
      jnp.zeros((*rows, values.shape[-1]), jnp.float32),
    ),
    causality.last_visible(offset, num_queries),
  )
  out, log_total = layers.divide_sums(attended, total)
  return out, top + log_total


def _d_weights(
  options: Options,
  dropped: Float[Array, "B G T S"],
  values: Float[Array, "B G S V"],
  cotangent: Float[Array, "B G T V"],
) -> Float[Array, "B G T S"]:
  """Returns the gradient of a block's attention weights, float32."""
  d_weights = jnp.einsum(
    "bgtv,bgsv->bgts", cotangent, values, preferred_element_type=jnp.float32
  )
  if options.dropout_rate:
    # The same entries are dropped again: `dropped` is zero there.
    d_weights = jnp.where(dropped > 0, d_weights, 0)
    d_weights /= 1 - options.dropout_rate
  return d_weights


def _differentiate(
  options: Options,
  residuals: Any,
  cotangent: Float[Array, "B G T V"],
  offset: Int[Array, "B"] | None = None,
) -> tuple[Float[Array, "B G T K"], input_parts.Parts, Any]:
  """Returns the gradients of queries, parts and parameters."""
  queries, parts, parameters, input_mask, key, out, normaliser = residuals
  batch, _, num_queries, _ = queries.shape
  mean = jnp.sum(cotangent.astype(jnp.float32) * out, axis=-1)  # [B, G, T]

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
    weights, dropped = _weights(
      options, _scores(queries, keys, mask), normaliser, mask, key, index
    )
    d_values = jnp.einsum(
      "bgts,bgtv->bgsv", dropped.astype(values.dtype), cotangent
    )
    d_weights = _d_weights(options, dropped, values, cotangent)
    d_scores = (weights * (d_weights - mean[..., None])).astype(keys.dtype)
    d_keys = jnp.einsum("bgts,bgtk->bgsk", d_scores, queries)
    d_block_parameters, d_block = pull(
      (d_keys.astype(keys.dtype), d_values.astype(values.dtype))
    )
    return (
      d_queries
      + jnp.einsum(
        "bgts,bgsk->bgtk", d_scores, keys, preferred_element_type=jnp.float32
      ),
      input_parts.write(d_parts, d_block, start),
      jax.tree.map(jnp.add, d_parameters, d_block_parameters),
    )

  d_queries, d_parts, d_parameters = causality.loop(
    parts[0].shape[1],
    options.block_size,
    body,
    (
      jnp.zeros(queries.shape, jnp.float32),
      jax.tree.map(jnp.zeros_like, parts),
      jax.tree.map(jnp.zeros_like, parameters),
    ),
    causality.last_visible(offset, num_queries),
  )
  return d_queries.astype(queries.dtype), d_parts, d_parameters
