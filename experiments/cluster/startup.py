"""Where the processes of a run first meet: before JAX, which would just abort.

Process 0 listens; every other one calls, says its number and waits for the
answer. Whoever is missing, or there twice, is named in every process.
"""

from collections.abc import Iterable
import contextlib
import json
import socket
import time

from perceiver import errors

# A line of a few numbers; whoever sends more is none of us.
_MAX_LINE = 1000
_PAUSE_SECONDS = 0.2


class StartError(errors.PerceiverError, RuntimeError):
  """The processes of a run have not come together."""


def meet(
  address: tuple[str, int],
  process_id: int,
  num_processes: int,
  timeout: float,
) -> dict[int, socket.socket]:
  """Returns when all processes are there.

  Args:
    address: host and port of process 0.
    process_id: which process this is.
    num_processes: how many there should be.
    timeout: seconds to wait at most.

  Returns:
    Connections, by process: to process 0, or from it to all others.

  Raises:
    StartError: if some are not there in time, or do not fit one another.
  """
  deadline = time.monotonic() + timeout
  if process_id:
    return {0: _call(address, process_id, num_processes, deadline)}
  return _listen(address, num_processes, deadline)


def _call(
  address: tuple[str, int], process_id: int, num_processes: int, deadline: float
) -> socket.socket:
  """Tells process 0 who is there, and waits for what it says."""
  hello = {"process_id": process_id, "num_processes": num_processes}
  while True:
    try:
      with contextlib.ExitStack() as stack:
        connection = stack.enter_context(
          socket.create_connection(address, timeout=1)
        )
        connection.sendall(json.dumps(hello).encode() + b"\n")
        # Process 0 may wait as long for somebody else.
        connection.settimeout(max(1, deadline - time.monotonic() + 5))
        answer = _line(connection)
        if answer == "":
          stack.pop_all()
          return connection
        reason = "it hung up"  # It may have been an earlier run.
    except OSError as error:
      answer, reason = None, str(error)
    if answer is not None:
      raise StartError(answer)
    if time.monotonic() > deadline:
      raise StartError(
        f"Process {process_id} cannot reach process 0 at {address[0]}:"
        f"{address[1]} in time: {reason}. Has it been started, is the "
        "address right, and does a firewall let it through?"
      )
    time.sleep(_PAUSE_SECONDS)


def _listen(
  address: tuple[str, int], num_processes: int, deadline: float
) -> dict[int, socket.socket]:
  """Waits for everybody, then tells them all whether to go on."""
  here: dict[int, socket.socket] = {}
  with contextlib.ExitStack() as stack:
    problem = _gather(address, num_processes, deadline, here, stack)
    for connection in here.values():
      with contextlib.suppress(OSError):
        connection.sendall(problem.encode() + b"\n")
    if problem:
      raise StartError(problem)
    stack.pop_all()
  return here


def _gather(
  address: tuple[str, int],
  num_processes: int,
  deadline: float,
  here: dict[int, socket.socket],
  stack: contextlib.ExitStack,
) -> str:
  """Fills `here` with connections; returns what is wrong, if anything is."""
  with _server(address) as server:
    while len(here) < num_processes - 1:
      server.settimeout(max(0.01, deadline - time.monotonic()))
      try:
        connection = stack.enter_context(server.accept()[0])
      except TimeoutError:
        return _missing(num_processes, here)
      connection.settimeout(5)
      try:
        number = _number(_line(connection))
      except OSError:
        number = None
      if number is None:
        connection.close()  # Whoever it was is none of us.
        continue
      problem = _misfit(*number, num_processes, here)
      here[-1 if problem else number[0]] = connection  # One more to be told.
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


def _line(connection: socket.socket) -> str | None:
  """Reads one line; None if the other side hangs up first."""
  data = b""
  while not data.endswith(b"\n") and len(data) < _MAX_LINE:
    received = connection.recv(_MAX_LINE)
    if not received:
      return None
    data += received
  return data.decode(errors="replace").strip()


def _number(hello: str | None) -> tuple[int, int] | None:
  """Returns process and number of processes; None if it is none of us."""
  try:
    found = json.loads(hello or "")
    numbers = found["process_id"], found["num_processes"]
  except (KeyError, RecursionError, TypeError, ValueError):
    return None
  return numbers if all(type(number) is int for number in numbers) else None


def _misfit(
  process_id: int, theirs: int, num_processes: int, here: Iterable[int]
) -> str:
  if theirs != num_processes:
    return (
      f"Process 0 was told of {num_processes} processes, process {process_id} "
      f"of {theirs}."
    )
  if process_id in here:
    return f"There are two processes with the number {process_id}."
  return ""


def _missing(num_processes: int, here: Iterable[int]) -> str:
  missing = sorted({*range(1, num_processes)} - {*here})
  shown = ", ".join(map(str, missing[:10])) + ", …" * (len(missing) > 10)
  return (
    f"{len(missing)} of {num_processes} processes did not come in time: "
    f"{shown}. Have they been started, with this coordinator?"
  )
