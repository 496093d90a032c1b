"""The machine below a run: accelerators that stay unused, shared memory."""

import os
import pathlib
import re
import signal

_DEVICES = pathlib.Path("/dev")
_SHARED_MEMORY = pathlib.Path("/dev/shm")
# Device files of accelerators, and the extras by which JAX uses them.
_ACCELERATORS = (
  (re.compile(r"nvidia\d+"), "GPU", "cuda"),
  (re.compile(r"accel\d+"), "TPU", "tpu"),
)


def unused_accelerator(platform: str) -> str:
  """Returns a warning of an accelerator that JAX leaves unused, else "".

  Args:
    platform: of JAX's devices. "cpu" is no surprise where $JAX_PLATFORMS names
      it.
  """
  if platform != "cpu" or "cpu" in os.environ.get("JAX_PLATFORMS", ""):
    return ""
  names = sorted(path.name for path in _DEVICES.glob("*"))
  for pattern, kind, extra in _ACCELERATORS:
    if found := [name for name in names if pattern.fullmatch(name)]:
      return (
        f"warning: this machine has a {kind}, {_DEVICES / found[0]}, and JAX "
        "computes on the CPU. Install JAX for it, `pip install -e "
        f"'.[{extra}]'`, or set JAX_PLATFORMS=cpu."
      )
  return ""


def cause_of_death(exit_code: int | None) -> str:
  """Returns the likely cause of a worker's end, and a remedy.

  Args:
    exit_code: of the process, -N after signal N; None if it never began, for
      lack of a semaphore.
  """
  if exit_code not in (None, -signal.SIGBUS):
    return (
      "perhaps it was out of memory: fewer --train.loader-workers need less"
    )
  try:
    stats = os.statvfs(_SHARED_MEMORY)
    size = f"of {stats.f_blocks * stats.f_frsize / 2**20:.0f} MiB"
  except OSError:
    size = "which is not there"
  return (
    f"the shared memory {_SHARED_MEMORY}, {size}, is too small for the batches "
    "that it hands over: make it larger, as by `docker run --shm-size 8g`, or "
    "leave out --train.loader-workers"
  )
