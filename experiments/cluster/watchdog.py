"""Watchdog over the other processes of a run.

A connection stays open between process 0 and every other process. It carries
one message, sent before an orderly end. The operating system closes the
connection when a process dies for any reason; TCP keep-alive turns the loss of
a whole machine into an error.
"""

from collections.abc import Mapping
import contextlib
import os
import selectors
import socket
import sys
import threading

_CLOSING = b"closing\n"
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

  def close(self) -> None:
    """Announces an orderly end; the end of other processes is ignored too."""
    self._is_closing = True
    for connection in self._connections.values():
      with contextlib.suppress(OSError):
        connection.sendall(_CLOSING)

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
    if not message and not self._is_closing:
      self._end(key.data)

  def _end(self, number: int) -> None:
    """Ends this process; its main thread may hang in a collective."""
    print(
      f"error: Process {number} of the run has ended: see its output. This one "
      "cannot go on without it. The same commands, in all processes, go on "
      "from the last checkpoint.",
      file=sys.stderr,
      flush=True,
    )
    os._exit(1)
