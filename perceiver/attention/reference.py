"""The switch to the reference implementation of attention.

It computes in the order of the papers: every projection before the attention,
and all scores at once. It needs the same parameters and gives the same numbers;
tests compare with it, and published operation counts are those of its order.
"""

from collections.abc import Iterator
import contextlib
import contextvars

_enabled = contextvars.ContextVar("reference_implementation", default=False)


def enabled() -> bool:
  """Returns whether what is traced now is the reference implementation."""
  return _enabled.get()


@contextlib.contextmanager
def implementation(enabled: bool = True) -> Iterator[None]:
  """Traces attention as the reference implementation, or the usual way."""
  token = _enabled.set(enabled)
  try:
    yield
  finally:
    _enabled.reset(token)
