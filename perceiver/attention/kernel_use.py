"""The switch that keeps kernels out of a program.

Kernels of Pallas and of cuDNN are custom calls, whose form is that of one
version of a compiler. Programs that are kept in files do without them.
"""

from collections.abc import Iterator
import contextlib
import contextvars

_allowed = contextvars.ContextVar("kernels", default=True)


def allowed() -> bool:
  """Returns whether what is traced now may use kernels."""
  return _allowed.get()


@contextlib.contextmanager
def allow(allowed: bool) -> Iterator[None]:
  """Traces attention and norms with kernels, or with XLA's operations only."""
  token = _allowed.set(allowed)
  try:
    yield
  finally:
    _allowed.reset(token)
