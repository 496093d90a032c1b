"""Signals that ask a program to stop at the end of its current step."""

import signal
import threading
from types import FrameType
from typing import Any


class StopRequest:
  """Catches SIGTERM or SIGINT while its context is entered.

  Only the first signal is caught; a second one has its usual effect and ends
  the program at once. Outside the main thread, where Python does not allow
  handlers, nothing is caught.

  Attributes:
    signal: the caught signal, None before.
  """

  def __init__(self) -> None:
    self.signal: signal.Signals | None = None
    self._previous: dict[signal.Signals, Any] = {}

  def __enter__(self) -> "StopRequest":
    if threading.current_thread() is threading.main_thread():
      for number in (signal.SIGTERM, signal.SIGINT):
        self._previous[number] = signal.signal(number, self._catch)
    return self

  def __exit__(self, *unused: object) -> None:
    self._restore()

  def _catch(self, number: int, frame: FrameType | None) -> None:
    del frame
    self.signal = signal.Signals(number)
    self._restore()

  def _restore(self) -> None:
    for number, handler in self._previous.items():
      signal.signal(number, handler)
    self._previous.clear()
