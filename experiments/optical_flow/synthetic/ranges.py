"""Ranges of the numbers in configurations."""

from typing import Any


def check(config: Any, **ranges: tuple[float, float]) -> None:
  """Checks fields of a configuration against their ranges, ends included.

  Args:
    config: the configuration.
    **ranges: smallest and largest value, by the name of the field.

  Raises:
    ValueError: if a value is outside its range, or not a number.
  """
  for name, (low, high) in ranges.items():
    value = getattr(config, name)
    if not low <= value <= high:
      raise ValueError(
        f"{type(config).__name__}: {name} is {value}; expected a number from "
        f"{low} to {high}."
      )
