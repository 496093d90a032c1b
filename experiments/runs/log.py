"""The log of a run, for people and for programs.

`metrics.jsonl` in the run's folder has one row of numbers per line; it holds
nothing that depends on the clock, so two runs of the same configuration write
the same bytes. The same numbers go to `loggers`, and in `evaluations.jsonl` are
rows of what was evaluated later, on other data.
"""

from collections.abc import Mapping
import contextlib
import fcntl
import json
import os
import pathlib
import time
from typing import Any, BinaryIO, TextIO
import warnings

from experiments.data import files
from experiments.runs import bucket_folders
from experiments.runs import folder as run_folder
from experiments.runs import loggers
from experiments.runs import progress

METRICS = "metrics.jsonl"
EVALUATIONS = "evaluations.jsonl"
_FOLLOWER = "follower"  # in rows of a program that follows the run
# A program that holds the log for longer has been stopped.
_LOCK_SECONDS = 1.0


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
    wandb: str | None = None,
    stream: TextIO | None = None,
  ) -> None:
    """Opens the files, and drops what they hold of steps yet to be made.

    Args:
      workdir: the run's folder, which exists.
      first_step: steps made before, from a checkpoint; rows of later steps
        will be written again.
      total_steps: steps of the whole run.
      is_writer: whether this process is the one that writes.
      wandb: the project of Weights & Biases that gets the numbers, too.
      stream: of the progress; standard error if None.
    """
    self._is_writer = is_writer
    self._stream = stream
    self._path = path = workdir / METRICS
    self._rows: list[dict[str, Any]] = []
    if is_writer:
      rows = read_rows(path) if path.exists() else []
      self._rows = [row for row in rows if row["step"] <= first_step]
      self._place = run_folder.Place(workdir)
      self._loggers = loggers.open_all(workdir, first_step, wandb)
      self._file = self._open()
    self._bar = progress.bar(
      "training",
      total_steps,
      first=first_step,
      unit=" steps",
      every=0,
      is_shown=is_writer,
      stream=stream,
    )
    self._evaluated = progress.counter(
      "evaluating", unit=" examples", is_shown=is_writer, stream=stream
    )

  def _open(self) -> BinaryIO:
    """Writes the rows so far; returns the file, for those to come."""
    lines = (json.dumps(row) + "\n" for row in self._rows)
    files.write_text(self._path, "".join(lines))
    return self._path.open("a+b")

  def __enter__(self) -> "Reporter":
    return self

  def __exit__(self, *unused: object) -> None:
    self.close()

  def close(self) -> None:
    """Completes the files."""
    self._bar.close()
    if self._is_writer:
      # What could not be written was an error before.
      for close in (self._file.close, *(x.close for x in self._loggers)):
        with contextlib.suppress(OSError):
          close()

  def find(self, kind: str, step: int) -> dict[str, Any] | None:
    """Returns the run's own row of this kind and step, None if there is none.

    Processes that do not write have only the rows of their own.

    Raises:
      run_folder.MovedError: if the folder has moved, where this one writes.
    """
    if self._is_writer:
      self._place.check()
    for row in self._rows:
      if _key(row) == (kind, step) and _FOLLOWER not in row:
        return row
    return None

  def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
    """Adds a row of numbers; it is on its way to the disk on return.

    Args:
      kind: "train" or "eval".
      step: steps made so far.
      values: the numbers; what is not one is written as NaN or Infinity.

    Raises:
      files.InputError: if the disk is full.
    """
    row = {"step": step, "kind": kind, **values}
    if not self._is_writer:
      self._rows.append(row)
      return
    with files.explaining(self._path):
      if self._place.is_same() and not _is_at(self._file, self._path):
        self._file.close()
        self._file = self._open()  # It was removed, or replaced by an editor.
      self._rows.append(row)
      _append(self._file, row)
      for name, value in values.items():
        if isinstance(value, float):
          self._add(f"{kind}/{name}", value, step)
    if kind == "eval":
      bucket_folders.push(self._path.parent)

  def progress(self, step: int, loss: float) -> None:
    """Shows the step, the speed since the last call, and the time left."""
    self._bar.set_postfix(loss=f"{loss:.4g}", refresh=False)
    self._bar.update(step - self._bar.n)
    if rate := self._bar.format_dict["rate"]:
      with files.explaining(self._path):
        self._add("train/steps_per_second", rate, step)

  def _add(self, name: str, value: float, step: int) -> None:
    for logger in self._loggers:
      logger.add(name, value, step)

  def evaluating(self, done: int, total: int) -> None:
    """Shows how many examples of an evaluation are done."""
    self._evaluated(done, total)

  def say(self, text: str) -> None:
    """Shows a line that stays."""
    if self._is_writer:
      progress.write(text, self._stream)

  def resume_clock(self, step: int) -> None:
    """Measures the speed from this step and this moment on."""
    self._bar.n = self._bar.last_print_n = step
    self._bar.unpause()


