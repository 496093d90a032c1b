"""Damaged files for fuzzing, and the assertion that they do no harm.

The examples are 1000 a test, the same ones every time; `pytest --fuzz-examples
N` makes N random ones. An input that once failed stays as an explicit example
of its test.
"""

from collections.abc import Callable, Sequence
from typing import Any
import warnings

import hypothesis
from hypothesis import strategies as st
import pytest

EXAMPLES = 1000
# Values that files get wrong, in either byte order.
_NUMBERS = tuple(
  value.to_bytes(4, order)
  for value in (0, 1, 2**31 - 1, 2**31, 2**32 - 1)
  for order in ("big", "little")
)


def settings(config: pytest.Config) -> None:
  """Sets the number of examples from the command line."""
  number = config.getoption("--fuzz-examples")
  hypothesis.settings.register_profile(
    "readers",
    max_examples=number or EXAMPLES,
    derandomize=not number,
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
    phases=[
      hypothesis.Phase.explicit,
      hypothesis.Phase.generate,
      hypothesis.Phase.shrink,
    ],
  )
  hypothesis.settings.load_profile("readers")


def _changed(data: bytes, kind: int, position: int, value: int) -> bytes:
  """Returns the content of a file after one change."""
  at = position % (len(data) + 1)
  if kind == 0:
    return data[:at] + bytes([value]) + data[at + 1 :]
  if kind == 1:
    return data[:at]
  if kind == 2:
    return data[:at] + bytes([value]) + data[at:]
  if kind == 3:
    return data[:at] + data[at + 1 + value % 8 :]
  if kind == 4:
    number = _NUMBERS[value % len(_NUMBERS)]
    return data[:at] + number + data[at + 4 :]
  return data[:at] + data[at : at + 1 + value] * 2 + data[at + 1 + value :]


# Damage to a file: (kind, position, value) of each change.
Changes = Sequence[tuple[int, int, int]]


def changes() -> st.SearchStrategy[Changes]:
  """Samples up to four changes, for a file that is only known later."""
  change = st.tuples(
    st.integers(0, 5), st.integers(0, 2**16 - 1), st.integers(0, 255)
  )
  return st.lists(change, max_size=4)


def changed(data: bytes, wanted: Changes) -> bytes:
  """Returns the content of a file after some changes."""
  for kind, position, value in wanted:
    data = _changed(data, kind, position, value)
  return data


def damaged(*files: bytes) -> st.SearchStrategy[bytes]:
  """Samples one of the files with up to four changes, or any bytes."""
  one = st.tuples(st.sampled_from(files), changes())
  return one.map(lambda choice: changed(*choice)) | st.binary(max_size=40)


def assert_read_or_refused(
  allowed: type[Exception] | tuple[type[Exception], ...],
  function: Callable[..., Any],
  *arguments: Any,
) -> Any:
  """Asserts that a function returns, or raises no error but those allowed.

  Args:
    allowed: error classes, and thereby their subclasses; any other error fails
      the test.
    function: the function.
    *arguments: arguments of the function.

  Returns:
    The function's result; None if it raises.
  """
  with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    try:
      return function(*arguments)
    except allowed:
      return None
