"""Messages of Orbax and its threads, most of which are for nobody."""

from collections.abc import Iterator
import contextlib
import gc
import logging
import os
import re
import sys
import warnings


def silence_logs() -> list[tuple[logging.Logger, int]]:
  """Silences the logs of Orbax and its threads; returns the former levels."""
  loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
  levels = [(logger, logger.level) for logger in loggers]
  for logger in loggers:
    logger.setLevel(logging.CRITICAL)
  return levels


@contextlib.contextmanager
def without_unraisable() -> Iterator[None]:
  """Silences threads that find the loop of a failed save closed."""
  hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
  try:
    yield
  finally:
    sys.unraisablehook = hook


def free() -> None:
  """Frees what a failed save left; what nobody awaited warns of it."""
  with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    gc.collect()


def reason(error: Exception) -> str:
  """Returns the operating system's reason for an error, if it has one."""
  number = re.search(r"os_error_code='(\d+)'", str(error))
  if number:
    return os.strerror(int(number[1]))
  return next(iter(str(error).splitlines()), type(error).__name__)[:300]
