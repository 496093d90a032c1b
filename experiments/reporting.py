"""What a run leaves behind for people, and what it tells them meanwhile.

In the run's folder: `config.json` (what was asked for), `provenance.json`
(with which versions, on which devices), `metrics.jsonl` (one row of numbers
per line) and TensorBoard's event files. On standard error: progress.

`metrics.jsonl` holds nothing that depends on the clock, so two runs of the
same configuration write the same bytes.
"""

from collections.abc import Callable, Mapping, Sequence
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import sys
import time
from typing import Any, TextIO

import tensorboardX

_PACKAGES = (
  "chex",
  "dm-haiku",
  "grain",
  "jax",
  "jaxlib",
  "numpy",
  "optax",
  "orbax-checkpoint",
)
METRICS = "metrics.jsonl"


class ConfigError(ValueError):
  """A run's folder was made with another configuration."""


class Reporter:
  """Writes a run's numbers; does nothing but keep time in other processes.

  To be closed after use.
  """

  def __init__(
    self,
    workdir: pathlib.Path,
    *,
    first_step: int,
    total_steps: int,
    is_writer: bool = True,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
  ) -> None:
    """Opens the files, and drops what they hold of steps yet to be made.

    Args:
      workdir: the run's folder, which exists.
      first_step: steps made before, from a checkpoint; later rows are from
        a time that is about to be lived through again.
      total_steps: steps of the whole run.
      is_writer: whether this process is the one that writes.
      stream: where progress goes, standard error if None.
      clock: seconds since some moment.
    """
    self._is_writer = is_writer
    self._total_steps = total_steps
    self._stream = sys.stderr if stream is None else stream
    self._clock = clock
    self._last = (clock(), first_step)
    self._line_is_open = False
    path = workdir / METRICS
    rows = read_rows(path) if path.exists() else []
    self._rows = [row for row in rows if row["step"] <= first_step]
    if is_writer:
      lines = (json.dumps(row) + "\n" for row in self._rows)
      write_text(path, "".join(lines))
      self._file = path.open("a", encoding="utf-8")
      self._board = tensorboardX.SummaryWriter(
        str(workdir), purge_step=first_step + 1
      )

  def __enter__(self) -> "Reporter":
    return self

  def __exit__(self, *unused: object) -> None:
    self.close()

  def close(self) -> None:
    """Completes the files."""
    self._end_line()
    if self._is_writer:
      self._file.close()
      self._board.close()

  def find(self, kind: str, step: int) -> dict[str, Any] | None:
    """Returns the row of this kind and step, None if there is none."""
    for row in self._rows:
      if row["kind"] == kind and row["step"] == step:
        return row
    return None

  def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
    """Adds a row of numbers; it is on its way to the disk on return.

    Args:
      kind: "train" or "eval".
      step: steps made so far.
      values: the numbers, all finite.
    """
    row = {"step": step, "kind": kind, **values}
    self._rows.append(row)
    if not self._is_writer:
      return
    self._file.write(json.dumps(row, allow_nan=False) + "\n")
    self._file.flush()
    for name, value in values.items():
      if isinstance(value, float):
        self._board.add_scalar(f"{kind}/{name}", value, step)

  def progress(self, step: int, loss: float) -> None:
    """Shows how far the run is, how fast, and how long it will take."""
    now = self._clock()
    then, step_then = self._last
    self._last = (now, step)
    if not self._is_writer:
      return
    text = f"step {step}/{self._total_steps}  loss {loss:.4g}"
    if step > step_then:
      rate = (step - step_then) / max(now - then, 1e-9)
      left = (self._total_steps - step) / rate
      self._board.add_scalar("train/steps_per_second", rate, step)
      text += f"  {rate:.3g} steps/s  {_duration(left)} left"
    self._show(text)

  def evaluating(self, done: int, total: int) -> None:
    """Shows how far an evaluation is; on a terminal only."""
    if self._is_writer and self._stream.isatty():
      self._show(f"evaluating {done}/{total}")

  def say(self, text: str) -> None:
    """Shows a line that stays."""
    if self._is_writer:
      self._end_line()
      print(text, file=self._stream, flush=True)

  def resume_clock(self, step: int) -> None:
    """Measures the speed from this step and this moment on."""
    self._last = (self._clock(), step)

  def _show(self, text: str) -> None:
    """Overwrites the last line of a terminal; elsewhere adds a line."""
    if not self._stream.isatty():
      print(text, file=self._stream, flush=True)
      return
    print(f"\r\x1b[K{text}", end="", file=self._stream, flush=True)
    self._line_is_open = True

  def _end_line(self) -> None:
    if self._line_is_open:
      print(file=self._stream, flush=True)
      self._line_is_open = False


