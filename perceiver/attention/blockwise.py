"""Attention over many inputs, block by block, with nothing of size M×N kept.

`attend` is exact softmax attention from few queries to many inputs. It walks
over blocks of inputs with a running maximum and a running sum (Rabe and Staats,
2112.05682); its backward pass walks over them again and recomputes each block's
scores (FlashAttention, 2205.14135). The memory used beyond inputs and outputs
is that of one block, whatever the number of inputs.

`mapping.py` is the counterpart for many queries and few inputs.
"""

from collections.abc import Callable
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Shaped
import numpy as np

from perceiver.position_encoding import grid_encoding

# Arrays that are concatenated along the channels, one block at a time. Parts
# that are the same for every example, such as positions, have batch size 1;
# encodings of a grid need not even exist as arrays, and get no gradient then.
Part = Float[Array, "#B M _"] | grid_encoding.GridEncoding
Parts = tuple[Part, ...]
QueryParts = tuple[Float[Array, "#B O _"] | grid_encoding.GridEncoding, ...]
# (parameters, block [B, S, C]) -> keys [B, G, S, K], values [B, G, S, V]
Project = Callable[[Any, Array], tuple[Array, Array]]

# Stands for minus infinity where a true one would make 0 · inf.
_MASKED = float(np.finfo(np.float32).min)


class Options(NamedTuple):
  """The static settings of `attend`."""

  project: Project
  block_size: int
  dropout_rate: float = 0.0


def concatenate(
  parts: Parts,
  batch_size: int | None = None,
  mask: Bool[Array, "#B M"] | None = None,
) -> Float[Array, "B M C"]:
  """Joins parts along the channels, for every example of the batch.

  Masked positions are zeros, whatever they hold: 0 · NaN is NaN, so a weight of
  zero would not do, neither here nor in the gradient.
  """
  batch = common_batch_size(parts) if batch_size is None else batch_size
  whole = [
    jnp.broadcast_to(grid_encoding.materialise(part), (batch, *part.shape[1:]))
    for part in parts
  ]
  joined = jnp.concatenate(whole, axis=-1) if len(whole) > 1 else whole[0]
  return joined if mask is None else jnp.where(mask[..., None], joined, 0)


def common_batch_size(parts: Parts) -> int:
  """Returns B, to which parts of batch size 1 are broadcast."""
  return jnp.broadcast_shapes(*(part.shape[:1] for part in parts))[0]


def num_channels(parts: Parts) -> int:
  """Returns the channels of the joined parts."""
  return sum(part.shape[-1] for part in parts)


def num_positions(operands: Any) -> int:
  """Returns the length M of a tree of parts and arrays [B or 1, M, ...]."""
  return jax.tree.leaves(operands, is_leaf=_is_grid_encoding)[0].shape[1]


