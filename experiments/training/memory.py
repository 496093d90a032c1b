"""The memory that a compiled program takes, and the memory that there is."""

from collections.abc import Callable
import os
import pathlib
from typing import Any

import jax

from perceiver import errors

# Limits of a container, where there is one.
_LIMITS = (
  "/sys/fs/cgroup/memory.max",
  "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


class MemoryLimitError(errors.PerceiverError, MemoryError):
  """A program needs more memory than its devices have."""


def compile_within(
  function: Callable[..., Any], *args: Any, available: int | None = None
) -> Callable[..., Any]:
  """Compiles a function, unless it needs more memory than there is.

  Args:
    function: from `jax.jit`.
    *args: arrays, or their shapes, types and shardings.
    available: bytes of memory of a device; found out if None.

  Raises:
    MemoryLimitError: naming both numbers and what takes less.
  """
  lowered = function.lower(*args)  # type: ignore[attr-defined]
  have = device_memory() if available is None else available
  try:
    compiled = lowered.compile()
    need = required(compiled)
  except jax.errors.JaxRuntimeError as error:
    if "RESOURCE_EXHAUSTED" not in str(error):
      raise
    raise _error("more memory", have) from error
  if have is not None and need > have:
    raise _error(f"{_gigabytes(need)} of memory", have)
  return compiled


def required(compiled: Any) -> int:
  """Returns bytes per device: arguments, results, intermediate arrays.

  That is the compiler's own count; 0 where it gives none.
  """
  found = compiled.memory_analysis()
  if found is None:
    return 0
  return (
    found.argument_size_in_bytes
    + found.output_size_in_bytes
    - found.alias_size_in_bytes
    + found.temp_size_in_bytes
  )


def device_memory() -> int | None:
  """Returns bytes of memory per device of this process; None if unknown.

  On CPUs that is the machine's memory, which their devices share.
  """
  device = jax.local_devices()[0]
  if device.platform != "cpu":
    return (device.memory_stats() or {}).get("bytes_limit")
  limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
  for path in map(pathlib.Path, _LIMITS):
    text = path.read_text().strip() if path.exists() else ""
    limits += [int(text)] if text.isdigit() else []
  return min(limits) // jax.local_device_count()


def _error(need: str, have: int | None) -> MemoryLimitError:
  there = "" if have is None else f"; {_gigabytes(have)} are there"
  return MemoryLimitError(
    f"A step needs {need} on every device{there}. Compute fewer "
    "examples at a time, with --train.accumulate or --train.batch-size, use "
    "more devices, or take the small recipe, --mini."
  )


def _gigabytes(number: int) -> str:
  return f"{number / 1e9:.1f} GB"
