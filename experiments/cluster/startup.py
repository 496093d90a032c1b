"""Connections between process 0 of a run and every other process.

`jax.distributed.initialize` starts a run, but where a process is missing it
aborts all of them with a stack trace that does not name it, and it accepts
processes that were started with different counts. Here process 0 listens, every
other process sends its number and count and waits for an answer; a process that
is missing, or there twice, is named in all of them.
"""

from collections.abc import Iterable
import contextlib
import os
import re
import socket
import time

import perceiver

# Bytes of a line: two numbers, or an error message.
_MAX_LINE = 1000
_PAUSE_SECONDS = 0.2


class StartError(perceiver.PerceiverError, RuntimeError):
  """The processes of a run did not all start."""


def connect(
  address: tuple[str, int],
  process_id: int,
  num_processes: int,
  timeout: float,
) -> dict[int, socket.socket]:
  """Connects process 0 with all others; waits for all of them.

  Args:
    address: host and port of process 0.
    process_id: number of this process.
    num_processes: count of processes.
    timeout: seconds to wait at most.

  Returns:
    Connections, by process: to process 0, or from it to all others.

  Raises:
    StartError: if processes are missing, there twice, or expect different
      counts.
  """
  deadline = time.monotonic() + timeout
  if process_id == 0:
    return _accept_all(address, num_processes, deadline)
  while True:
    try:
      return {0: _register(address, process_id, num_processes, deadline)}
    except OSError as error:
      if time.monotonic() > deadline:
        raise StartError(
          f"Process {process_id} cannot reach process 0 at {address[0]}:"
          f"{address[1]} in time: {error}. Has it been started, is the "
          "address right, and does a firewall let it through?"
        ) from error
    time.sleep(_PAUSE_SECONDS)


def detect(timeout: int) -> tuple[str, int, int]:
  """Returns the processes of Cloud TPU, Slurm, Open MPI, …, as detected.

  Args:
    timeout: seconds to wait at most.

  Returns:
    HOST:PORT of process 0, the count of processes and this one's number.

  Raises:
    StartError: if it does not state them.
  """
  try:
    # JAX has no public way to ask: its own start aborts if one is missing.
    from jax._src import clusters

    address, count, number, _ = (
      clusters.ClusterEnv.auto_detect_unset_distributed_params(
        os.environ.get("JAX_COORDINATOR_ADDRESS"),
        *(None, None, None, None),
        initialization_timeout=timeout,
      )
    )
  except Exception as error:  # Each kind of cluster has its own.
    reason = f": {type(error).__name__}: {error}"
  else:
    if address and count is not None and number is not None:
      return address, count, number
    reason = ""
  raise StartError(
    "No Cloud TPU, Slurm or Open MPI was found that states the processes"
    f"{reason}. Give --distributed.coordinator, .num-processes and .process-id."
  )


def bypass_proxies(host: str) -> None:
  """Keeps connections between the processes from proxies in the environment.

  A proxy is for what lies outside; JAX would abort when it does not answer.
  """
  if not any(map(os.environ.get, ("grpc_proxy", "https_proxy", "http_proxy"))):
    return
  names = ("no_grpc_proxy", "no_proxy")  # The first one that is set counts.
  others = next(filter(None, map(os.environ.get, names)), "")
  bypassed = ",".join(filter(None, [others, host]))
  os.environ["no_grpc_proxy"] = bypassed  # noqa: SIM112 (gRPC's spelling)


def free_port() -> int:
  """Returns the number of a port that is not in use."""
  with socket.create_server(("", 0)) as server:
    return int(server.getsockname()[1])


def _register(
  address: tuple[str, int], process_id: int, num_processes: int, deadline: float
) -> socket.socket:
  """Sends number and count to process 0 and waits for its answer."""
  with contextlib.ExitStack() as stack:
    connection = stack.enter_context(
      socket.create_connection(address, timeout=1)
    )
    connection.sendall(f"{process_id} {num_processes}\n".encode())
    # Process 0 may wait that long for another process.
    connection.settimeout(max(1, deadline - time.monotonic() + 5))
    if problem := _read_line(connection).decode(errors="replace"):
      raise StartError(problem)
    stack.pop_all()
    return connection


def _accept_all(
  address: tuple[str, int], num_processes: int, deadline: float
) -> dict[int, socket.socket]:
  """Waits for all processes, then answers all of them: empty, or a problem."""
  connections: dict[int, socket.socket] = {}
  with contextlib.ExitStack() as stack:
    problem = _accept(address, num_processes, deadline, connections, stack)
    for connection in connections.values():
      with contextlib.suppress(OSError):
        connection.sendall(problem.encode() + b"\n")
    if problem:
      raise StartError(problem)
    stack.pop_all()
  return connections


def _accept(
  address: tuple[str, int],
  num_processes: int,
  deadline: float,
  connections: dict[int, socket.socket],
  stack: contextlib.ExitStack,
) -> str:
  """Fills `connections`; returns the problem, empty if there is none."""
  with _server(address) as server:
    while len(connections) < num_processes - 1:
      server.settimeout(max(0.01, deadline - time.monotonic()))
      try:
        connection = stack.enter_context(server.accept()[0])
      except TimeoutError:
        return _missing(num_processes, connections)
      connection.settimeout(5)
      try:
        numbers = parse_registration(_read_line(connection))
      except OSError:
        numbers = None
      if numbers is None:  # Not a process of ours.
        connection.close()
        continue
      problem = _misfit(*numbers, num_processes, connections)
      # A duplicate is answered, too.
      connections[-1 if problem else numbers[0]] = connection
      if problem:
        return problem
  return ""


def _server(address: tuple[str, int]) -> socket.socket:
  try:
    if socket.has_dualstack_ipv6():
      return socket.create_server(
        ("", address[1]), family=socket.AF_INET6, dualstack_ipv6=True
      )
    return socket.create_server(("", address[1]))
  except OSError as error:
    raise StartError(
      f"Process 0 cannot listen at port {address[1]}: {error.strerror}. Is "
      "another run using it?"
    ) from error


def _read_line(connection: socket.socket) -> bytes:
  """Reads one line, without its end, and no byte more.

  Raises:
    OSError: if the other side closes first or does not answer in time.
  """
  with connection.makefile("rb", buffering=0) as file:
    line = file.readline(_MAX_LINE) or b""
  if not line.endswith(b"\n"):
    raise ConnectionError("the connection was closed")
  return line[:-1]


def parse_registration(line: bytes) -> tuple[int, int] | None:
  """Returns number and count of processes; None for any other line."""
  numbers = re.fullmatch(rb"(\d{1,9}) (\d{1,9})", line)
  return (int(numbers[1]), int(numbers[2])) if numbers else None


def _misfit(
  process_id: int, count: int, num_processes: int, connected: Iterable[int]
) -> str:
  if count != num_processes:
    return (
      f"Process 0 was started for {num_processes} processes, process "
      f"{process_id} for {count}."
    )
  if process_id in connected:
    return f"There are two processes with the number {process_id}."
  return ""


def _missing(num_processes: int, connected: Iterable[int]) -> str:
  missing = sorted({*range(1, num_processes)} - {*connected})
  shown = ", ".join(map(str, missing[:10])) + ", …" * (len(missing) > 10)
  return (
    f"{len(missing)} of {num_processes} processes did not connect in time: "
    f"{shown}. Have they been started, with this coordinator?"
  )
