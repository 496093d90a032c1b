"""Counting the operations of a traced function.

The convention is the papers': multiplication and addition count separately,
and only matrix products and convolutions count (2103.03206 appendix B).
"""

from collections.abc import Callable, Iterator
import math
from typing import Any

import jax


def count(function: Callable[..., Any], *args: Any) -> int:
  """Returns the operations of `function` for arguments of the given shapes.

  Args:
    function: anything that JAX can trace; loops must have a fixed length.
    *args: arrays, or `jax.ShapeDtypeStruct` values: nothing is computed.
  """
  return _count(jax.make_jaxpr(function)(*args).jaxpr)


def _count(jaxpr: Any) -> int:
  total = 0
  for equation in jaxpr.eqns:
    name = equation.primitive.name
    if name == "dot_general":
      total += _dot_general(equation)
    elif name == "conv_general_dilated":
      total += _convolution(equation)
    elif name == "cond":
      counts = [_count(branch.jaxpr) for branch in _branches(equation)]
      total += max(counts)
    else:
      times = equation.params["length"] if name == "scan" else 1
      total += times * sum(_count(inner) for inner in _inner(equation))
  return total


def _branches(equation: Any) -> Any:
  """Returns the branches of a choice; of those by hardware, the general one."""
  branches = equation.params["branches"]
  by_hardware = equation.params.get("branches_platforms")
  return branches if by_hardware is None else branches[-1:]


def _inner(equation: Any) -> Iterator[Any]:
  """Yields the programs that an operation runs, such as a loop's body."""
  if equation.primitive.name == "while":
    raise ValueError(
      "Operation count: a loop without a fixed length; expected scans only."
    )
  for value in equation.params.values():
    inner = getattr(value, "jaxpr", value)
    if hasattr(inner, "eqns"):
      yield inner


def _dot_general(equation: Any) -> int:
  (contracted, _), _ = equation.params["dimension_numbers"]
  shape = equation.invars[0].aval.shape
  inner = math.prod(shape[axis] for axis in contracted)
  return 2 * inner * math.prod(equation.outvars[0].aval.shape)


def _convolution(equation: Any) -> int:
  kernel = equation.invars[1].aval.shape
  layout = equation.params["dimension_numbers"].rhs_spec  # (out, in, *space)
  per_output = math.prod(kernel) // kernel[layout[0]]
  return 2 * per_output * math.prod(equation.outvars[0].aval.shape)
