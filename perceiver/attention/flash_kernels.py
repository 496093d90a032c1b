"""The kernels of `flash.py`, for blocks that a core's own memory holds.

Heads lie side by side in the channels, as the projections leave them. Where a
head is narrower than the 128 lanes of a matrix unit, its neighbours' channels
are multiplied by zeros in the same pass, which costs the unit nothing and saves
moving the heads apart.
"""

import math
from typing import Any, NamedTuple

import jax
from jax.experimental import pallas as pl
import jax.numpy as jnp
from jaxtyping import Array, Float

LANES = 128


class Heads(NamedTuple):
  """Heads that lie side by side in the channels.

  Attributes:
    number: of all heads.
    group: heads that one program computes.
    qk_channels: of a head's queries and keys.
    v_channels: of a head's values.
    scale: the factor of the scores.
  """

  number: int
  group: int
  qk_channels: int
  v_channels: int
  scale: float


def choose_heads(
  num_heads: int,
  qk_channels: int,
  v_channels: int,
  scale: float | None = None,
) -> Heads:
  """Returns the smallest groups of heads whose channels fill whole lanes.

  Args:
    num_heads: the number of heads.
    qk_channels: of all heads' queries.
    v_channels: of all heads' values.
    scale: the factor of the scores; 1/√K if None.

  Returns:
    All heads in one group where no other does.
  """
  for group in range(1, num_heads + 1):
    widths = [group * x // num_heads for x in (qk_channels, v_channels)]
    if num_heads % group == 0 and not any(w % LANES for w in widths):
      break
  width = qk_channels // num_heads
  if scale is None:
    scale = 1 / math.sqrt(width)
  return Heads(num_heads, group, width, v_channels // num_heads, scale)


class _Window(NamedTuple):
  """The lanes that hold a head's channels, in whole matrix columns."""

  first: int
  last: int
  begin: int  # of the head, counted from `first`
  end: int

  def sum(self, ref: Any, bias_ref: Any, scale: float = 1.0) -> Array:
    """Returns the scaled sums of channels and biases, in the former's dtype."""
    lanes = slice(self.first, self.last)
    return ((ref[:, lanes] + bias_ref[:, lanes]) * scale).astype(ref.dtype)

  def only(self, x: Array) -> Array:
    """Returns the head's channels, and zeros for those of others."""
    return self.where(x, jnp.zeros_like(x))

  def where(self, new: Array, old: Array) -> Array:
    """Returns `new` in the head's channels, `old` in the others."""
    if (self.begin, self.end) == (0, self.last - self.first):
      return new
    lane = jax.lax.broadcasted_iota(jnp.int32, new.shape, 1)
    return jnp.where((lane >= self.begin) & (lane < self.end), new, old)

  def write(self, ref: Any, new: Array) -> None:
    """Writes the head's channels."""
    lanes = slice(self.first, self.last)
    ref[:, lanes] = self.where(new.astype(ref.dtype), ref[:, lanes])

  def add(self, ref: Any, new: Array) -> None:
    """Adds to the lanes of `ref`; `new` is zero outside of the head."""
    ref[:, self.first : self.last] += new


def _window(index: int, channels: int, group: int) -> _Window:
  begin, end = index * channels, (index + 1) * channels
  first = begin // LANES * LANES
  last = min(pl.cdiv(end, LANES) * LANES, group * channels)
  return _Window(first, last, begin - first, end - first)


def _windows(heads: Heads) -> list[tuple[_Window, _Window]]:
  """Returns the lanes of queries and of values for every head of a group."""
  return [
    (
      _window(i, heads.qk_channels, heads.group),
      _window(i, heads.v_channels, heads.group),
    )
    for i in range(heads.group)
  ]


def mean_lanes(heads: Heads) -> tuple[int, int]:
  """Returns lanes of queries and of values that a head's products take."""
  widths = [
    [pl.cdiv(w.last - w.first, LANES) * LANES for w in pair]
    for pair in _windows(heads)
  ]
  return tuple(sum(side) // heads.group for side in zip(*widths))


def dot(a: Array, b: Array, axes: tuple[int, int]) -> Float[Array, "T S"]:
  """Contracts an axis of each; products as exact as the setting for float32.

  Kernels have no precision between the default and the highest.
  """
  setting = jax.config.values["jax_default_matmul_precision"]
  exact = jax.lax.Precision.HIGHEST
  if a.dtype != jnp.float32 or setting in (None, "default", "bfloat16"):
    exact = jax.lax.Precision.DEFAULT
  return jax.lax.dot_general(
    a,
    b,
    (((axes[0],), (axes[1],)), ((), ())),
    precision=exact,
    preferred_element_type=jnp.float32,
  )


def _weights(
  mask: Float[Array, "1 S"],
  queries: Float[Array, "T K"],
  keys: Float[Array, "S K"],
) -> tuple[Float[Array, "T S"], Float[Array, "T 1"]]:
  """Returns unnormalised weights, and what makes their rows sum to one."""
  scores = dot(queries, keys, (1, 1))
  scores = jnp.where(mask > 0, scores, -jnp.inf)
  top = jnp.max(scores, axis=1, keepdims=True)
  weights = jnp.exp(scores - jnp.where(top == -jnp.inf, 0, top))
  total = jnp.sum(weights, axis=1, keepdims=True)
  return weights, jnp.where(total == 0, 0, 1 / total)


def attend(
  heads: Heads,
  mask_ref: Any,
  query_bias_ref: Any,
  key_bias_ref: Any,
  value_bias_ref: Any,
  query_ref: Any,
  key_ref: Any,
  value_ref: Any,
  out_ref: Any,
) -> None:
  """Attends from a block of queries in a group of heads."""
  for qk, v in _windows(heads):
    queries = qk.only(qk.sum(query_ref, query_bias_ref, heads.scale))
    keys = qk.sum(key_ref, key_bias_ref)
    weights, factor = _weights(mask_ref[...], queries, keys)
    values = v.sum(value_ref, value_bias_ref)
    attended = dot(weights.astype(values.dtype), values, (1, 0))
    v.write(out_ref, attended * factor)


def differentiate(
  heads: Heads,
  mask_ref: Any,
  query_bias_ref: Any,
  key_bias_ref: Any,
  value_bias_ref: Any,
  query_ref: Any,
  key_ref: Any,
  value_ref: Any,
  cotangent_ref: Any,
  d_query_ref: Any,
  d_key_ref: Any,
  d_value_ref: Any,
  d_query_bias_ref: Any,
  d_key_bias_ref: Any,
  d_value_bias_ref: Any,
  d_key_sum_ref: Any,
  d_value_sum_ref: Any,
) -> None:
  """Computes a block's gradients; those of the keys add up over the blocks."""

  @pl.when(pl.program_id(2) == 0)
  def _() -> None:
    for ref in (d_key_sum_ref, d_value_sum_ref, d_query_bias_ref):
      ref[...] = jnp.zeros_like(ref)

  for qk, v in _windows(heads):
    queries = qk.only(qk.sum(query_ref, query_bias_ref, heads.scale))
    keys = qk.sum(key_ref, key_bias_ref)
    weights, factor = _weights(mask_ref[...], queries, keys)
    weights *= factor
    cotangent = v.only(cotangent_ref[:, v.first : v.last])
    values = v.sum(value_ref, value_bias_ref)
    v.add(d_value_sum_ref, dot(weights.astype(values.dtype), cotangent, (0, 0)))
    d_weights = dot(cotangent, values, (1, 1))
    mean = jnp.sum(weights * d_weights, axis=1, keepdims=True)
    d_scores = (weights * (d_weights - mean)).astype(keys.dtype)
    d_queries = dot(d_scores, keys, (1, 0)) * heads.scale
    qk.write(d_query_ref, d_queries)
    qk.add(d_query_bias_ref, qk.only(jnp.sum(d_queries, axis=0, keepdims=True)))
    qk.add(d_key_sum_ref, dot(d_scores, queries, (0, 0)))

  @pl.when(pl.program_id(2) == pl.num_programs(2) - 1)
  def _() -> None:
    sums = d_key_sum_ref[...], d_value_sum_ref[...]
    refs = (d_key_ref, d_key_bias_ref), (d_value_ref, d_value_bias_ref)
    for total, (ref, bias_ref) in zip(sums, refs):
      ref[...] = total.astype(ref.dtype)
      bias_ref[...] = jnp.sum(total, axis=0, keepdims=True)
