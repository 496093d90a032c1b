"""Bounds of the sizes in configurations.

Configurations come from files, too. Sizes that no model has are refused where
a configuration is made, before anything is built of it.
"""

import dataclasses
import math
import re
from typing import Any

import numpy as np

# Of a batch: an int, or a symbol in a program that is for any number.
Size = Any

MAX_SIZE = 2**24
MAX_POSITIONS = 2**28  # of a grid
MAX_INDEX = 2**31 - 1  # JAX would wrap larger ones


def check(config: Any, *counts: str, **intervals: str) -> None:
  """Raises a ValueError if a configuration has an impossible size.

  Args:
    config: a dataclass. Its whole numbers, and tuples of them, are sizes,
      other than seeds.
    *counts: as for `check_ranges`.
    **intervals: as for `check_ranges`.
  """
  check_ranges(config, *counts, **intervals)
  for field in dataclasses.fields(config):
    value = getattr(config, field.name)
    values = value if isinstance(value, tuple) else (value,)
    numbers = [abs(x) for x in values if type(x) is int]
    # A tuple is a grid, but for lists of sizes.
    is_grid = not field.name.endswith("_sizes")
    if "seed" not in field.name and (
      max(numbers, default=0) > MAX_SIZE
      or (is_grid and math.prod(numbers) > MAX_POSITIONS)
    ):
      raise ValueError(
        f"{type(config).__name__}: {field.name} is {str(value)[:80]}; expected "
        f"at most {MAX_SIZE}, and {MAX_POSITIONS} positions of a grid."
      )


def check_ranges(config: Any, *counts: str, **intervals: str) -> None:
  """Raises a ValueError if a number of a configuration is out of range.

  Args:
    config: a dataclass. Tuples have numbers, all of which are checked; None
      is no number.
    *counts: names of fields that are at least 1.
    **intervals: by the name of a field, such as "[0, 1)" or "[2, inf)".
  """
  intervals = dict.fromkeys(counts, "[1, inf)") | intervals
  for name, interval in intervals.items():
    value = getattr(config, name)
    numbers = value if isinstance(value, tuple) else (value,)
    low, high = map(float, interval[1:-1].split(","))
    if not numbers or not all(
      number is None
      or low < number < high
      or (number == low and interval[0] == "[")
      or (number == high and interval[-1] == "]")
      for number in numbers
    ):
      expected = re.sub(r"\[(.*), inf\)", r"at least \1", interval)
      raise ValueError(
        f"{type(config).__name__}: {name} is {value}; expected {expected}."
      )


def check_number(component: str, name: str, value: int, most: int) -> None:
  """Raises a ValueError if a number is too large.

  Args:
    component: what the error names, such as "Encoder".
    name: of the number, or of a product.
    value: the number.
    most: the largest that is allowed.
  """
  if value > most:
    raise ValueError(
      f"{component}: {name} is {value}; expected at most {most}."
    )


def check_indices(component: str, array: Any) -> None:
  """Raises a ValueError if an array of NumPy has integers beyond 32 bits.

  Args:
    component: what the error names, such as "Grid".
    array: of anything; those of JAX are 32 bits wide already.
  """
  if not isinstance(array, np.ndarray) or array.dtype.kind not in "iu":
    return
  if array.size and (array.max() > MAX_INDEX or array.min() < -MAX_INDEX):
    raise ValueError(
      f"{component}: integers from {array.min()} to {array.max()}; expected at "
      f"most {MAX_INDEX} on either side of 0."
    )
