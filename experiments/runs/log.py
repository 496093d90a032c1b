"""What a run leaves behind for people, and what it tells them meanwhile.

In the run's folder: `config.json` (what was asked for), `provenance.json`
(with which versions, on which devices), `metrics.jsonl` (one row of numbers
per line) and TensorBoard's event files. On standard error: progress.

`metrics.jsonl` holds nothing that depends on the clock, so two runs of the
same configuration write the same bytes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
import contextlib
import json
import pathlib
import sys
import time
from typing import Any, TextIO

from experiments.data import files
from experiments.runs import event_files
from perceiver import errors
from perceiver.checkpoints import atomic

METRICS = "metrics.jsonl"


class ConfigError(errors.PerceiverError, ValueError):
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
    self._path = path = workdir / METRICS
    rows = read_rows(path) if path.exists() else []
    self._rows = [row for row in rows if row["step"] <= first_step]
    if is_writer:
      lines = (json.dumps(row) + "\n" for row in self._rows)
      atomic.write_text(path, "".join(lines))
      self._file = path.open("a", encoding="utf-8")
      self._events = event_files.EventFile(workdir, first_step)

  def __enter__(self) -> "Reporter":
    return self

  def __exit__(self, *unused: object) -> None:
    self.close()

  def close(self) -> None:
    """Completes the files."""
    self._end_line()
    if self._is_writer:
      # What could not be written was an error before.
      for file in (self._file, self._events):
        with contextlib.suppress(OSError):
          file.close()

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

    Raises:
      files.InputError: if the disk is full.
    """
    row = {"step": step, "kind": kind, **values}
    self._rows.append(row)
    if not self._is_writer:
      return
    text = json.dumps(row, allow_nan=False) + "\n"
    with self._writing():
      self._file.write(text)
      self._file.flush()
      for name, value in values.items():
        if isinstance(value, float):
          self._events.add(f"{kind}/{name}", value, step)

  @contextlib.contextmanager
  def _writing(self) -> Iterator[None]:
    try:
      yield
    except OSError as error:
      raise files.InputError(
        f"{self._path} cannot be written: {error.strerror}"
      ) from error

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
      with self._writing():
        self._events.add("train/steps_per_second", rate, step)
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
  rows = list[dict[str, Any]]()
  for line in path.read_bytes().splitlines():
    try:
      row = json.loads(line)
    except (RecursionError, ValueError):
      break
    if not isinstance(row, dict) or not isinstance(row.get("step"), int):
      break
    if not isinstance(row.get("kind"), str):
      break
    rows.append(row)
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
    then = settings(_read_config(path), may_differ)
    now = settings(config, may_differ)
    differing = [
      f"  {name}: {then.get(name, 'absent')} then, "
      f"{now.get(name, 'absent')} now"
      for name in sorted({*then, *now})
      if then.get(name, ...) != now.get(name, ...)
    ]
    if differing:
      raise ConfigError(
        f"The run in {workdir} was started with another configuration:\n"
        + "\n".join(differing)
        + "\nGo on with the old one, or choose another --workdir."
      )
  workdir.mkdir(parents=True, exist_ok=True)
  atomic.write_text(path, config)


def _read_config(path: pathlib.Path) -> str:
  """Reads a configuration; `ConfigError` if it is none."""
  try:
    text = path.read_text(encoding="utf-8")
    if isinstance(json.loads(text), dict):
      return text
  except (OSError, RecursionError, ValueError) as error:
    raise ConfigError(f"{path} cannot be read: {error}") from error
  raise ConfigError(f"{path} is not a configuration")


def settings(config: str, leaving_out: Sequence[str] = ()) -> dict[str, Any]:
  """Returns {dotted name: value} of a configuration.

  Args:
    config: as JSON.
    leaving_out: names of fields that do not matter, with all below them.
  """
  leaves = _leaves(json.loads(config))
  return {
    name: value
    for name, value in leaves.items()
    if not any(f"{name}.".startswith(f"{free}.") for free in leaving_out)
  }


def _leaves(value: Any, prefix: str = "") -> dict[str, Any]:
  """Returns {dotted name: value} of a tree of JSON objects."""
  if not isinstance(value, dict):
    return {prefix: value}
  leaves: dict[str, Any] = {}
  for name, child in value.items():
    leaves |= _leaves(child, f"{prefix}.{name}" if prefix else name)
  return leaves
