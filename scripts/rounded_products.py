"""Errors of an accelerator's matrix products, found on a CPU.

  python -m scripts.rounded_products [--models NAME ...]

The operands of all matrix products and convolutions of float32 are rounded to
TensorFloat-32, as a GPU does, and to bfloat16, as a TPU does. The outputs of
published models at full size, with random weights, are compared with those of
exact operands.
"""

from collections.abc import Callable, Iterator
import contextlib
import dataclasses
from typing import Any

import jax
from jax import lax

# There is no public way to change a primitive's lowering and to keep the old.
from jax._src.interpreters import mlir
from jax._src.lib.mlir.dialects import hlo
import jax.numpy as jnp
import numpy as np
import tabulate
import tyro

from experiments.runs import progress
import perceiver

# Bits of the fraction that are kept.
ROUNDED = {"tensorfloat32": 10, "bfloat16": 7}
MODELS = (
  "imagenet_fourier",
  "imagenet_learned",
  "imagenet_conv",
  "language_bytes",
  "optical_flow",
)


@contextlib.contextmanager
def rounded(bits: int) -> Iterator[None]:
  """Rounds the operands of all products that are compiled within.

  Args:
    bits: of the fraction of a number that are kept.
  """
  rules = mlir._platform_specific_lowerings["cpu"]
  products = (lax.dot_general_p, lax.conv_general_dilated_p)
  before = {product: rules[product] for product in products}
  jax.clear_caches()
  for product, entry in before.items():
    rule = _rounding(entry.rule, bits)
    rules[product] = dataclasses.replace(entry, rule=rule)
  try:
    yield
  finally:
    rules.update(before)
    jax.clear_caches()


def _rounding(rule: Callable[..., Any], bits: int) -> Callable[..., Any]:
  def lower(context: Any, *operands: Any, **params: Any) -> Any:
    rounded_operands = [
      hlo.reduce_precision(x, mlir.i32_attr(8), mlir.i32_attr(bits))
      if aval.dtype == jnp.float32
      else x
      for x, aval in zip(operands, context.avals_in, strict=True)
    ]
    return rule(context, *rounded_operands, **params)

  return lower


def output_error(name: str) -> dict[str, float]:
  """Returns the error of a model's output, of its spread, by rounding.

  Its weights are random; those that begin at zero are small.

  Args:
    name: of a published model.
  """
  model = perceiver.create(name)
  generator = np.random.default_rng(0)
  params, state = model.init(jax.random.key(0))
  noise = lambda x: 0.02 * generator.standard_normal(x.shape, np.float32)
  params = jax.tree.map(lambda x: x + noise(x), params)
  variables = perceiver.Variables(params, state)
  inputs = [_random(x, generator) for x in model.config.example()]
  output = lambda: np.asarray(
    jax.tree.leaves(model.apply(variables, *inputs))[0]
  )
  exact, errors = output(), {}
  for rounding, bits in ROUNDED.items():
    with rounded(bits):
      errors[rounding] = float(np.std(output() - exact) / np.std(exact))
  return errors


def _random(x: Any, generator: np.random.Generator) -> np.ndarray:
  if jnp.issubdtype(x.dtype, jnp.floating):
    return generator.standard_normal(x.shape, np.float32)
  return generator.integers(200, size=x.shape).astype(x.dtype)


def main(*, models: tuple[str, ...] = MODELS) -> None:
  """Prints the errors of models.

  Args:
    models: their names.
  """
  rows = []
  for name in models:
    progress.write(f"{name} …")
    rows.append([name, *(f"{x:.2%}" for x in output_error(name).values())])
  headers = ["model", *ROUNDED]
  print(tabulate.tabulate(rows, headers, "pipe", disable_numparse=True))


if __name__ == "__main__":
  tyro.cli(main)
