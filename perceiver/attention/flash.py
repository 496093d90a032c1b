"""Attention to few keys as TPU kernels that keep no scores in memory.

Latents are few: all scores of a block of queries fit a core's own memory, so
that no softmax is taken in parts. The gradient computes the weights again from
queries, keys and values alone.
"""

import functools
from typing import Any, NamedTuple

import jax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from perceiver import layers
from perceiver.attention import by_device
from perceiver.attention import derivatives
from perceiver.attention import flash_kernels
from perceiver.attention import kernel_use

# Scores of one head that are held at a time, in float32.
_BLOCK_SCORES = 2**18
_MAX_KEYS = 4096
# Entries of the keys and values that one program holds.
_MAX_SIZE = 2**21
# Of the 128 MiB of a v5e; blocks on their way are held twice.
_VMEM_BYTES = 100 * 2**20


class Operands(NamedTuple):
  """Projected queries, keys and values, to which biases are still to be added.

  The kernels add them, and add up their gradients, in passing.
  """

  queries: Float[Array, "B T HK"]
  keys: Float[Array, "B S HK"]
  values: Float[Array, "B S HV"]
  query_bias: Float[Array, "HK"]
  key_bias: Float[Array, "HK"]
  value_bias: Float[Array, "HV"]


def supports(
  heads: flash_kernels.Heads, dtype: jnp.dtype, num_keys: int
) -> bool:
  """Returns whether `attend` computes this."""
  known = kernel_use.allowed() and dtype in (jnp.float32, jnp.bfloat16)
  channels = heads.group * (heads.qk_channels + heads.v_channels)
  return known and num_keys <= _MAX_KEYS and num_keys * channels <= _MAX_SIZE


def attend(
  heads: flash_kernels.Heads,
  operands: Operands,
  mask: Bool[Array, "B S"] | None = None,
  interpret: bool = False,
) -> Float[Array, "B T HV"]:
  """Attends from all queries to all keys.

  Args:
    heads: the division of the channels.
    operands: queries, keys and values in one dtype, float32 or bfloat16.
    mask: True where a key may be attended to; all if None.
    interpret: compute without a TPU, for tests.

  Returns:
    The attended values of all heads; zeros where all keys are masked or have
    scores of −inf. Softmax and sums are float32.
  """
  if mask is None:
    mask = jnp.ones(operands.keys.shape[:2], bool)
  function = derivatives.Function(
    functools.partial(_forward, heads, interpret),
    functools.partial(_backward, heads, interpret),
    lambda *operands: _plain(heads, *_arrays(*operands)),
  )
  return function(operands, mask)[0]


def attend_to_keys(
  heads: flash_kernels.Heads,
  queries: Float[Array, "B T HK"],
  keys: Float[Array, "B S HK"],
  values: Float[Array, "B S HV"],
  added: Float[Array, "B S"] | None = None,
  interpret: bool = False,
) -> Float[Array, "B T HV"]:
  """Attends to keys and values that are complete.

  Args:
    heads: the division of the channels; a single one if scores are added to.
    queries: in the dtype of keys and values.
    keys: to attend to.
    values: of the keys.
    added: to the scores of each key. They are one channel more of the keys,
      which costs nothing where that fills no other lanes.
    interpret: compute without a TPU, for tests.
  """
  if added is not None:
    heads = heads._replace(qk_channels=heads.qk_channels + 1)
    one = jnp.full((*queries.shape[:2], 1), 1 / heads.scale, queries.dtype)
    queries = jnp.concatenate([queries, one], 2)
    keys = jnp.concatenate([keys, added[..., None].astype(keys.dtype)], 2)
  none = [jnp.zeros(x.shape[2]) for x in (queries, keys, values)]
  operands = Operands(queries, keys, values, *none)
  return attend(heads, operands, None, interpret)


