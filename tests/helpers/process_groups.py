"""Processes for tests that start quickly and may be killed.

They are forked from a server that has imported everything, but has not yet
touched JAX's devices: each process chooses its own.
"""

from collections.abc import Callable, Mapping
import multiprocessing
from multiprocessing import context
import os
import pathlib
import time
from typing import Any

_ROOT = pathlib.Path(__file__).parents[2]
_SECONDS = 500


class Process:
  """A process that calls a function and prints to a file."""

  def __init__(
    self,
    output: pathlib.Path,
    function: Callable[..., Any],
    *arguments: Any,
    devices: int = 1,
    environment: Mapping[str, str] | None = None,
  ) -> None:
    """Starts the process.

    Args:
      output: file for standard output and standard error.
      function: the function; its module must not touch JAX's devices.
      *arguments: arguments of the function.
      devices: number of simulated devices.
      environment: further variables of the environment.
    """
    self._output = output
    self._process = _server().Process(
      target=_run,
      args=(output, devices, dict(environment or {}), function, arguments),
    )
    self._process.start()

  @property
  def pid(self) -> int:
    assert self._process.pid is not None
    return self._process.pid

  def is_alive(self) -> bool:
    return self._process.is_alive()

  def kill(self) -> None:
    """Kills it with signal 9, and waits for its end."""
    self._process.kill()
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
    end = time.monotonic() + _SECONDS
    while text not in self.output():
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
  devices: int,
  environment: dict[str, str],
  function: Callable[..., Any],
  arguments: tuple[Any, ...],
) -> None:
  file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
  os.dup2(file, 1)
  os.dup2(file, 2)
  os.environ.update(environment)
  # XLA reads it when the first device is asked for.
  os.environ["XLA_FLAGS"] = (
    f"--xla_force_host_platform_device_count={devices} "
    # Of one thread each, for many of them share two cores.
    "--xla_cpu_multi_thread_eigen=false"
  )
  os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
  function(*arguments)
