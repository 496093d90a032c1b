"""How a process of several learns that another one has ended.

Between process 0 and every other one a connection stays open, over which
nothing is said but farewell. The system closes it when a process dies, however
that happens. Where a whole machine vanishes, what is sent now and then to see
whether it is still there comes back as an error.
"""

from collections.abc import Mapping
import contextlib
import os
import selectors
import socket
import sys
import threading

_FAREWELL = b"farewell\n"
# Seconds of silence before asking, between asking, and how often.
_KEEP_ALIVE = (
  (socket.SO_KEEPALIVE, socket.SOL_SOCKET, 1),
  (socket.TCP_KEEPIDLE, socket.IPPROTO_TCP, 10),
  (socket.TCP_KEEPINTVL, socket.IPPROTO_TCP, 5),
  (socket.TCP_KEEPCNT, socket.IPPROTO_TCP, 4),
)


class Lifeline:
  """Ends this process as soon as another one has ended without farewell."""

  def __init__(self, connections: Mapping[int, socket.socket]) -> None:
    """Starts to watch.

    Args:
      connections: to other processes, by their numbers.
    """
    self._connections = dict(connections)
    for connection in self._connections.values():
      connection.settimeout(None)
      for option, level, value in _KEEP_ALIVE:
        connection.setsockopt(level, option, value)
    self._is_parting = False
    self._thread = threading.Thread(target=self._watch, daemon=True)
    self._thread.start()

  def part(self) -> None:
    """Says farewell: from now on this process may end, and so may others."""
    self._is_parting = True
    for connection in self._connections.values():
      with contextlib.suppress(OSError):
        connection.sendall(_FAREWELL)

  def _watch(self) -> None:
    with selectors.DefaultSelector() as selector:
      for number, connection in self._connections.items():
        selector.register(connection, selectors.EVENT_READ, number)
      while selector.get_map():
        for key, _ in selector.select():
          self._hear(selector, key)

  def _hear(
    self, selector: selectors.BaseSelector, key: selectors.SelectorKey
  ) -> None:
    assert isinstance(key.fileobj, socket.socket)
    try:
      said = key.fileobj.recv(len(_FAREWELL))
    except OSError:
      said = b""
    selector.unregister(key.fileobj)
    if not said and not self._is_parting:
      self._end(key.data)

  def _end(self, number: int) -> None:
    """Ends the process, whose main thread waits for what will not come."""
    print(
      f"error: Process {number} of the run has ended: see what it says. This "
      "one cannot go on without it. The same commands, for all processes, go "
      "on from the last checkpoint.",
      file=sys.stderr,
      flush=True,
    )
    os._exit(1)