def read_rows(path: pathlib.Path) -> list[dict[str, Any]]:
  """Reads `metrics.jsonl`, up to a line that a killed run left unfinished."""
  rows = []
  for line in path.read_text(encoding="utf-8").splitlines():
    try:
      rows.append(json.loads(line))
    except json.JSONDecodeError:
      break
  return rows


def _duration(seconds: float) -> str:
  """Returns a duration as days, hours, minutes and seconds, two of them."""
  left = round(seconds)
  parts: list[str] = []
  for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
    count, left = divmod(left, length)
    if count or (unit == "s" and not parts):
      parts.append(f"{count} {unit}")
  return " ".join(parts[:2])


def write_text(path: pathlib.Path, text: str) -> None:
  """Writes a file that is either the old one or the new one, whole."""
  temporary = path.with_name(f".{path.name}.{os.getpid()}")
  temporary.write_text(text, encoding="utf-8")
  temporary.replace(path)


def claim(
  workdir: pathlib.Path, config: str, may_differ: Sequence[str] = ()
) -> None:
  """Makes a run's folder, or makes sure that it is of the same run.

  Args:
    workdir: the run's folder.
    config: the configuration as JSON, to be kept as `config.json`.
    may_differ: dotted names of fields that may change between the parts of
      one run; everything below such a field may change too.

  Raises:
    ConfigError: naming the fields that differ, with both values.
  """
  path = workdir / "config.json"
  if path.exists():
    then = _leaves(json.loads(path.read_text()))
    now = _leaves(json.loads(config))
    differing = [
      f"  {name}: {then.get(name, 'absent')} then, "
      f"{now.get(name, 'absent')} now"
      for name in sorted({*then, *now})
      if then.get(name, ...) != now.get(name, ...)
      and not any(f"{name}.".startswith(f"{free}.") for free in may_differ)
    ]
    if differing:
      raise ConfigError(
        f"The run in {workdir} was started with another configuration:\n"
        + "\n".join(differing)
        + "\nGo on with the old one, or choose another --workdir."
      )
  workdir.mkdir(parents=True, exist_ok=True)
  write_text(path, config)


def _leaves(value: Any, prefix: str = "") -> dict[str, Any]:
  """Returns {dotted name: value} of a tree of JSON objects."""
  if not isinstance(value, dict):
    return {prefix: value}
  leaves: dict[str, Any] = {}
  for name, child in value.items():
    leaves |= _leaves(child, f"{prefix}.{name}" if prefix else name)
  return leaves


def record_provenance(
  workdir: pathlib.Path, devices: Mapping[str, Any], first_step: int
) -> None:
  """Adds to `provenance.json` how this part of the run was started.

  Args:
    workdir: the run's folder.
    devices: the devices in words.
    first_step: steps made before.
  """
  path = workdir / "provenance.json"
  starts = json.loads(path.read_text()) if path.exists() else []
  starts.append(
    {
      "time": datetime.datetime.now(datetime.UTC).isoformat("T", "seconds"),
      "first_step": first_step,
      "command": sys.argv,
      "devices": dict(devices),
      "git": _git_state(),
      "python": platform.python_version(),
      "versions": {p: importlib.metadata.version(p) for p in _PACKAGES},
    }
  )
  write_text(path, json.dumps(starts, indent=2) + "\n")


def _git_state() -> dict[str, Any] | None:
  """Returns the code's commit, None where it is not under version control."""
  folder = pathlib.Path(__file__).parent

  def git(*words: str) -> str:
    return subprocess.run(
      ["git", *words], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()

  try:
    changed = bool(git("status", "--porcelain", "--untracked-files=no"))
    return {"commit": git("rev-parse", "HEAD"), "changed": changed}
  except (OSError, subprocess.CalledProcessError):
    return None
