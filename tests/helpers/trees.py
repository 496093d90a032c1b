"""Comparison of trees of arrays."""

from typing import Any

import chex
import numpy as np


def assert_identical(found: Any, expected: Any) -> None:
  """Compares structure, shapes, dtypes and every bit."""
  describe = lambda x: (x.shape, x.dtype, np.asarray(x).tobytes())
  chex.assert_trees_all_equal_comparator(
    lambda a, b: describe(a) == describe(b),
    lambda a, b: f"{a} is not {b}",
    found,
    expected,
  )
