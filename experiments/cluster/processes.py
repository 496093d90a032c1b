"""Runs of many processes: their start, agreement, collectives and end.

The same program runs on every machine and differs in its number alone. All
computation goes through `jax.distributed`. It notices the end of a process by a
missing heartbeat, `_HEARTBEAT_SECONDS` later, and aborts the others; before, a
watchdog ends them with the number of the process.
"""

from collections.abc import Callable, Iterator, Mapping
import contextlib
import dataclasses
import json
import os
import sys
import time
from typing import Any

import jax
from jax.experimental import multihost_utils
import numpy as np

from experiments.cluster import signals
from experiments.cluster import startup
from experiments.cluster import watchdog
from perceiver import bounds
from perceiver import errors

# A process that sends nothing for so long is dead; the watchdog is earlier.
_HEARTBEAT_SECONDS = 120
# For the watchdog's thread to end this process first, and to say why.
_WATCHDOG_SECONDS = 2
# Of this process, at most one: it starts once.
_watchdogs: list[watchdog.Watchdog] = []


class DisagreementError(errors.PerceiverError, ValueError):
  """The processes of one run were given different configurations."""


class PeerError(errors.PerceiverError, RuntimeError):
  """Another process of the run has failed, and this one cannot go on."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DistributedConfig:
  """The processes of a run; a single one by default.

  Attributes:
    coordinator: HOST:PORT of process 0, the same in all processes.
    num_processes: number of processes.
    process_id: number of this process, from 0.
    detect: let JAX detect these three, on Cloud TPU, Slurm and Open MPI.
    start_timeout: seconds to wait for all processes at the start.
  """

  coordinator: str | None = None
  num_processes: int | None = None
  process_id: int | None = None
  detect: bool = False
  start_timeout: int = 300

  def __post_init__(self) -> None:
    given = {
      "coordinator": self.coordinator,
      "num-processes": self.num_processes,
      "process-id": self.process_id,
    }
    missing = [name for name, value in given.items() if value is None]
    if self.detect and len(missing) < len(given):
      raise ValueError(
        "--distributed.detect finds out the rest: leave out "
        + ", ".join(f"--distributed.{n}" for n in given if n not in missing)
      )
    if 0 < len(missing) < len(given):
      raise ValueError(
        "several processes need --distributed.coordinator, .num-processes and "
        f".process-id; without {', '.join(missing)} they cannot start"
      )
    bounds.check_ranges(self, "num_processes", "start_timeout")
    if not missing:
      self.address()
      bounds.check_ranges(self, process_id=f"[0, {self.num_processes})")

  def address(self) -> tuple[str, int]:
    """Returns host and port of process 0.

    Raises:
      ValueError: if they are not given as HOST:PORT.
    """
    host, colon, port = (self.coordinator or "").rpartition(":")
    if not (host and colon and port.isdecimal() and 0 < int(port) < 2**16):
      raise ValueError(
        f"--distributed.coordinator must be HOST:PORT, not {self.coordinator!r}"
      )
    return host.strip("[]"), int(port)


def start(config: DistributedConfig) -> None:
  """Connects the processes; to be called before JAX is used.

  Args:
    config: the processes; one alone is not connected to any.

  Raises:
    startup.StartError: if some are missing or do not fit the others.
  """
  is_detected = config.detect
  if is_detected:
    address, count, number = startup.detect(config.start_timeout)
    config = dataclasses.replace(
      config,
      coordinator=address,
      num_processes=count,
      process_id=number,
      detect=False,
    )
  if config.coordinator is None:
    return
  assert config.process_id is not None
  assert config.num_processes is not None
  # JAX would catch SIGTERM for itself.
  jax.config.update("jax_enable_preemption_service", False)
  # It would warn of proxies, which are not used.
  jax.config.update("jax_check_proxy_envs", False)
  connections = startup.connect(
    config.address(),
    config.process_id,
    config.num_processes,
    config.start_timeout,
  )
  _watchdogs.append(watchdog.Watchdog(connections))
  startup.bypass_proxies(config.address()[0])
  try:
    jax.distributed.initialize(
      coordinator_address=config.coordinator,
      num_processes=config.num_processes,
      process_id=config.process_id,
      # A scheduler may give each process devices of its own.
      cluster_detection_method=None if is_detected else "deactivate",
      initialization_timeout=config.start_timeout,
      heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
    )
  except (RuntimeError, ValueError) as error:
    raise startup.StartError(
      f"Process {config.process_id} cannot join the others: {error}"
    ) from error


def is_running() -> bool:
  """Returns whether the run has several processes."""
  return jax.distributed.is_initialized() and jax.process_count() > 1


def shut_down(code: int) -> None:
  """Prepares the other processes for the end of this one.

  After a success the watchdogs are closed, and JAX's barrier at exit waits for
  the other processes. After a failure this process ends within seconds: the
  others may be in computations that need it, or have a reason of their own.
  After a signal they end with its exit code.

  Args:
    code: exit code of the process, 0 after a success.
  """
  if not jax.distributed.is_initialized():
    return
  sys.stdout.flush()
  sys.stderr.flush()
  is_stopped = code in signals.EXIT_CODES
  while _watchdogs and (is_stopped or not code):
    _watchdogs.pop().close(code)
  if code:
    for each in _watchdogs:
      each.fail()
    os._exit(code)


@contextlib.contextmanager
def raising_peer_errors() -> Iterator[None]:
  """Turns JAX's errors into `PeerError`, if there are other processes.

  Raises:
    PeerError: in place of JAX's error.
  """
  try:
    yield
  except jax.errors.JaxRuntimeError as error:
    if not is_running():
      raise
    # If a process has ended, the watchdog names it and ends this one; a
    # collective may fail a moment before the watchdog's thread runs.
    time.sleep(_WATCHDOG_SECONDS)
    raise PeerError(
      "A computation together with the other processes has failed, most "
      "likely because one of them has ended: see its output. Once all have "
      "ended, the same commands go on from the last checkpoint. "
      f"({str(error).splitlines()[0][:300]})"
    ) from error


def all_gather(value: int) -> list[int]:
  """Returns the values of all processes, by number; waits for all of them."""
  if jax.process_count() == 1:
    return [value]
  return list(map(int, multihost_utils.process_allgather(np.int32(value))))


def all_reduce_max(value: int) -> int:
  """Returns the maximum of all processes' values; waits for all of them."""
  return max(all_gather(value))


