"""Watchdog over the other processes of a run.

A connection stays open between process 0 and every other process. It carries
one message, sent before an orderly end or after a signal. The operating system
closes the connection when a process dies for any reason; TCP keep-alive turns
the loss of a whole machine into an error.
"""

from collections.abc import Mapping
import contextlib
import os
import selectors
import socket
import sys
import threading

_CLOSING = b"closing\n"
_STOPPED = b"stop"  # with the exit code, as long as the other
# For the others to end after a signal.
_STOP_SECONDS = 5
# Seconds of silence before a probe, seconds between probes, number of probes.
_KEEP_ALIVE = (
  (socket.SO_KEEPALIVE, socket.SOL_SOCKET, 1),
  (socket.TCP_KEEPIDLE, socket.IPPROTO_TCP, 10),
  (socket.TCP_KEEPINTVL, socket.IPPROTO_TCP, 5),
  (socket.TCP_KEEPCNT, socket.IPPROTO_TCP, 4),
)


class Watchdog:
  """Ends this process when another one ends without closing."""

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
    self._is_closing = False
    self._thread = threading.Thread(target=self._watch, daemon=True)
    self._thread.start()

  def close(self, code: int = 0) -> None:
    """Announces an end; that of other processes is ignored from here on.

    Args:
      code: of the exit after a signal, for the others to end with, too; 0 for
        an orderly end, which is this process's own.
    """
    self._is_closing = True
    message = b"%s %d" % (_STOPPED, code) if code else _CLOSING
    for connection in self._connections.values():
      with contextlib.suppress(OSError):
        connection.sendall(message)
    if code and 0 not in self._connections:
      self._outlive()

  def _outlive(self) -> None:
    """Waits for the ends of the others, which JAX aborts if process 0 ends."""
    for connection in self._connections.values():
      connection.settimeout(_STOP_SECONDS)
      with contextlib.suppress(OSError):
        while connection.recv(len(_CLOSING)):
          pass

  def _watch(self) -> None:
    with selectors.DefaultSelector() as selector:
      for number, connection in self._connections.items():
        selector.register(connection, selectors.EVENT_READ, number)
      while selector.get_map():
        for key, _ in selector.select():
          self._receive(selector, key)

  def _receive(
    self, selector: selectors.BaseSelector, key: selectors.SelectorKey
  ) -> None:
    assert isinstance(key.fileobj, socket.socket)
    try:
      message = key.fileobj.recv(len(_CLOSING))
    except OSError:
      message = b""
    selector.unregister(key.fileobj)
    if self._is_closing:
      return
    if message.startswith(_STOPPED):
      code = int(message.removeprefix(_STOPPED))
      self.close(code)
      self._end(f"Process {key.data} of the run was stopped by a signal.", code)
    elif not message:
      self._end(
        f"error: Process {key.data} of the run has ended: see its output. This "
        "one cannot go on without it. The same commands, in all processes, go "
        "on from the last checkpoint.",
        1,
      )

  def _end(self, text: str, code: int) -> None:
    """Ends this process; its main thread may hang in a collective."""
    print(text, file=sys.stderr, flush=True)
    os._exit(code)
