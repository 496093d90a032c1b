"""The watchdog over other processes, without a run."""

import os
import socket
import subprocess
import sys

import pytest

from tests.helpers import folders

# Process 0 is connected with all others; a code of 0 waits for the others.
_PROGRAM = """
import os, socket, sys, time
from experiments.cluster import watchdog
code, connections = int(sys.argv[1]), {}
for pair in sys.argv[2:]:
  number, descriptor = map(int, pair.split(":"))
  connections[number] = socket.socket(fileno=descriptor)
watching = watchdog.Watchdog(connections)
if not code:
  time.sleep(100)
if code > 1:
  watching.close(code)
os._exit(code)
"""


def _pair():
  with socket.create_server(("127.0.0.1", 0)) as server:
    client = socket.create_connection(server.getsockname())
    return server.accept()[0], client


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("code", [1, 130, 143])
def test_all_end_as_the_first_one(first, code):
  """With its code after a signal, else with 1, and a message."""
  pairs = {number: _pair() for number in (1, 2)}
  held = {0: {n: mine for n, (mine, _) in pairs.items()}}
  held |= {n: {0: theirs} for n, (_, theirs) in pairs.items()}
  started = [
    subprocess.Popen(
      [sys.executable, "-c", _PROGRAM, str(code * (number == first))]
      + [f"{other}:{s.fileno()}" for other, s in connections.items()],
      cwd=folders.ROOT,
      env=os.environ | {"PYTHONPATH": str(folders.ROOT)},
      pass_fds=[s.fileno() for s in connections.values()],
      stderr=subprocess.PIPE,
      text=True,
    )
    for number, connections in sorted(held.items())
  ]
  for connections in held.values():
    for connection in connections.values():
      connection.close()
  errors = [process.communicate(timeout=60)[1] for process in started]
  assert [process.returncode for process in started] == [code] * 3
  del errors[first]
  expected = "was stopped by a signal" if code > 1 else "has ended: see its"
  assert all(expected in error for error in errors), errors
