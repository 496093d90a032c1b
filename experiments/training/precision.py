"""The precision of matrix products of float32."""

from collections.abc import Callable
import contextlib
import enum
import functools
import os
from typing import Any, TypeVar

import jax

_Result = TypeVar("_Result")


class MatmulPrecision(enum.Enum):
  """The least precision of matrix products whose operands are float32.

  DEFAULT is the device's own: a TPU rounds the operands to bfloat16 (8 bits), a
  GPU to TensorFloat-32 (11 bits), a CPU not at all; the environment's
  JAX_DEFAULT_MATMUL_PRECISION counts. TENSORFLOAT32 takes a TPU three passes in
  place of one, FLOAT32 six; a GPU computes FLOAT32 without its tensor cores, by
  an A100's published rates at an eighth. Products of bfloat16 are the same with
  all.
  """

  DEFAULT = "default"
  TENSORFLOAT32 = "tensorfloat32"
  FLOAT32 = "float32"

  def context(self) -> contextlib.AbstractContextManager[object]:
    """Returns the context in which programs are traced with it."""
    if self is MatmulPrecision.DEFAULT:
      return contextlib.nullcontext()
    return jax.default_matmul_precision(self.value)

  def applied(self, function: Callable[..., _Result]) -> Callable[..., _Result]:
    """Returns a function whose programs are traced with it."""

    @functools.wraps(function)
    def call(*arguments: Any) -> _Result:
      with self.context():
        return function(*arguments)

    return call


def of_predictions() -> contextlib.AbstractContextManager[object]:
  """Returns the context of commands that predict: the default of evaluation.

  The environment's JAX_DEFAULT_MATMUL_PRECISION goes before.
  """
  if "JAX_DEFAULT_MATMUL_PRECISION" in os.environ:
    return contextlib.nullcontext()
  return MatmulPrecision.TENSORFLOAT32.context()
