"""Kernels on several devices, each of which computes its own examples.

The compiler cannot divide a TPU kernel over devices. The devices are first seen
when a program is lowered; there the kernel gets them.
"""

from collections.abc import Callable
import math
from typing import Any

import jax
from jax._src import dispatch
from jax.extend import core
from jax.interpreters import batching
from jax.interpreters import mlir
import jax.numpy as jnp
from jaxtyping import Array
import numpy as np

Function = Callable[..., tuple[Array, ...]]
# Devices whose cores have a memory of 16 MiB; those of later ones have more.
SMALL = ("TPU v2", "TPU v3", "TPU v4")

_primitive = core.Primitive("by_device")
_primitive.multiple_results = True
# So that the lowering sees devices and mesh, as `custom_partitioning` does.
dispatch.prim_requires_devices_during_lowering.add(_primitive)


def call(
  function: Function, *operands: Array, small: Function | None = None
) -> tuple[Array, ...]:
  """Applies a function of arrays [B, ...] to every device's examples.

  Args:
    function: gives a tuple of arrays [B, ...], each example's on its own.
    *operands: arrays [B, ...].
    small: another one for `SMALL` devices; the same if None.
  """
  small = small or function
  return tuple(_primitive.bind(*operands, function=function, small=small))


@_primitive.def_impl
def _apply(*operands: Array, **functions: Function) -> list[Array]:
  return jax.jit(lambda *x: _primitive.bind(*x, **functions))(*operands)


@_primitive.def_abstract_eval
def _shapes(*operands: Any, function: Function, small: Function) -> list[Any]:
  del small
  shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in operands]
  results = jax.eval_shape(function, *shapes)
  return [jax.core.ShapedArray(x.shape, x.dtype) for x in results]


def _batch(
  operands: Any, axes: Any, *, function: Function, small: Function
) -> tuple[list[Array], list[int]]:
  """Joins the mapped axis with that of the examples."""
  size = next(
    x.shape[axis] for x, axis in zip(operands, axes) if axis is not None
  )
  moved = [
    jnp.broadcast_to(x, (size, *x.shape))
    if axis is None
    else jnp.moveaxis(x, axis, 0)
    for x, axis in zip(operands, axes)
  ]
  joined = (jax.lax.collapse(x, 0, 2) for x in moved)
  results = call(function, *joined, small=small)
  split = [x.reshape(size, -1, *x.shape[1:]) for x in results]
  return split, [0] * len(split)


batching.primitive_batchers[_primitive] = _batch


def _lower(ctx: Any, *values: Any, function: Function, small: Function) -> Any:
  context = ctx.module_context.axis_context
  if _kind(context) in SMALL:
    function = small
  if getattr(context, "num_devices", 1) > 1:
    function = _divide(function, ctx.avals_in[0].shape[0], context)
  rule = mlir.lower_fun(function, multiple_results=True)
  return rule(ctx, *values)


mlir.register_lowering(_primitive, _lower)


def _kind(context: Any) -> str:
  """Returns the kind of the devices; empty where they are not given."""
  mesh = getattr(context, "mesh", None)
  devices = context.device_assignment if mesh is None else mesh.devices.flat
  return devices[0].device_kind if devices else ""


def _divide(function: Function, batch: int, context: Any) -> Function:
  """Divides examples over the axes of the mesh, the first ones first."""
  mesh = context.abstract_mesh
  if mesh is None:
    mesh = jax.sharding.Mesh(np.array(context.device_assignment), ("device",))
  axes: list[str] = []
  for axis, size in mesh.shape.items():
    if batch % math.prod([size, *(mesh.shape[a] for a in axes)]) == 0:
      axes.append(axis)
  spec = jax.sharding.PartitionSpec(tuple(axes))
  return jax.shard_map(
    function, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False
  )
