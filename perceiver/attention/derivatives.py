"""Functions with a backward pass of their own, for every kind of derivative.

`jax.custom_vjp` refuses forward mode. Here a function has a backward pass of
its own for reverse mode, and the ordinary operations that compute the same for
everything else: `jax.jvp`, `jax.jacfwd`, `jax.hessian`.

The tangents of the results are one operation, linear in those of the operands.
Reverse mode transposes it, by the function's backward pass; forward mode
computes it, by differentiating the ordinary operations.
"""

from collections.abc import Callable
import dataclasses
import functools
from typing import Any, NamedTuple

import jax
from jax.extend import core
from jax.interpreters import ad
from jax.interpreters import batching
from jax.interpreters import mlir
import jax.numpy as jnp
from jaxtyping import Array
import numpy as np


class Function(NamedTuple):
  """A function and its derivatives.

  Attributes:
    forward: operands -> a tuple of arrays, the results.
    backward: (operands, results, their cotangents) -> a tuple of the gradients
      of all operands; None for one that has none, as None is the cotangent of
      a result that nothing depends on.
    plain: computes what `forward` does, by operations that JAX differentiates.
  """

  forward: Callable[..., tuple[Array, ...]]
  backward: Callable[[Any, Any, Any], tuple[Any, ...]]
  plain: Callable[..., tuple[Array, ...]]

  def __call__(self, *operands: Any) -> tuple[Array, ...]:
    """Returns the results; operands are trees of arrays."""
    return _call(self, operands)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def choose(
  function: Callable[..., Any], plain: Callable[..., Any], *operands: Any
) -> Any:
  """Returns `function(*operands)`, with the derivatives of `plain`."""
  del plain
  return function(*operands)


@choose.defjvp
def _choose_plain(
  function: Callable[..., Any],
  plain: Callable[..., Any],
  operands: Any,
  tangents: Any,
) -> tuple[Any, Any]:
  _, d_results = jax.jvp(plain, operands, tangents)
  return choose(function, plain, *operands), d_results


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _call(function: Function, operands: Any) -> tuple[Array, ...]:
  return function.forward(*operands)


@_call.defjvp
def _differentiate(
  function: Function, primals: tuple[Any], tangents: tuple[Any]
) -> tuple[Any, Any]:
  results = _call(function, *primals)
  fixed, structure = jax.tree.flatten((*primals, results))
  varied = [
    i
    for i, x in enumerate(jax.tree.leaves(primals))
    if jnp.issubdtype(x.dtype, jnp.floating)
  ]
  flat = jax.tree.leaves(tangents)
  linear = _Linear(
    functools.partial(_forward, function, structure, varied),
    functools.partial(_backward, function, structure, varied),
    [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in results],
  )
  operands = (*fixed, *(flat[i] for i in varied))
  found = _primitive.bind(*operands, linear=linear, num_fixed=len(fixed))
  return results, tuple(found)


def _forward(
  function: Function,
  structure: Any,
  varied: list[int],
  fixed: list[Array],
  tangents: list[Array],
) -> tuple[Array, ...]:
  """Returns the results' tangents; those of leaves `varied` are given."""
  operands, _ = jax.tree.unflatten(structure, fixed)
  leaves, structure = jax.tree.flatten(operands)

  def plain(*changed: Array) -> tuple[Array, ...]:
    whole = list(leaves)
    for i, x in zip(varied, changed, strict=True):
      whole[i] = x
    return function.plain(*jax.tree.unflatten(structure, whole))

  primals = tuple(leaves[i] for i in varied)
  return jax.jvp(plain, primals, tuple(tangents))[1]


def _backward(
  function: Function,
  structure: Any,
  varied: list[int],
  fixed: list[Array],
  cotangents: list[Array | None],
) -> list[Array]:
  """Returns the gradients of the operands' leaves `varied`."""
  operands, results = jax.tree.unflatten(structure, fixed)
  gradients = function.backward(operands, results, tuple(cotangents))
  flat: list[Any] = []
  for operand, gradient in zip(operands, gradients, strict=True):
    found = operand if gradient is None else gradient
    leaves = jax.tree.leaves(found)
    flat += leaves if gradient is not None else map(_zeros, leaves)
  return [flat[i] for i in varied]


def _zeros(x: Array) -> Array | None:
  """Returns the gradient of an array that has none."""
  is_float = jnp.issubdtype(x.dtype, jnp.floating)
  return jnp.zeros_like(x) if is_float else None


@dataclasses.dataclass(frozen=True, eq=False)
class _Linear:
  """A linear function of tangents, its transpose, and the results' shapes."""

  forward: Callable[[list[Array], list[Array]], Any]
  backward: Callable[[list[Array], list[Array | None]], Any]
  shapes: list[jax.ShapeDtypeStruct]


_primitive = core.Primitive("tangents")
_primitive.multiple_results = True


def _split(arrays: Any, number: int) -> tuple[list[Any], list[Any]]:
  return list(arrays[:number]), list(arrays[number:])


@_primitive.def_impl
def _compute(*arrays: Array, linear: _Linear, num_fixed: int) -> list[Array]:
  return list(linear.forward(*_split(arrays, num_fixed)))


mlir.register_lowering(
  _primitive, mlir.lower_fun(_compute, multiple_results=True)
)


@_primitive.def_abstract_eval
def _shapes(*arrays: Any, linear: _Linear, num_fixed: int) -> list[Any]:
  del arrays, num_fixed
  return [jax.core.ShapedArray(x.shape, x.dtype) for x in linear.shapes]


def _transpose(
  cotangents: Any, *arrays: Any, linear: _Linear, num_fixed: int
) -> list[Any]:
  given = [None if type(x) is ad.Zero else x for x in cotangents]
  gradients = linear.backward(list(arrays[:num_fixed]), given)
  return [None] * num_fixed + gradients


def _jvp(
  primals: Any, tangents: Any, *, linear: _Linear, num_fixed: int
) -> tuple[Any, Any]:
  compute = functools.partial(_compute, linear=linear, num_fixed=num_fixed)
  given = [
    np.zeros(x.shape, jax.dtypes.float0)
    if type(t) is ad.Zero and not jnp.issubdtype(x.dtype, jnp.floating)
    else ad.instantiate_zeros(t)
    for x, t in zip(primals, tangents)
  ]
  return jax.jvp(compute, tuple(primals), tuple(given))


def _batch(
  arrays: Any, axes: Any, *, linear: _Linear, num_fixed: int
) -> tuple[list[Array], list[int]]:
  size = next(
    x.shape[axis] for x, axis in zip(arrays, axes) if axis is not None
  )
  fixed, tangents = _split(arrays, num_fixed)
  fixed_axes, tangent_axes = _split(axes, num_fixed)
  # Broadcast, so that the transpose of that adds up the gradients.
  tangents = [
    jnp.broadcast_to(x, (size, *x.shape))
    if axis is None
    else jnp.moveaxis(x, axis, 0)
    for x, axis in zip(tangents, tangent_axes)
  ]
  shapes = [
    jax.ShapeDtypeStruct((size, *x.shape), x.dtype) for x in linear.shapes
  ]
  batched = _Linear(
    jax.vmap(linear.forward, (fixed_axes, 0), axis_size=size),
    jax.vmap(linear.backward, (fixed_axes, 0), axis_size=size),
    shapes,
  )
  found = _primitive.bind(
    *fixed, *tangents, linear=batched, num_fixed=num_fixed
  )
  return found, [0] * len(found)


ad.primitive_transposes[_primitive] = _transpose
ad.primitive_jvps[_primitive] = _jvp
batching.primitive_batchers[_primitive] = _batch
