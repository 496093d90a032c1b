"""Processes for tests that start quickly, and may be signalled and killed.

They are forked from a server that has imported everything, but has not yet
touched JAX's devices: each process chooses its own.
"""

from collections.abc import Callable, Mapping
import contextlib
import multiprocessing
from multiprocessing import context
import os
import pathlib
import signal
import time
from typing import Any

_ROOT = pathlib.Path(__file__).parents[2]
_SECONDS = 500


class Process:
  """A process that calls a function and prints to a file.

  It leads a group of processes, or is in that of another one.
  """

  def __init__(
    self,
    output: pathlib.Path,
    function: Callable[..., Any],
    *arguments: Any,
    devices: int = 1,
    environment: Mapping[str, str] | None = None,
    leader: "Process | None" = None,
  ) -> None:
    """Starts the process.

    Args:
      output: file for standard output and standard error.
      function: the function; its module must not touch JAX's devices.
      *arguments: arguments of the function.
      devices: number of simulated devices.
      environment: further variables of the environment.
      leader: the process whose group it is in; None if it has its own.
    """
    self._output = output
    variables = dict(environment or {})
    group = leader.pid if leader else 0
    self._process = _server().Process(
      target=_run,
      args=(output, group, devices, variables, function, arguments),
    )
    self._process.start()

  @property
  def pid(self) -> int:
    assert self._process.pid is not None
    return self._process.pid

  def is_alive(self) -> bool:
    return self._process.is_alive()

  def signal(self, number: int, *, to_group: bool = False) -> None:
    """Sends a signal to the process, or to its whole group."""
    (os.killpg if to_group else os.kill)(self.pid, number)

  def kill(self) -> None:
    """Kills its group with signal 9, and waits for its end."""
    self._process.kill()
    with contextlib.suppress(ProcessLookupError):
      self.signal(signal.SIGKILL, to_group=True)
    self._process.join()

  def output(self) -> str:
    """Returns the text printed so far."""
    return self._output.read_text() if self._output.exists() else ""

  def join(self, seconds: float = _SECONDS) -> int:
    """Returns its exit code, negative for a signal's number.

    Raises:
      AssertionError: if it does not end in time; it is killed then.
    """
    self._process.join(seconds)
    if self._process.exitcode is None:
      self.kill()
      raise AssertionError(f"it does not end: {self.output()}")
    return self._process.exitcode

  def wait_for(self, text: str) -> None:
    """Waits until it has printed `text`."""
    self.wait_until(lambda: text in self.output())

  def wait_until(self, happened: Callable[[], object]) -> None:
    """Waits until something has happened while it runs."""
    end = time.monotonic() + _SECONDS
    while not happened():
      assert self.is_alive(), self.output()
      assert time.monotonic() < end, self.output()
      time.sleep(0.02)


def _server() -> context.ForkServerContext:
  """Returns the server of processes, started with everything imported."""
  # The server imports before the path of this process is passed on.
  os.environ["PYTHONPATH"] = str(_ROOT)
  result = multiprocessing.get_context("forkserver")
  result.set_forkserver_preload(["tests.helpers.preloaded"])
  return result


def _run(
  output: pathlib.Path,
  group: int,
  devices: int,
  environment: dict[str, str],
  function: Callable[..., Any],
  arguments: tuple[Any, ...],
) -> None:
  while True:
    with contextlib.suppress(PermissionError):  # The leader may be later.
      os.setpgid(0, group)
      break
    time.sleep(0.01)
  signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it.
  file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
  os.dup2(file, 1)
  os.dup2(file, 2)
  os.environ.update(environment)
  # XLA reads it when the first device is asked for, and the last of two equal
  # flags holds. How programs are compiled is inherited, for some are compared
  # with those of the test's process to the last bit.
  os.environ["XLA_FLAGS"] = (
    f"{os.environ.get('XLA_FLAGS', '')} "
    f"--xla_force_host_platform_device_count={devices} "
    # Of one thread each, for many of them share two cores.
    "--xla_cpu_multi_thread_eigen=false"
  )
  os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
  function(*arguments)
