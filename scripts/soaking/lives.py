"""Processes of a run, to be signalled and killed."""

from collections.abc import Sequence
import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import tempfile
import time

from experiments.cluster import startup

_ROOT = pathlib.Path(__file__).parents[2]
_MAX_SECONDS = 300.0  # of a life after its end was asked for


class Fault(Exception):
  """A run did not do what it should."""


@dataclasses.dataclass(frozen=True)
class Way:
  """The way in which a run is started.

  Attributes:
    devices: of every process.
    processes: that share the run.
    options: that may differ between two starts.
    has_terminal: whether it prints to a terminal.
  """

  devices: int = 1
  processes: int = 1
  options: tuple[str, ...] = ()
  has_terminal: bool = False


class Life:
  """The processes of a run, from a start to their end; a group of their own.

  Attributes:
    began: the time of the start.
  """

  def __init__(self, command: Sequence[str], way: Way) -> None:
    """Starts the processes, which print to a file, or to a terminal."""
    number, path = tempfile.mkstemp(prefix="life-")
    self._path, self._terminal = pathlib.Path(path), -1
    if way.has_terminal:
      os.close(number)
      self._terminal, number = os.openpty()
      os.set_blocking(self._terminal, False)
    # Of two equal flags, the last holds.
    xla_flags = (
      f"{os.environ.get('XLA_FLAGS', '')} "
      f"--xla_force_host_platform_device_count={way.devices}"
    )
    port, self.began = startup.free_port(), time.monotonic()
    self._processes: list[subprocess.Popen[bytes]] = []

    def prepare() -> None:
      signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it.
      if way.has_terminal:
        os.login_tty(number)
      else:
        os.setpgid(0, self._processes[0].pid if self._processes else 0)

    for index in range(way.processes):
      joined = (
        f"--distributed.coordinator=localhost:{port}",
        f"--distributed.num-processes={way.processes}",
        f"--distributed.process-id={index}",
      ) * (way.processes > 1)
      self._processes.append(
        subprocess.Popen(
          [*command, *way.options, *joined],
          cwd=_ROOT,
          env=os.environ | {"XLA_FLAGS": xla_flags, "NPROC": "32"},
          stdin=subprocess.DEVNULL,
          stdout=number,
          stderr=number,
          preexec_fn=prepare,
        )
      )
    os.close(number)

  def codes(self) -> list[int | None]:
    """Returns the exit codes of the processes, None while they live."""
    return [process.poll() for process in self._processes]

  def output(self) -> str:
    """Returns the text printed so far."""
    if self._terminal >= 0:
      with self._path.open("ab") as file, contextlib.suppress(OSError):
        while text := os.read(self._terminal, 1 << 16):
          file.write(text)
    return self._path.read_text(errors="replace")

  def close_terminal(self) -> None:
    """Closes the terminal, as when its window is closed."""
    if self._terminal >= 0:
      self.output()
      os.close(self._terminal)
      self._terminal = -1

  def signal(self, number: int, index: int | None = None) -> None:
    """Sends a signal to one process, or to all of them and their workers."""
    with contextlib.suppress(ProcessLookupError):
      if index is None:
        os.killpg(self._processes[0].pid, number)
      elif self._processes[index].poll() is None:
        os.kill(self._processes[index].pid, number)

  def end(self, codes: set[int]) -> set[int]:
    """Waits for the end of all processes; returns their exit codes.

    Args:
      codes: the exit codes that are expected.

    Raises:
      Fault: if there are others, something failed without a message, or a
        process does not end; workers must notice that their run was killed.
    """
    end = time.monotonic() + _MAX_SECONDS
    with contextlib.suppress(ProcessLookupError):
      while True:
        is_alive = None in self.codes()
        self.output()
        os.killpg(self._processes[0].pid, 0)
        if time.monotonic() > end:
          raise Fault("it does not end" if is_alive else "a worker is left")
        time.sleep(0.02)
    found = {process.wait() for process in self._processes}
    if not found <= codes:
      raise Fault(f"the exit codes are {found}, not among {codes}")
    if "Traceback" in self.output():
      raise Fault("there is a traceback")
    return found

  def close(self) -> None:
    """Kills what is left."""
    self.signal(signal.SIGKILL)
    for process in self._processes:
      process.wait()
    self.close_terminal()
    self._path.unlink()