def _forward(
  heads: flash_kernels.Heads,
  interpret: bool,
  operands: Operands,
  mask: Bool[Array, "B S"],
) -> tuple[Float[Array, "B T HV"], ...]:
  call = functools.partial(_call, heads, interpret)
  small = _plain_if_large(heads, operands, copies=2)
  return by_device.call(call, *_arrays(operands, mask), small=small)


def _backward(
  heads: flash_kernels.Heads,
  interpret: bool,
  operands: tuple[Operands, Bool[Array, "B S"]],
  results: Any,
  cotangents: tuple[Array],
) -> tuple[Operands, None]:
  del results
  arrays = (*_arrays(*operands), *cotangents)
  call = functools.partial(_call, heads, interpret)
  small = _plain_if_large(heads, operands[0], copies=5)
  kernel = functools.partial(by_device.call, call, small=small)
  found = derivatives.choose(kernel, functools.partial(_plain, heads), *arrays)
  *found, query_bias, key_bias, value_bias = found
  biases = (jnp.sum(x, (0, 1)) for x in (query_bias, key_bias, value_bias))
  return Operands(*found, *biases), None


def _plain_if_large(
  heads: flash_kernels.Heads, operands: Operands, copies: int
) -> by_device.Function | None:
  """Returns the formula if a small core's memory is short; None otherwise.

  Args:
    heads: the division of the channels.
    operands: of `attend`.
    copies: of keys and values that the kernel holds, those on their way
      included; about as many there are of a head's scores.
  """
  num_keys = operands.keys.shape[1]
  lanes = heads.group * (heads.qk_channels + heads.v_channels)
  rows = max(_BLOCK_SCORES // num_keys, flash_kernels.LANES)
  entries = num_keys * copies * (lanes + heads.group * rows)
  return functools.partial(_plain, heads) if 4 * entries > 2**24 else None


def _plain(
  heads: flash_kernels.Heads, *arrays: Float[Array, "B _ _"]
) -> tuple[Float[Array, "B _ _"], ...]:
  """Computes what `_call` does, with all scores in memory."""

  def attend(
    queries: Array, keys: Array, values: Array, *biases: Array
  ) -> Float[Array, "B T HV"]:
    def split(x: Array, bias: Array) -> Float[Array, "B S H _"]:
      total = (x + bias).astype(x.dtype)
      return total.reshape(*x.shape[:2], heads.number, -1)

    queries, keys, values = map(split, (queries, keys, values), biases)
    scores = jnp.einsum(
      "bthk,bshk->bhts",
      queries * jnp.asarray(heads.scale, queries.dtype),
      keys,
      preferred_element_type=jnp.float32,
    )
    weights = layers.softmax(scores, arrays[0][:, None] > 0)
    weights = weights.astype(values.dtype)
    return jax.lax.collapse(jnp.einsum("bhts,bshv->bthv", weights, values), 2)

  operands = (*arrays[4:7], *arrays[1:4])
  if len(arrays) == 7:
    return (attend(*operands),)
  return jax.vjp(attend, *operands)[1](arrays[7])


def _arrays(operands: Operands, mask: Bool[Array, "B S"]) -> tuple[Array, ...]:
  """Returns the operands of the kernels, all of them for every example."""
  *arrays, query_bias, key_bias, value_bias = operands
  biases = (
    jnp.broadcast_to(x.astype(jnp.float32), (mask.shape[0], 1, len(x)))
    for x in (query_bias, key_bias, value_bias)
  )
  return mask.astype(jnp.float32)[:, None], *biases, *arrays


def _call(
  heads: flash_kernels.Heads, interpret: bool, *operands: Float[Array, "B _ _"]
) -> tuple[Float[Array, "B _ _"], ...]:
  """Computes a block of queries, of a group of heads, of an example at a time.

  Args:
    heads: the division of the channels.
    interpret: compute without a TPU.
    *operands: `_arrays`, and the cotangent of the attended values for the
      gradients of all but the first.
  """
  mask, *biases = operands[:4]
  lengths = [x.shape[1] for x in operands[4:]]
  mask = _pad(mask, 2)
  arrays = [_pad(x, 1) for x in operands[4:]]
  queries, keys, values, *cotangent = arrays
  batch, length, _ = queries.shape
  num_keys = keys.shape[1]
  rows = _block(length, num_keys)
  groups = heads.number // heads.group
  products, kernel = (1, 1), flash_kernels.attend
  results = [(length, values.shape[2])]
  if cotangent:
    products, kernel = (3, 2), flash_kernels.differentiate
    results = [x.shape[1:] for x in (*arrays[:3], *biases)]
  out_shape = [
    jax.ShapeDtypeStruct(
      (batch, *shape), jnp.float32 if shape[0] == 1 else queries.dtype
    )
    for shape in results
  ]

  spec = functools.partial(_spec, groups, rows, num_keys)
  scores = batch * heads.number * length * num_keys
  found = pl.pallas_call(
    functools.partial(kernel, heads),
    grid=(batch, groups, length // rows),
    in_specs=[
      pl.BlockSpec((None, 1, num_keys), lambda b, g, i: (b, 0, 0)),
      *(spec(0, x) for x in biases),
      *(spec(i, x) for i, x in enumerate(arrays)),
    ],
    out_specs=[spec(i, x) for i, x in enumerate(out_shape)],
    out_shape=out_shape,
    scratch_shapes=[
      pltpu.VMEM((num_keys, x.shape[2] // groups), jnp.float32)
      for x in out_shape[1:3]
    ],
    compiler_params=pltpu.CompilerParams(
      dimension_semantics=("parallel", "parallel", "arbitrary"),
      vmem_limit_bytes=_VMEM_BYTES,
    ),
    cost_estimate=_cost(heads, scores, products, [mask, *arrays, *out_shape]),
    interpret=interpret,
    name=f"latents_{kernel.__name__}",
  )(mask, *biases, *arrays)
  return tuple(x[:, :n] for x, n in zip(found, [*lengths[:3], 1, 1, 1]))


def _spec(
  groups: int, rows: int, num_keys: int, i: int, x: Any
) -> pl.BlockSpec:
  """Returns the block of queries, keys, values, cotangent or biases."""
  if x.shape[1] == 1:
    block = (None, 1, x.shape[2] // groups)
    return pl.BlockSpec(block, lambda b, g, i: (b, 0, g))
  is_key = i in (1, 2)
  return pl.BlockSpec(
    (None, num_keys if is_key else rows, x.shape[2] // groups),
    lambda b, g, i: (b, 0 if is_key else i, g),
  )


def _cost(
  heads: flash_kernels.Heads,
  scores: int,
  products: tuple[int, int],
  arrays: list[Any],
) -> pl.CostEstimate:
  """Returns the operations at the padded sizes, and the bytes moved."""
  lanes = zip(products, flash_kernels.mean_lanes(heads))
  return pl.CostEstimate(
    flops=2 * scores * sum(number * width for number, width in lanes),
    transcendentals=scores,
    bytes_accessed=sum(x.size * x.dtype.itemsize for x in arrays),
  )


def _pad(x: Float[Array, "B _ _"], axis: int) -> Float[Array, "B _ _"]:
  """Adds zeros to the end of an axis, up to whole lanes."""
  widths = [(0, 0)] * x.ndim
  widths[axis] = 0, -x.shape[axis] % flash_kernels.LANES
  return jnp.pad(x, widths)


def _block(length: int, num_keys: int) -> int:
  """Returns the queries of a block, which divide `length`."""
  most = max(_BLOCK_SCORES // num_keys, flash_kernels.LANES)
  blocks = range(flash_kernels.LANES, length + 1, flash_kernels.LANES)
  return max(n for n in blocks if length % n == 0 and n <= most)
