"""Silence of Orbax's threads, whose complaints follow a save that failed.

The error that is raised gives the reason; threads would repeat it, in hundreds
of lines, and after it.
"""

import gc
import logging
import os
import re
import sys
from typing import Any
import warnings

from perceiver import errors


class Silence:
  """Keeps the logs of Orbax silent, and threads that find a loop closed.

  It lasts until `end`. Where a save failed it does not end: threads and tasks
  may log that error until the program does.
  """

  def __init__(self) -> None:
    loggers = [
      logging.getLogger(name)
      for name in ("absl", "asyncio", "concurrent.futures")
    ]
    self._levels = [(logger, logger.level) for logger in loggers]
    for logger in loggers:
      logger.setLevel(logging.CRITICAL)
    self._former = sys.unraisablehook
    self._hook = self._pass_on_others
    sys.unraisablehook = self._hook

  def _pass_on_others(self, unraisable: Any) -> None:
    if str(unraisable.exc_value) != "Event loop is closed":
      self._former(unraisable)

  def end(self) -> None:
    """Restores the logs and the hook."""
    for logger, level in self._levels:
      logger.setLevel(level)
    if sys.unraisablehook is self._hook:
      sys.unraisablehook = self._former


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
  if isinstance(error, OSError):
    return errors.reason(error)
  return next(iter(str(error).splitlines()), type(error).__name__)[:300]
