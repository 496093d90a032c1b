"""Disturbs a small run at random; its end must be that of a run left alone.

  python -m scripts.soak [--seconds 600] [--seed 3] [--folder DIR]

A run goes through many lives. In each, the same command goes on until a signal,
kill -9 or the end of its terminal comes; between two lives the folder is moved,
checkpoints are purged or damaged, and loaders and devices change. At the end
parameters and log are compared with those of a run that was left alone: bit for
bit, or within 1e-4 if the devices changed. The seed repeats the actions, but
not the moments at which they happen.
"""

import collections
from collections.abc import Iterator
import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import sys
import tempfile
import time

import numpy as np
from safetensors import numpy as safetensors_numpy
import tyro

from experiments.cli import paths
from experiments.cluster import signals
from experiments.runs import folder as run_folder
from experiments.runs import log
from scripts.soaking import lives

_DIGITS = (
  "digits --mini --model.perceiver.processor.num-self-attends-per-block 1 "
  "--train.batch-size 12 --train.schedule.warmup-steps 10 --train.steps 90 "
  "--train.log-every 3 --train.eval-every 30 "
  # At the recipe's rate rounding grows: a loss has differed by 1.1e-4.
  "--train.base-rate 5e-4"
)
_TOLERANCE = 1e-4
_LAYOUTS = ((1, 1), (2, 1), (4, 1), (1, 2), (1, 3))  # devices, processes
_MAX_LIVES = 8  # of a run, after which it is left alone


class Soak:
  """Disturbs one run after another.

  Attributes:
    counts: what was done.
  """

  def __init__(self, seed: int, command: str, folder: pathlib.Path) -> None:
    """Makes a run that is left alone, in a folder for all runs."""
    self.counts = collections.Counter[str]()
    self._random, self._folder = random.Random(seed), folder
    module = [sys.executable, "-m", "experiments.train"]
    self._command = [*module, *command.split(), "--workdir"]
    self._alone, begun = folder / "alone", time.monotonic()
    self._leave_alone(self._alone)
    self._seconds = time.monotonic() - begun

  def disturb(self, end: float) -> None:
    """Disturbs one run, and compares its end.

    Args:
      end: a time after which the run is left alone, once it was disturbed.

    Raises:
      lives.Fault: at a difference.
    """
    workdir = self._folder / f"run-{self.counts['runs']}"
    may_change = bool(self.counts["runs"] % 2)  # its devices
    has_changed = False
    for number in range(_MAX_LIVES):
      if number and time.monotonic() > end:  # Every run is disturbed once.
        break
      way = self._way(workdir, may_change)
      has_changed |= (way.devices, way.processes) != (1, 1)
      if self._disturb_life(workdir, way) == {0}:
        break
      workdir = self._between_lives(workdir)
    self._leave_alone(workdir)
    _compare(workdir, self._alone, 0 if not has_changed else _TOLERANCE)
    self.counts["runs"] += 1
    self.counts["within 1e-4" if has_changed else "bit for bit"] += 1
    shutil.rmtree(workdir)

  @contextlib.contextmanager
  def _live(
    self, workdir: pathlib.Path, way: lives.Way
  ) -> Iterator[lives.Life]:
    life = lives.Life([*self._command, str(workdir)], way)
    try:
      yield life
    except lives.Fault as fault:
      last = "\n".join(life.output().splitlines()[-20:])
      raise lives.Fault(f"{fault}; {way}; its last lines:\n{last}") from fault
    finally:
      life.close()

  def _leave_alone(self, workdir: pathlib.Path) -> None:
    with self._live(workdir, lives.Way(options=_restart(workdir))) as life:
      life.end({0})

  def _way(self, workdir: pathlib.Path, may_change: bool) -> lives.Way:
    pick = self._random.choice
    options = (
      f"--train.loader-workers={pick((0, 0, 1, 2))}",
      f"--train.checkpoint-every={pick((1, 5, 20))}",
      f"--train.keep={pick((2, 4))}",
      *["--train.checkpoint-in-background"] * pick((0, 1)),
      *_restart(workdir),
    )
    counts = pick(_LAYOUTS) if may_change else (1, 1)
    return lives.Way(*counts, options, counts[1] == 1 and pick((True, False)))

  def _disturb_life(self, workdir: pathlib.Path, way: lives.Way) -> set[int]:
    """Ends a life at a random moment; returns the exit codes."""
    actions = [*signals.CAUGHT, signal.SIGKILL, signal.SIGKILL]
    number = signal.Signals(self._random.choice(actions))
    index = self._random.choice((None, self._random.randrange(way.processes)))
    name = number.name + " to all" * (index is None)
    closes = way.has_terminal and not self._random.randrange(3)
    if closes:
      number, name = signal.SIGHUP, "terminal closed"
    codes = {0, signals.exit_code(number)}
    if number == signal.SIGKILL:
      codes = {0, -number, *[1] * (way.processes > 1)}
    with self._live(workdir, way) as life:
      moment = self._wait(life, workdir)
      if not life.output():  # Python itself may not have begun.
        codes.add(-number)
      print(f"  {name} at a {moment}: {way}", flush=True)
      if closes:
        life.close_terminal()
      else:
        life.signal(number, index)
      found = life.end(codes)
      if number != signal.SIGKILL:
        _check_saved(life, workdir)
    self.counts[name] += 1
    return found

  def _wait(self, life: lives.Life, workdir: pathlib.Path) -> str:
    """Waits for a random moment; returns its kind."""
    end = life.began + self._random.uniform(0, self._seconds)
    lines = self._random.randrange(1, 12)
    kind = self._random.choice(("time", "step", "writing"))
    while None in life.codes():
      happened = time.monotonic() > end
      if kind != "time":
        happened = life.output().count("training: ") >= lines
      if kind == "writing":
        unfinished = (workdir / run_folder.CHECKPOINTS).glob("*tmp*")
        happened = happened and any(unfinished)
      if happened:
        break
      time.sleep(0.002)
    return kind

  def _between_lives(self, workdir: pathlib.Path) -> pathlib.Path:
    """Moves the folder, or does something to checkpoints; returns the folder.

    Raises:
      lives.Fault: if a run without checkpoints begins anew unasked.
    """
    action = self._random.choice(("no", "move", "purge", "damage", "purge all"))
    contents = "params/manifest.ocdbt"  # not there if killed amid its removal
    saved = _checkpoints(workdir)
    intact = [p for p in saved if any(map(_size, p.glob(contents)))]
    if action == "move" and workdir.exists():
      moved = self._folder / f"moved {self.counts.total()}" / "run"
      moved.parent.mkdir(exist_ok=True)
      workdir = workdir.rename(moved)
    elif action == "purge all" and intact and not self._random.randrange(3):
      shutil.rmtree(workdir / run_folder.CHECKPOINTS)
      with self._live(workdir, lives.Way()) as life:
        life.end({1})
        if "--restart" not in life.output():
          raise lives.Fault("it does not name --restart")
    elif action == "purge" and len(intact) > 1:
      shutil.rmtree(intact[-1])
    elif action == "damage" and len(intact) > 1:
      (intact[-1] / contents).write_text("")
    else:
      return workdir
    print(f"  {action}", flush=True)
    self.counts[action] += 1
    return workdir


