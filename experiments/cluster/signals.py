"""Signals that ask a program to stop.

Schedulers and terminals send them to all processes of a group: SIGTERM, SIGINT
(Ctrl-C), SIGUSR1 and SIGUSR2 (Slurm's --signal), SIGXCPU (a limit of CPU time),
SIGHUP (a terminal is closed; left alone where it is ignored, as under nohup).
"""

from collections.abc import Callable, Iterator
import contextlib
from multiprocessing import resource_tracker
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

CAUGHT = (
  signal.SIGTERM,
  signal.SIGINT,
  signal.SIGUSR1,
  signal.SIGUSR2,
  signal.SIGHUP,
  signal.SIGXCPU,
)
EXIT_CODES = (130, 143)
_AGAIN_SECONDS = 0.01
_QUIET = "ignore:resource_tracker:UserWarning"
_Handler = Callable[[int, FrameType | None], Any]


def exit_code(number: int) -> int:
  """Returns the exit code after a signal: 130 for SIGINT, 143 for all else."""
  return 130 if number == signal.SIGINT else 143


class Ended(SystemExit):
  """A signal has ended a program that had nothing to save."""


def end_at_once() -> None:
  """Ends the program at a signal, wherever no other rule of this file holds."""
  _install(_end)


@contextlib.contextmanager
def exiting() -> Iterator[None]:
  """Turns signals into `Ended`, where there is nothing to be saved.

  Python drops an exception in a destructor or a callback of the garbage
  collector: it is raised again a moment later.
  """
  caught: list[int] = []

  def leave(number: int, frame: FrameType | None) -> None:
    del frame
    caught.append(number)
    raise Ended(exit_code(caught[0]))

  def hook(unraisable: Any) -> None:
    if isinstance(unraisable.exc_value, Ended):
      signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)
    else:
      former(unraisable)

  former, sys.unraisablehook = sys.unraisablehook, hook
  previous = _install(leave)
  if previous:
    previous[signal.SIGALRM] = signal.signal(signal.SIGALRM, leave)
  try:
    yield
    if caught:
      raise Ended(exit_code(caught[0]))
  finally:
    signal.setitimer(signal.ITIMER_REAL, 0)
    _restore(previous)
    if sys.unraisablehook is hook:
      sys.unraisablehook = former


@contextlib.contextmanager
def not_inherited() -> Iterator[None]:
  """Keeps signals from processes and threads that are started in the context.

  None is lost: the thread that enters it gets them at its end.
  """
  before = signal.pthread_sigmask(signal.SIG_BLOCK, CAUGHT)
  # It cleans up after processes that died, and would report that last of all.
  sys.warnoptions.append(_QUIET)
  try:
    # It comes with the first process, and unblocks some of the signals.
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, CAUGHT)
    yield
  finally:
    sys.warnoptions.remove(_QUIET)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


class StopRequest:
  """Catches a signal while its context is entered.

  Only the first one is caught; a second one ends the program at once. Outside
  the main thread, where Python does not allow handlers, nothing is caught.

  Attributes:
    signal: the caught signal, None before.
  """

  def __init__(self) -> None:
    self.signal: signal.Signals | None = None
    self._previous: dict[signal.Signals, Any] = {}

  def __enter__(self) -> "StopRequest":
    self._previous = _install(self._catch)
    return self

  def __exit__(self, *unused: object) -> None:
    _restore(self._previous)

  def _catch(self, number: int, frame: FrameType | None) -> None:
    del frame
    self.signal = signal.Signals(number)
    _install(_end)
    # Without Python's part, so that they end it while it computes, too.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # It comes again every second, until the hard limit.
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)


def _end(number: int, frame: FrameType | None) -> None:
  del frame
  os._exit(exit_code(number))


def _install(handler: _Handler) -> dict[signal.Signals, Any]:
  """Sets the handler of all signals; returns those of before."""
  if threading.current_thread() is not threading.main_thread():
    return {}
  is_ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
  return {
    number: signal.signal(number, handler)
    for number in CAUGHT
    if number != signal.SIGHUP or not is_ignored
  }


def _restore(previous: dict[signal.Signals, Any]) -> None:
  for number, handler in previous.items():
    signal.signal(number, handler)
