"""Errors of commands, and their messages."""

from collections.abc import Callable
import gc
import os
import select
import sys
import traceback
from typing import Any

from experiments.cluster import processes
from experiments.cluster import signals
from experiments.cluster import watchdog
from experiments.runs import bucket_folders
from experiments.runs import progress
import perceiver

_STDOUT = 1


class UsageError(perceiver.PerceiverError, ValueError):
  """A command line asks for something that does not exist or cannot be."""


def run(main: Callable[[], Any]) -> int:
  """Runs a command; turns errors that a person caused into one paragraph.

  One process of several that fails ends at once: the others wait for it.

  Returns:
    The exit code: 0, 1 if the run failed, 2 if the command makes no sense.
  """
  message, code = "", 0
  try:
    with progress.quiet_stderr(), signals.exiting(), bucket_folders.closing():
      main()
    if sys.stdout:  # None where it is closed.
      sys.stdout.flush()
  except BrokenPipeError:
    if _has_reader():
      raise
  except SystemExit as error:
    _has_reader()
    # After a run's own exit all processes stop together.
    alone = isinstance(error, signals.Ended)
    processes.shut_down(int(error.code or 0) if alone else 0)
    if alone and _is_program():
      if sys.stdout:
        progress.Quiet(sys.stdout).flush()
      # Python's own end would pull away what JAX's threads are computing with.
      os._exit(int(error.code or 0))
    raise
  except Exception as error:
    message, code = _message(error), 2 if isinstance(error, UsageError) else 1
    if not message:
      if processes.is_running():
        traceback.print_exc()
        processes.shut_down(1)
      raise
  if message:
    # Several processes end together: each gives its own reason at once.
    if processes.is_running():
      watchdog.print_last(f"error: {message}")
    else:
      gc.collect()  # What the error held may complain as it is freed.
      with progress.quiet_stderr():
        print(f"error: {message}", file=sys.stderr)
  processes.shut_down(code)
  return code


def _is_program() -> bool:
  """Returns whether one of our commands is the whole program."""
  spec = getattr(sys.modules["__main__"], "__spec__", None)
  return spec is not None and spec.name.startswith("experiments.")


def _message(error: Exception) -> str:
  """Returns the message for the person who can mend it; empty if nobody can."""
  if isinstance(error, OSError) and error.filename:
    return f"{error.filename}: {error.strerror}"
  mendable = isinstance(error, (perceiver.PerceiverError, FileNotFoundError))
  # JAX has no error class for devices that are not there.
  is_backend = str(error).startswith("Unable to initialize backend")
  return str(error) if mendable or is_backend else ""


def _has_reader() -> bool:
  """Returns whether somebody reads standard output; mends it if not.

  Without this, Python ends with a traceback after `--help | head`.
  """
  poll = select.poll()
  poll.register(_STDOUT, select.POLLERR)
  if not any(event & select.POLLERR for _, event in poll.poll(0)):
    return True
  progress.silence(sys.stdout)
  return False