def _compare(
  workdir: pathlib.Path, alone: pathlib.Path, tolerance: float
) -> None:
  """Raises `lives.Fault` if losses or parameters of two runs differ."""
  found, expected = _results(workdir), _results(alone)
  if found.keys() != expected.keys():
    raise lives.Fault(f"{workdir} and {alone} have not the same entries")
  for name, value in expected.items():
    if not np.allclose(found[name], value, rtol=0, atol=tolerance):
      raise lives.Fault(f"{name} is not the same in {workdir} and {alone}")
  logs = {(folder / log.METRICS).read_bytes() for folder in (workdir, alone)}
  if len(logs) > 1 and not tolerance:
    raise lives.Fault(f"the logs of {workdir} and {alone} differ")


def _results(workdir: pathlib.Path) -> dict[str, np.ndarray]:
  losses = {
    f"{row['kind']} loss of step {row['step']}": np.asarray(row["loss"])
    for row in log.read_rows(workdir / log.METRICS)
  }
  return losses | safetensors_numpy.load_file(workdir / run_folder.MODEL)


def _checkpoints(workdir: pathlib.Path) -> list[pathlib.Path]:
  """Returns the checkpoints of a run, oldest first."""
  folder = workdir / run_folder.CHECKPOINTS
  return [folder / str(n) for n in run_folder.checkpoint_steps(folder)]


def _size(path: pathlib.Path) -> int:
  return path.stat().st_size


def _restart(workdir: pathlib.Path) -> tuple[str, ...]:
  """Returns the option without which a run of no checkpoints does not begin."""
  return ("--restart",) * (workdir.exists() and not _checkpoints(workdir))


def _check_saved(life: lives.Life, workdir: pathlib.Path) -> None:
  """Raises `lives.Fault` if a signal has lost a step that was logged."""
  logged = re.findall(r"training:[^\r\n]*?(\d+)/\d+ \[", life.output())
  saved = [int(path.name) for path in _checkpoints(workdir)]
  if (made := max(map(int, logged), default=0)) > max(saved, default=0):
    raise lives.Fault(f"{made} steps were made; saved are {saved}")


def main(
  *,
  seconds: float = 600.0,
  seed: int | None = None,
  folder: pathlib.Path | None = None,
  experiment: str = _DIGITS,
) -> int:
  """Disturbs a small run at random, and compares its end.

  Args:
    seconds: to go on for; the last run is completed.
    seed: of all that is random; one of the clock if None.
    folder: of the runs, which stays after a fault; a temporary one if None.
    experiment: an experiment and its options; its batches must be a multiple
      of 12, for up to 4 devices.
  """
  seed = time.time_ns() % 100_000 if seed is None else seed
  folder = folder or pathlib.Path(tempfile.mkdtemp(prefix="soak-"))
  again = f"python -m scripts.soak --seed {seed} --seconds {seconds:g}"
  print(f"{again}, in {folder}", flush=True)
  os.environ.setdefault("JAX_PLATFORMS", "cpu")
  os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder / "compiled"))
  os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
  counts, outcome = collections.Counter[str](), 0
  try:
    soak = Soak(seed, experiment, folder)
    counts, end = soak.counts, time.monotonic() + seconds
    while not counts["runs"] or time.monotonic() < end:
      soak.disturb(end)
  except lives.Fault as fault:
    print(f"fault: {fault}\nagain with {again}; its folders are in {folder}")
    outcome = 1
  numbers = ", ".join(f"{name}: {n}" for name, n in sorted(counts.items()))
  print(f"seed {seed}: {'a fault' if outcome else 'the same'}; {numbers}")
  if not outcome:
    shutil.rmtree(folder)
  return outcome


if __name__ == "__main__":
  sys.exit(tyro.cli(main, registry=paths.REGISTRY))
