"""Programs for serving: a model as a file that needs JAX alone.

The program is StableHLO, which JAX promises to read for six months, and which
other runtimes read, too. See docs/serving.md.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
from jax import export as jax_export
import jax.numpy as jnp

from perceiver import compilation
from perceiver import model as perceiver_model
from perceiver.attention import kernel_use

PLATFORMS = ("cpu", "cuda", "tpu")

jax_export.register_namedtuple_serialization(
  perceiver_model.Variables, serialized_name="perceiver.Variables"
)


def export(
  model: perceiver_model.Model,
  variables: perceiver_model.Variables,
  platforms: Sequence[str] = PLATFORMS,
  *,
  batch_size: int | None = None,
  options: Mapping[str, jax.ShapeDtypeStruct] | None = None,
  kernels: bool = False,
) -> jax_export.Exported:
  """Returns the program that computes a model's outputs.

  `serialize()` gives its bytes, `jax.export.deserialize` reads them, both with
  the package flatbuffers; `call(*inputs, **options)` runs it, without this one.
  A result that is a named tuple is a mapping there.

  Args:
    model: with its `num_latents`.
    variables: arrays, which become a part of the program; or shapes, of
      `model.shapes()`, in whose place the program takes `Variables` first.
    platforms: the hardware that it is for, which need not be here.
    batch_size: the number of examples; any number if None.
    options: shapes and dtypes of masks and other optional inputs that the
      program takes, whose first axis is the examples, of any size here.
    kernels: whether kernels may be used, which hold one version of a compiler;
      they need a batch size.

  Raises:
    ValueError: if kernels are asked for without a batch size, or the model
      cannot be computed.
  """
  if kernels and batch_size is None:
    raise ValueError(
      "Export: kernels is True and batch_size None; expected a number of "
      "examples, for which kernels are made."
    )
  is_open = isinstance(jax.tree.leaves(variables)[0], jax.ShapeDtypeStruct)

  def run(variables: Any, *inputs: Any, **options: Any) -> Any:
    config, variables = model.with_first_latents(variables)
    module = compilation.transformed(config, "__call__", model.reference)
    with kernel_use.allow(kernels):
      found = module.apply(*variables, None, False, *inputs, **options)[0]
    return found._asdict() if hasattr(found, "_asdict") else found

  def run_closed(*inputs: Any, **options: Any) -> Any:
    return run(jax.tree.map(jnp.asarray, variables), *inputs, **options)

  examples = "batch" if batch_size is None else str(batch_size)
  (size,) = jax_export.symbolic_shape(examples)
  with_size = lambda x: jax.ShapeDtypeStruct((size, *x.shape[1:]), x.dtype)
  inputs = jax.tree.map(with_size, model.config.example())
  options = jax.tree.map(with_size, dict(options or {}))
  exported = jax_export.export(
    jax.jit(run if is_open else run_closed), platforms=tuple(platforms)
  )
  return exported(*((variables,) if is_open else ()), *inputs, **options)
