"""The display of progress, on standard error.

A terminal shows a bar, which is gone once it is complete. Anything else, such
as a file, gets a line now and then, so that it is never silent for long. What
cannot be shown, as the terminal is closed or the disk full, is dropped: work is
worth more than word of it.
"""

from collections.abc import Callable, Iterator
import contextlib
import os
import sys
from typing import Any, cast, TextIO

from tqdm import std

_SECONDS_BETWEEN_LINES = 30.0
_STDERR = 2
_NUMBERS = (
  "{n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_noinv_fmt}{postfix}]"
)
_BAR = "{desc}: {percentage:3.0f}%|{bar}| " + _NUMBERS
_LINE = "{desc}: " + _NUMBERS


class Bar(std.tqdm):
  """A bar without a thread that watches it."""

  monitor_interval = 0


class Quiet:
  """A stream whose errors are dropped, with all that is written after one."""

  def __init__(self, stream: TextIO) -> None:
    self._stream = stream

  def __getattr__(self, name: str) -> Any:
    return getattr(self._stream, name)

  # For tqdm, which clears the bars of a stream before it writes a line there.
  def __eq__(self, other: object) -> bool:
    return bool(self._stream == getattr(other, "_stream", other))

  def __hash__(self) -> int:
    return hash(self._stream)

  def write(self, text: str) -> None:
    """Writes to the stream, if it still can be."""
    self._attempt(lambda: self._stream.write(text))

  def flush(self) -> None:
    """Completes what was written."""
    self._attempt(self._stream.flush)

  def _attempt(self, action: Callable[[], Any]) -> None:
    try:
      action()
    except UnicodeError:
      pass  # Other text may have no characters that the stream lacks.
    except (OSError, ValueError):  # The latter if it was closed.
      silence(self._stream)


class _Lines(Quiet):
  """Turns what a bar overwrites on a terminal into lines."""

  def write(self, text: str) -> None:
    if line := text.strip():
      super().write(line + "\n")


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
  """Drops what cannot be written to standard error, which may be closed."""
  # No file of ours may get the number that libraries write their complaints to.
  while (number := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
    os.set_inheritable(number, True)
  os.close(number)
  stream = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
  with contextlib.redirect_stderr(cast(TextIO, Quiet(stream))):
    yield


def silence(stream: TextIO) -> None:
  """Sends all that is and will be written to a standard stream nowhere.

  Python would try again as it ends, and exit with 120.
  """
  try:
    number = stream.fileno()
  except (OSError, ValueError):
    return
  if number in (1, 2):
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


def bar(
  name: str,
  total: int,
  *,
  first: int = 0,
  unit: str = "it",
  every: float | None = None,
  is_shown: bool = True,
  stream: TextIO | None = None,
) -> Bar:
  """Returns a bar, to be updated and to be closed.

  Args:
    name: of the work.
    total: of the units of work.
    first: how many of them are done.
    unit: name of one.
    every: seconds between two displays; None for a pace that suits a terminal,
      or else lines.
    is_shown: whether there is any display.
    stream: where to; standard error if None.
  """
  stream = sys.stderr if stream is None else stream
  is_terminal = stream.isatty()
  pace = 0.1 if is_terminal else _SECONDS_BETWEEN_LINES
  return Bar(
    desc=name,
    total=total,
    initial=first,
    unit=unit,
    file=Quiet(stream) if is_terminal else _Lines(stream),
    leave=not is_terminal and every is None,
    bar_format=_BAR if is_terminal else _LINE,
    dynamic_ncols=is_terminal,
    # Elsewhere than on a terminal, nothing before there is progress to show.
    delay=0 if is_terminal else max(1e-9, pace if every is None else every),
    mininterval=pace if every is None else every,
    miniters=0,
    smoothing=1,
    disable=not is_shown,
  )


def counter(
  name: str,
  *,
  unit: str = "it",
  is_shown: bool = True,
  stream: TextIO | None = None,
) -> Callable[[int, int], None]:
  """Returns a function of (done, total) that shows them.

  Its bar is opened by the first call and closed when all is done.
  """
  bars: list[Bar] = []

  def show(done: int, total: int) -> None:
    if not bars:
      # How long the first of them took is unknown.
      bars.append(
        bar(
          name,
          total,
          first=done,
          unit=unit,
          is_shown=is_shown,
          stream=stream,
        )
      )
    bars[0].update(done - bars[0].n)
    if done >= total:
      bars.pop().close()

  return show


def write(text: str, stream: TextIO | None = None) -> None:
  """Writes a line that stays, above all bars."""
  stream = sys.stderr if stream is None else stream
  if stream.isatty():
    Bar.write(text, file=Quiet(stream))
  else:
    print(text, file=Quiet(stream), flush=True)