def choose_block(length: int, target: int) -> int:
  """Returns a block size of about `target` that divides `length` if one does.

  A divisor between half of `target` and `target` is preferred, since it
  leaves no odd block at the end, which would be compiled separately.
  """
  if length <= target:
    return length
  for size in range(target, target // 2, -1):
    if length % size == 0:
      return size
  return target


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def attend(
  options: Options,
  queries: Float[Array, "B G T K"],
  parts: Parts,
  parameters: Any,
  input_mask: Bool[Array, "B M"] | None,
  key: PRNGKeyArray | None,
) -> Float[Array, "B G T V"]:
  """Attends from few queries to many inputs.

  Args:
    options: the projection of a block of inputs to keys and values; block
      size; share of the attention weights dropped, which needs `key`.
    queries: in G independent groups, scaled by 1/√K.
    parts: the inputs, not joined.
    parameters: handed to `options.project`.
    input_mask: True where an input may be attended to; all if None.
    key: randomness of the dropout.

  Returns:
    The attended values; zeros where every input is masked. Softmax and sums
    are float32, the result has the dtype of `queries`.
  """
  return _forward(options, queries, parts, parameters, input_mask, key)[0]


def split_blocks(length: int, size: int) -> list[tuple[int, int, int]]:
  """Splits `length` into runs of (first index, block size, number)."""
  count, rest = divmod(length, size)
  runs = [(0, size, count)] if count else []
  return [*runs, (count * size, rest, 1)] if rest else runs


def _loop(
  length: int,
  size: int,
  body: Callable[[Any, Array, int, Array], Any],
  carry: Any,
) -> Any:
  """Runs `body(carry, start, size, block_index)` over all blocks in order."""
  for first, width, count in split_blocks(length, size):
    step = functools.partial(_step, body, first, width, first // size)
    if count == 1:
      carry = step(carry, jnp.int32(0))[0]
    else:
      carry = jax.lax.scan(step, carry, jnp.arange(count))[0]
  return carry


def _step(
  body: Callable[[Any, Array, int, Array], Any],
  first: int,
  size: int,
  first_block: int,
  carry: Any,
  i: Int[Array, ""],
) -> tuple[Any, None]:
  return body(carry, first + i * size, size, first_block + i), None


def slice_parts(parts: Any, start: Int[Array, ""], size: int) -> Any:
  """Takes positions `start` … `start + size` of arrays [B, M, ...]."""

  def take(
    part: Shaped[Array, "#B M ..."] | grid_encoding.GridEncoding,
  ) -> Shaped[Array, "#B S ..."]:
    if part.shape[1] == size:
      return grid_encoding.materialise(part)
    if isinstance(part, grid_encoding.GridEncoding):
      return part.slice(start, size)
    return jax.lax.dynamic_slice_in_dim(part, start, size, axis=1)

  return jax.tree.map(take, parts, is_leaf=_is_grid_encoding)


def _is_grid_encoding(part: Any) -> bool:
  return isinstance(part, grid_encoding.GridEncoding)


def _weights(
  options: Options,
  scores: Float[Array, "B G T S"],
  subtract: Float[Array, "B G T"],
  mask: Bool[Array, "B S"] | None,
  key: PRNGKeyArray | None,
  index: Int[Array, ""],
) -> tuple[Float[Array, "B G T S"], Float[Array, "B G T S"]]:
  """Returns the block's unnormalised weights, without and with dropout."""
  weights = jnp.exp(scores - subtract[..., None])
  if mask is not None:
    weights = jnp.where(mask[:, None, None, :], weights, 0)
  if key is None or not options.dropout_rate:
    return weights, weights
  keep = jax.random.bernoulli(
    jax.random.fold_in(key, index), 1 - options.dropout_rate, weights.shape
  )
  return weights, weights * keep / (1 - options.dropout_rate)


def _scores(
  queries: Float[Array, "B G T K"],
  keys: Float[Array, "B G S K"],
  mask: Bool[Array, "B S"] | None,
) -> Float[Array, "B G T S"]:
  scores = jnp.einsum(
    "bgtk,bgsk->bgts", queries, keys, preferred_element_type=jnp.float32
  )
  if mask is None:
    return scores
  return jnp.where(mask[:, None, None, :], scores, _MASKED)


def _forward(
  options: Options,
  queries: Float[Array, "B G T K"],
  parts: Parts,
  parameters: Any,
  input_mask: Bool[Array, "B M"] | None,
  key: PRNGKeyArray | None,
) -> tuple[Float[Array, "B G T V"], Any]:
  batch, groups, num_queries, _ = queries.shape
  length = parts[0].shape[1]

  def body(
    carry: Any, start: Int[Array, ""], size: int, index: Int[Array, ""]
  ) -> Any:
    top, total, attended = carry
    block, mask = slice_parts((parts, input_mask), start, size)
    joined = concatenate(block, batch, mask)  # [B, S, C]
    keys, values = options.project(parameters, joined)
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
    lambda p, x: options.project(p, concatenate(x, batch)),
    parameters,
    slice_parts(parts, jnp.int32(0), 1),
  )
  rows = (batch, groups, num_queries)
  top, total, attended = _loop(
    length,
    options.block_size,
    body,
    (
      jnp.full(rows, _MASKED, jnp.float32),
      jnp.zeros(rows, jnp.float32),
      jnp.zeros((*rows, values.shape[-1]), jnp.float32),
    ),
  )
  # Zero where every input is masked; NaN stays visible.
  any_input = total != 0
  total = jnp.where(any_input, total, 1)
  out = jnp.where(any_input[..., None], attended / total[..., None], 0)
  normaliser = jnp.where(
    any_input, top + jnp.log(total), 0
  )  # log Σ exp(scores)
  residuals = (queries, parts, parameters, input_mask, key, out, normaliser)
  return out.astype(queries.dtype), residuals


def _backward(
  options: Options, residuals: Any, cotangent: Float[Array, "B G T V"]
) -> tuple[Float[Array, "B G T K"], Parts, Any, None, None]:
  queries, parts, parameters, input_mask, key, out, normaliser = residuals
  batch = queries.shape[0]
  mean = jnp.sum(cotangent.astype(jnp.float32) * out, axis=-1)  # [B, G, T]

  def body(
    carry: Any, start: Int[Array, ""], size: int, index: Int[Array, ""]
  ) -> Any:
    d_queries, d_parts, d_parameters = carry
    block, mask = slice_parts((parts, input_mask), start, size)
    (keys, values), pull = jax.vjp(
      lambda p, x: options.project(p, concatenate(x, batch, mask)),
      parameters,
      block,
    )
    weights, dropped = _weights(
      options, _scores(queries, keys, mask), normaliser, mask, key, index
    )
    d_values = jnp.einsum(
      "bgts,bgtv->bgsv", dropped.astype(values.dtype), cotangent
    )
    d_weights = jnp.einsum(
      "bgtv,bgsv->bgts",
      cotangent,
      values,
      preferred_element_type=jnp.float32,
    )
    if options.dropout_rate:
      # The same entries are dropped again: `dropped` is zero there.
      d_weights = jnp.where(dropped > 0, d_weights, 0)
      d_weights /= 1 - options.dropout_rate
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
      _write(d_parts, d_block, start),
      jax.tree.map(jnp.add, d_parameters, d_block_parameters),
    )

  d_queries, d_parts, d_parameters = _loop(
    parts[0].shape[1],
    options.block_size,
    body,
    (
      jnp.zeros(queries.shape, jnp.float32),
      jax.tree.map(jnp.zeros_like, parts),
      jax.tree.map(jnp.zeros_like, parameters),
    ),
  )
  return d_queries.astype(queries.dtype), d_parts, d_parameters, None, None


def _write(whole: Parts, block: Any, start: Int[Array, ""]) -> Parts:
  """Puts the gradient of a block into that of the parts."""

  def write(part: Part, gradient: Array) -> Part:
    if isinstance(part, grid_encoding.GridEncoding):
      return part
    return jax.lax.dynamic_update_slice_in_dim(part, gradient, start, axis=1)

  return jax.tree.map(write, whole, block, is_leaf=_is_grid_encoding)


attend.defvjp(_forward, _backward)
