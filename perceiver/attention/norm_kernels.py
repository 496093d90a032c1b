"""Layer norms as TPU kernels, each one pass through memory.

XLA adds up channels, and positions, in passes of their own, which take a
quarter of the time of a layer of latents.
"""

from collections.abc import Callable
import functools
from typing import Any, TypeVar

import jax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
import jax.numpy as jnp
from jaxtyping import Array, Float

from perceiver.attention import by_device
from perceiver.attention import derivatives
from perceiver.attention import flash_kernels
from perceiver.attention import kernel_use

EPSILON = 1e-5

_Weights = TypeVar(
  "_Weights", bound=tuple[Array, Array]
)  # scale and offset, [C]

_SUBLANES = 8
_BLOCK_SIZE = 2**18  # entries


def supports(x: Float[Array, "B N C"]) -> bool:
  """Returns whether the kernels take an array."""
  known = kernel_use.allowed() and x.dtype in (jnp.float32, jnp.bfloat16)
  return (
    known
    and x.ndim == 3
    and not x.shape[2] % flash_kernels.LANES
    and bool(_rows(x))
  )


def _rows(x: Float[Array, "B N C"]) -> int:
  """Returns positions of a block; 0 where none divide them."""
  length, channels = x.shape[1:]
  most = min(length, _BLOCK_SIZE // channels)
  sizes = range(_SUBLANES, most + 1, _SUBLANES)
  return max((n for n in sizes if length % n == 0), default=0)


def beside(
  norm: Callable[[_Weights, Array], Array],
  weights: _Weights,
  x: Float[Array, "B N C"],
) -> tuple[Float[Array, "B N C"], Float[Array, "B N C"]]:
  """Returns `x` and its layer norm, by the kernels on a TPU.

  Args:
    norm: the layer norm on other hardware.
    weights: its scale and offset.
    x: positions.
  """
  forward = functools.partial(_beside_forward, norm)
  backward = functools.partial(_beside_backward, norm)
  function = derivatives.Function(
    forward, backward, lambda weights, x: (x, norm(weights, x))
  )
  x, normed = function(weights, x)
  return x, normed


def _beside_forward(norm: Any, weights: _Weights, x: Array) -> Any:
  tpu = normalise if supports(x) else norm
  return x, jax.lax.platform_dependent(weights, x, tpu=tpu, default=norm)


def _beside_backward(
  norm: Any, operands: Any, results: Any, cotangents: Any
) -> tuple[_Weights, Array]:
  def plain(operands: Any, cotangents: Any) -> tuple[_Weights, Array]:
    d_weights, d_x = jax.vjp(norm, *operands)[1](cotangents[1])
    return d_weights, cotangents[0] + d_x

  tpu = differentiate if supports(operands[1]) else plain
  by_platform = functools.partial(
    jax.lax.platform_dependent, tpu=tpu, default=plain
  )
  given = tuple(
    jnp.zeros_like(x) if d is None else d for x, d in zip(results, cotangents)
  )
  return derivatives.choose(by_platform, plain, operands, given)


def normalise(
  weights: _Weights, x: Float[Array, "B N C"], interpret: bool = False
) -> Float[Array, "B N C"]:
  """Returns the layer norm of every position, in the dtype of `x`."""
  call = functools.partial(_call, _normalise, interpret)
  return by_device.call(call, *_for_each(x, *weights), x)[0]


def differentiate(
  operands: tuple[_Weights, Float[Array, "B N C"]],
  cotangents: tuple[Float[Array, "B N C"], Float[Array, "B N C"]],
  interpret: bool = False,
) -> tuple[_Weights, Float[Array, "B N C"]]:
  """Returns the gradients of the weights and of the positions.

  Args:
    operands: scale and offset, and positions.
    cotangents: of the positions by another way, to which their gradient is
      added, and of their norm.
    interpret: compute without a TPU.
  """
  weights, x = operands
  call = functools.partial(_call, _differentiate, interpret)
  arrays = x, cotangents[1], cotangents[0]
  d_x, *sums = by_device.call(call, *_for_each(x, weights[0]), *arrays)
  sums = [jnp.sum(each, (0, 1)) for each in sums]
  return jax.tree.unflatten(jax.tree.structure(weights), sums), d_x


def _for_each(
  x: Float[Array, "B N C"], *vectors: Float[Array, "C"]
) -> list[Float[Array, "B 1 C"]]:
  """Gives every example the parameters."""
  return [
    jnp.broadcast_to(v.astype(jnp.float32), (x.shape[0], 1, len(v)))
    for v in vectors
  ]


def _call(
  kernel: Any,
  interpret: bool,
  *operands: Float[Array, "B _ C"],
) -> tuple[Float[Array, "B _ C"], ...]:
  """Computes a block of positions at a time.

  Results are as the last operand, then sums over positions as the first one
  where the kernel differentiates.
  """
  *_, x = operands
  batch, length, channels = x.shape
  rows = _rows(x)

  def spec(x: Any) -> pl.BlockSpec:
    if x.shape[1] == 1:
      return pl.BlockSpec((None, 1, channels), lambda b, i: (b, 0, 0))
    return pl.BlockSpec((None, rows, channels), lambda b, i: (b, i, 0))

  out_shape = [jax.ShapeDtypeStruct(x.shape, x.dtype)]
  if kernel is _differentiate:
    sums = jax.ShapeDtypeStruct((batch, 1, channels), jnp.float32)
    out_shape += [sums] * 2
  arrays: list[Any] = [*operands, *out_shape]
  found = pl.pallas_call(
    kernel,
    grid=(batch, length // rows),
    in_specs=list(map(spec, operands)),
    out_specs=list(map(spec, out_shape)),
    out_shape=out_shape,
    compiler_params=pltpu.CompilerParams(
      dimension_semantics=("parallel", "arbitrary")
    ),
    cost_estimate=pl.CostEstimate(
      flops=0,
      transcendentals=batch * length,
      bytes_accessed=sum(y.size * y.dtype.itemsize for y in arrays),
    ),
    interpret=interpret,
    name=f"norm{kernel.__name__}",
  )(*operands)
  return tuple(found)


def _statistics(
  x: Float[Array, "R C"],
) -> tuple[Float[Array, "R C"], Float[Array, "R 1"]]:
  """Returns positions with mean 0 and variance 1, and the factor applied."""
  centred = x - jnp.mean(x, axis=1, keepdims=True)
  # Takes away what rounding left of a mean that is far from zero.
  centred -= jnp.mean(centred, axis=1, keepdims=True)
  variance = jnp.mean(jnp.square(centred), axis=1, keepdims=True)
  factor = jax.lax.rsqrt(variance + EPSILON)
  return centred * factor, factor


def _normalise(
  scale_ref: Any, offset_ref: Any, x_ref: Any, out_ref: Any
) -> None:
  normed, _ = _statistics(x_ref[...].astype(jnp.float32))
  out = normed * scale_ref[...] + offset_ref[...]
  out_ref[...] = out.astype(out_ref.dtype)


def _differentiate(
  scale_ref: Any,
  x_ref: Any,
  cotangent_ref: Any,
  beside_ref: Any,
  d_x_ref: Any,
  d_scale_ref: Any,
  d_offset_ref: Any,
) -> None:
  normed, factor = _statistics(x_ref[...].astype(jnp.float32))
  cotangent = cotangent_ref[...].astype(jnp.float32)
  sums = jnp.sum(cotangent * normed, axis=0, keepdims=True)
  total = jnp.sum(cotangent, axis=0, keepdims=True)

  @pl.when(pl.program_id(1) == 0)
  def _() -> None:
    d_scale_ref[...] = jnp.zeros_like(d_scale_ref)
    d_offset_ref[...] = jnp.zeros_like(d_offset_ref)

  d_scale_ref[...] += sums
  d_offset_ref[...] += total
  scaled = cotangent * scale_ref[...]
  mean = jnp.mean(scaled, axis=1, keepdims=True)
  along = jnp.mean(scaled * normed, axis=1, keepdims=True)
  d_x = factor * (scaled - mean - normed * along)
  d_x_ref[...] = (d_x + beside_ref[...]).astype(d_x_ref.dtype)
