"""Watchdog over the other processes of a run.

A connection stays open between process 0 and every other process. It carries a
byte every few seconds, and another before the process ends, orderly or after a
signal. The operating system closes the connection when a process dies for any
reason; TCP keep-alive turns the loss of a whole machine into an error, silence
that of a stopped process.
"""

from collections.abc import Iterable, Mapping
import contextlib
import ctypes
import os
import selectors
import signal
import socket
import sys
import threading
import time

_ALIVE, _CLOSING, _FAILING = b".", b"x", b"f"
_STOPPED = {143: b"t", 130: b"i"}  # by the exit code after a signal
# Seconds between signs of life; so many in a row may be missing.
BEAT_SECONDS = 5.0
_MISSING_BEATS = 9
# For a process whose peer fails to give a reason of its own, and for the peer.
_GRACE_SECONDS = 1.0
_LINGER_SECONDS = 3.0
# For the others to end after a signal.
_STOP_SECONDS = 5.0
# Seconds of silence before a probe, seconds between probes, number of probes.
_KEEP_ALIVE = (
  (socket.SO_KEEPALIVE, socket.SOL_SOCKET, 1),
  (socket.TCP_KEEPIDLE, socket.IPPROTO_TCP, 10),
  (socket.TCP_KEEPINTVL, socket.IPPROTO_TCP, 5),
  (socket.TCP_KEEPCNT, socket.IPPROTO_TCP, 4),
)


class Watchdog:
  """Ends this process when another one ends without closing, or stops."""

  def __init__(self, connections: Mapping[int, socket.socket]) -> None:
    """Starts the thread that watches.

    Args:
      connections: to other processes, by their numbers.
    """
    self._connections = dict(connections)
    for connection in self._connections.values():
      connection.settimeout(None)
      for option, level, value in _KEEP_ALIVE:
        connection.setsockopt(level, option, value)
    self._silent = dict.fromkeys(self._connections, 0)  # in beats
    self._is_closing = False
    _delay_aborts()
    self._thread = threading.Thread(target=self._watch, daemon=True)
    self._thread.start()

  def close(self, code: int = 0) -> None:
    """Announces an end; that of other processes is ignored from here on.

    Args:
      code: of the exit after a signal, for the others to end with, too; 0 for
        an orderly end, which is this process's own.
    """
    self._announce(_STOPPED.get(code, _CLOSING))
    if code and 0 not in self._connections:
      self._outlive()

  def fail(self) -> None:
    """Announces a failure, and waits a moment for the others to end."""
    self._announce(_FAILING)
    self._thread.join(_LINGER_SECONDS)

  def _announce(self, message: bytes) -> None:
    self._is_closing = True
    for connection in self._connections.values():
      _send(connection, message)

  def _outlive(self) -> None:
    """Waits for the ends of the others, which JAX aborts if process 0 ends."""
    for connection in self._connections.values():
      connection.settimeout(_STOP_SECONDS)
      with contextlib.suppress(OSError):
        while connection.recv(1000):
          pass

  def _watch(self) -> None:
    with selectors.DefaultSelector() as selector:
      for number, connection in self._connections.items():
        selector.register(connection, selectors.EVENT_READ, number)
      next_beat = time.monotonic()
      while selector.get_map():
        for key, _ in selector.select(max(0, next_beat - time.monotonic())):
          self._receive(selector, key)
        if time.monotonic() >= next_beat:
          # Counted from now: silence while this process was stopped is its own.
          next_beat = time.monotonic() + BEAT_SECONDS
          self._beat([key.data for key in selector.get_map().values()])

  def _receive(
    self, selector: selectors.BaseSelector, key: selectors.SelectorKey
  ) -> None:
    assert isinstance(key.fileobj, socket.socket)
    try:
      message = key.fileobj.recv(1000)
    except OSError:
      message = b""
    self._silent[key.data] = 0
    if message and not message.strip(_ALIVE):
      return
    selector.unregister(key.fileobj)
    if self._is_closing or _CLOSING in message:
      return
    for code, stopped in _STOPPED.items():
      if stopped in message:
        self.close(code)
        _end(f"Process {key.data} of the run was stopped by a signal.", code)
    if _FAILING in message:
      time.sleep(_GRACE_SECONDS)
    if not self._is_closing:  # It had no reason of its own meanwhile.
      self._lose(key.data, "has ended: see its output")

  def _beat(self, numbers: Iterable[int]) -> None:
    if self._is_closing:
      return
    for number in numbers:
      _send(self._connections[number], _ALIVE)
      self._silent[number] += 1
      if self._silent[number] > _MISSING_BEATS:
        self._lose(number, "is silent: it, or its machine, has been stopped")

  def _lose(self, number: int, what: str) -> None:
    """Ends this process because another one is lost."""
    text = (
      f"error: Process {number} of the run {what}. This one cannot go on "
      "without it. The same commands, in all processes, go on from the last "
      "checkpoint."
    )
    print_last(text)
    if len(self._connections) > 1:  # JAX needs this one until all have ended.
      self._announce(_FAILING)
      time.sleep(2 * _GRACE_SECONDS)
    os._exit(1)


def _end(text: str, code: int) -> None:
  """Ends this process; its main thread may hang in a collective."""
  print_last(text)
  os._exit(code)


def print_last(text: str) -> None:
  """Prints the last line of this process on standard error.

  Threads of JAX may report the same end at the same time; theirs goes nowhere.
  """
  with contextlib.suppress(OSError, ValueError):  # It may be closed.
    if sys.stderr:
      sys.stderr.flush()
    stderr = os.dup(2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.write(stderr, f"{text}\n".encode())


def _delay_aborts() -> None:
  """Gives a watchdog the time to end this process, and to name the reason.

  JAX aborts it when process 0 is gone. The handler is C's `sleep`, of as many
  seconds as the number of the signal, 6; then the process is aborted.
  """
  library = ctypes.CDLL(None)
  library.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
  library.signal.restype = ctypes.c_void_p
  sleep = ctypes.cast(library.sleep, ctypes.c_void_p)
  library.signal(signal.SIGABRT, sleep)


def _send(connection: socket.socket, message: bytes) -> None:
  with contextlib.suppress(OSError):  # Its end is noticed in reading.
    connection.sendall(message)
