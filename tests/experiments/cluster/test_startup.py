"""Processes that connect, and the errors that name the missing ones."""

from concurrent import futures
import socket

import pytest

from experiments.cluster import processes
from experiments.cluster import startup

StartError = startup.StartError


def _connect(*callers, timeout=20.0):
  """Connects processes (number, count); returns each one's result or error."""
  address = ("127.0.0.1", startup.free_port())
  with futures.ThreadPoolExecutor(len(callers)) as pool:
    waiting = [
      pool.submit(startup.connect, address, *caller, timeout)
      for caller in callers
    ]
    return [each.exception() or each.result() for each in waiting]


def _close(found):
  for connections in found:
    for connection in connections.values():
      connection.close()


def test_process_zero_is_connected_with_all_others():
  found = _connect((0, 3), (1, 3), (2, 3))
  assert [sorted(each) for each in found] == [[1, 2], [0], [0]]
  found[0][2].sendall(b"x")
  assert found[2][0].recv(1) == b"x"
  _close(found)


def test_a_single_process_connects_to_none():
  assert _connect((0, 1)) == [{}]


def test_missing_processes_are_named_in_all_others():
  found = _connect((0, 4), (2, 4), timeout=1)
  for error in found:
    assert isinstance(error, StartError)
    assert "2 of 4 processes did not connect in time: 1, 3." in str(error)


def test_two_processes_of_one_number_are_refused():
  found = _connect((0, 3), (1, 3), (1, 3))
  for error in found:
    assert str(error) == "There are two processes with the number 1."


def test_different_numbers_of_processes_are_refused():
  for error in _connect((0, 2), (1, 3)):
    assert str(error) == (
      "Process 0 was started for 2 processes, process 1 for 3."
    )


def test_process_zero_is_missing():
  port = startup.free_port()
  with pytest.raises(StartError, match=f"1 cannot reach .*:{port} in time"):
    startup.connect(("127.0.0.1", port), 1, 2, 0.5)


def test_a_port_in_use():
  with socket.create_server(("", 0)) as other:
    port = other.getsockname()[1]
    with pytest.raises(StartError, match=f"cannot listen at port {port}"):
      startup.connect(("127.0.0.1", port), 0, 2, 0.5)


def test_other_programs_are_not_counted():
  address = ("127.0.0.1", startup.free_port())
  with futures.ThreadPoolExecutor(2) as pool:
    first = pool.submit(startup.connect, address, 0, 2, 20)
    connected = None
    while connected is None:
      try:
        connected = socket.create_connection(address)
      except OSError:
        assert not first.done()
    with connected:
      connected.sendall(b"GET / HTTP/1.1\r\n\r\n")
      second = pool.submit(startup.connect, address, 1, 2, 20)
      found = [first.result(), second.result()]
  assert [sorted(each) for each in found] == [[1], [0]]
  _close(found)


@pytest.mark.parametrize(
  ("settings", "message"),
  [
    ({"coordinator": "a:1"}, "without num-processes, process-id they cannot"),
    ({"num_processes": 2, "process_id": 0}, "without coordinator they cannot"),
    ({"coordinator": "a:1", "detect": True}, "leave out --distributed.coordi"),
    ({"coordinator": "a", "num_processes": 2, "process_id": 0}, "HOST:PORT"),
    ({"coordinator": "a:0", "num_processes": 2, "process_id": 0}, "HOST:PORT"),
    (
      {"coordinator": "a:1", "num_processes": 2, "process_id": 2},
      r"process_id is 2; expected \[0, 2\)",
    ),
    (
      {"coordinator": "a:1", "num_processes": 0, "process_id": 0},
      "num_processes is 0; expected at least 1",
    ),
    ({"start_timeout": 0}, "start_timeout is 0; expected at least 1"),
  ],
)
def test_options_that_do_not_fit_are_refused(settings, message):
  with pytest.raises(ValueError, match=message):
    processes.DistributedConfig(**settings)


def test_addresses():
  config = processes.DistributedConfig(
    coordinator="[::1]:1234", num_processes=2, process_id=0
  )
  assert config.address() == ("::1", 1234)