def broadcast(text: str) -> str:
  """Returns the text of process 0; waits for all processes."""
  if jax.process_count() == 1:
    return text
  mine = np.frombuffer(text.encode(), np.uint8)
  size = int(multihost_utils.broadcast_one_to_all(np.int32(mine.size)))
  same_size = np.resize(mine, size) if mine.size else np.zeros(size, np.uint8)
  found = multihost_utils.broadcast_one_to_all(same_size)
  return bytes(np.asarray(found, np.uint8)).decode()


def from_process_zero(function: Callable[[], Any]) -> Any:
  """Returns a function's result in process 0, as JSON would keep it.

  Raises:
    PeerError: in the other processes, if it fails; process 0 raises its error.
  """
  found: list[Any] = [None]
  on_process_zero(lambda: found.append(function()))
  return json.loads(broadcast(json.dumps(found[-1])))


def on_process_zero(action: Callable[[], Any]) -> None:
  """Calls a function in process 0 while the other processes wait.

  Args:
    action: the function.

  Raises:
    PeerError: in the other processes, if it fails; process 0 raises its error.
  """
  error: Exception | None = None
  if jax.process_index() == 0:
    try:
      action()
    except Exception as caught:  # Raised once the others have the message.
      error = caught
  message = broadcast("" if error is None else f"{error}" or repr(error))
  if error is not None:
    raise error
  if message:
    raise PeerError(f"Process 0 has failed: {message}")


def check_same(settings: Mapping[str, Any]) -> None:
  """Checks that all processes were started with the same settings.

  Args:
    settings: {name: plain value} of this process.

  Raises:
    DisagreementError: in every process if one differs from process 0; in that
      one with the settings that differ.
  """
  first = json.loads(broadcast(json.dumps(settings)))
  differing = [
    f"  {name}: {first.get(name, 'absent')} in process 0, "
    f"{settings.get(name, 'absent')} in process {jax.process_index()}"
    for name in sorted({*first, *settings})
    if first.get(name, ...) != settings.get(name, ...)
  ]
  if all_reduce_max(bool(differing)):
    raise DisagreementError(
      "The processes were started with different configurations."
      + "".join(f"\n{line}" for line in differing)
    )