def read_rows(path: pathlib.Path) -> list[dict[str, Any]]:
  """Reads `metrics.jsonl`.

  A last line that a killed run left unfinished is left out, and a row of a
  program that follows the run where the run has written its own.

  Warns:
    UserWarning: for other lines that are no rows, which are left out.

  Raises:
    files.InputError: if the file cannot be read.
  """
  lines = files.read_bytes(path).split(b"\n")
  rows = [_row(line) for line in lines]
  whole = enumerate(zip(lines[:-1], rows), 1)
  if bad := [number for number, (line, row) in whole if line and row is None]:
    warnings.warn(
      f"{path} has {len(bad)} lines that are no rows of numbers, the first of "
      f"them line {bad[0]}; they are left out",
      stacklevel=2,
    )
  # Those of a program that follows the run may come late.
  found = sorted(filter(None, rows), key=lambda row: row["step"])
  own = {_key(row) for row in found if _FOLLOWER not in row}
  return [row for row in found if _FOLLOWER not in row or _key(row) not in own]


def add_row(
  workdir: pathlib.Path, kind: str, step: int, values: Mapping[str, Any]
) -> None:
  """Adds a row to the log of a run, which may be writing there.

  It is marked: the run does not take it for its own.

  Raises:
    files.InputError: if it cannot be written.
  """
  path = workdir / METRICS
  with files.explaining(path), path.open("a+b") as file:
    _append(file, {"step": step, "kind": kind, _FOLLOWER: True, **values})


def add_evaluation(
  workdir: pathlib.Path, step: int, values: Mapping[str, Any]
) -> bool:
  """Notes an evaluation of a run on data that the run itself does not have.

  Args:
    workdir: the run's folder.
    step: of the checkpoint.
    values: the numbers, and "split", the name of the data.

  Returns:
    Whether it is noted: not if the log has evaluations of that split.

  Raises:
    files.InputError: if it cannot be written.
  """
  path = workdir / METRICS
  own = evaluations(path) if path.exists() else []
  if values["split"] in {row.get("split") for row in own}:
    return False
  path = workdir / EVALUATIONS
  with files.explaining(path), path.open("a+b") as file:
    _append(file, {"step": step, "kind": "eval", **values})
  return True


def evaluations(path: pathlib.Path) -> list[dict[str, Any]]:
  """Returns the rows of evaluations in a file, as `read_rows` does."""
  return [row for row in read_rows(path) if row["kind"] == "eval"]


def _is_at(file: BinaryIO, path: pathlib.Path) -> bool:
  try:
    return os.path.samestat(os.fstat(file.fileno()), path.stat())
  except FileNotFoundError:
    return False


def _append(file: BinaryIO, row: Mapping[str, Any]) -> None:
  """Writes a row, while no other program does so on a network file system."""
  end = time.monotonic() + _LOCK_SECONDS
  while time.monotonic() < end:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
      break
    except BlockingIOError:
      time.sleep(0.01)
    except OSError:
      break  # There are no locks.
  size = file.seek(0, os.SEEK_END)
  file.seek(max(0, size - 1))
  # A program that was killed may have left half a row.
  end_of_it = b"\n" * (file.read(1) not in (b"", b"\n"))
  file.write(end_of_it + json.dumps(row).encode() + b"\n")
  file.flush()
  with contextlib.suppress(OSError):
    fcntl.flock(file, fcntl.LOCK_UN)


def _key(row: Mapping[str, Any]) -> tuple[str, int]:
  return row["kind"], row["step"]


def _row(line: bytes) -> dict[str, Any] | None:
  """Returns the row in a line; None if that is none."""
  try:
    row = json.loads(line)
  except (RecursionError, ValueError):
    return None
  known = isinstance(row, dict) and {"step": int, "kind": str}
  if known and all(isinstance(row.get(n), kind) for n, kind in known.items()):
    return row
  return None
