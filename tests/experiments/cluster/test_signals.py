"""Signals that ask a program to stop."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from experiments.cluster import signals
from tests.helpers import folders


@pytest.fixture(autouse=True)
def _hangups_are_heard():
  """Under nohup SIGHUP is ignored, and left alone."""
  before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
  yield
  signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_is_caught(number):
  before = signal.getsignal(number)
  with signals.StopRequest() as stop:
    assert stop.signal is None
    os.kill(os.getpid(), number)
    assert stop.signal == number
  assert signal.getsignal(number) == before


def test_a_limit_of_cpu_time_is_signalled_every_second():
  with signals.StopRequest() as stop:
    for _ in range(3):
      os.kill(os.getpid(), signal.SIGXCPU)
    assert stop.signal == signal.SIGXCPU


def test_outside_the_main_thread_nothing_is_caught():
  before = signal.getsignal(signal.SIGTERM)
  found = []

  def enter():
    with signals.StopRequest() as stop:
      found.append((signal.getsignal(signal.SIGTERM), stop.signal))

  thread = threading.Thread(target=enter)
  thread.start()
  thread.join()
  assert found == [(before, None)]


@pytest.mark.parametrize(
  ("number", "code"),
  [
    (signal.SIGINT, 130),
    (signal.SIGTERM, 143),
    (signal.SIGUSR1, 143),
    (signal.SIGHUP, 143),
    (signal.SIGXCPU, 143),
  ],
)
def test_exit_codes(number, code):
  assert signals.exit_code(number) == code
  with pytest.raises(SystemExit) as caught, signals.exiting():
    os.kill(os.getpid(), number)
  assert caught.value.code == code


class _Interrupted:
  """An object in whose destructor, which cannot fail, Ctrl-C comes."""

  def __del__(self):
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("seconds", [0, 50])
def test_no_signal_is_lost_in_a_destructor(capfd, seconds):
  def work():
    _Interrupted()
    time.sleep(seconds)

  with pytest.raises(signals.Ended) as caught, signals.exiting():
    work()
  assert caught.value.code == 130
  assert not "".join(capfd.readouterr())


def test_an_ignored_hangup_stays_ignored():
  before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
  try:
    with signals.StopRequest() as stop:
      os.kill(os.getpid(), signal.SIGHUP)
    assert stop.signal is None
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
  finally:
    signal.signal(signal.SIGHUP, before)


def test_signals_that_are_not_inherited_come_all_the_same():
  with signals.StopRequest() as stop:
    with signals.not_inherited():
      os.kill(os.getpid(), signal.SIGUSR2)
      child = subprocess.Popen(
        [sys.executable, "-c", _PRINT_MASK], text=True, stdout=subprocess.PIPE
      )
    assert stop.signal == signal.SIGUSR2
  assert child.communicate()[0].split() == ["1", "10", "12", "15", "2", "24"]


_PRINT_MASK = """
import signal
mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
print(*sorted(str(int(number)) for number in mask))
"""

_PRINT_MASK_OF_TRACKER = """
from multiprocessing import resource_tracker
from experiments.cluster import signals
with signals.not_inherited():
  tracker = resource_tracker._resource_tracker._pid
print(open(f"/proc/{tracker}/status").read())
"""


def test_what_cleans_up_after_workers_outlives_a_signal_to_all():
  result = subprocess.run(
    [sys.executable, "-c", _PRINT_MASK_OF_TRACKER],
    cwd=folders.ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  mask = int(re.search(r"SigBlk:\s*(\w+)", result.stdout)[1], 16)
  of_its_own = {signal.SIGTERM, signal.SIGINT}  # It ignores them.
  for number in {*signals.CAUGHT} - of_its_own:
    assert mask >> (number - 1) & 1, number


_SIGNALLED_TWICE = """
import os, signal, time
from experiments.cluster import signals
with signals.StopRequest() as stop:
  os.kill(os.getpid(), signal.SIGUSR1)
  assert stop.signal == signal.SIGUSR1
  os.kill(os.getpid(), signal.{second})
  time.sleep(60)
"""


@pytest.mark.parametrize(
  ("second", "code"),
  [("SIGTERM", -15), ("SIGINT", -2), ("SIGUSR1", 143), ("SIGHUP", 143)],
)
def test_the_second_signal_ends_at_once(second, code):
  program = _SIGNALLED_TWICE.format(second=second)
  result = subprocess.run(
    [sys.executable, "-c", program], cwd=folders.ROOT, timeout=50
  )
  # A shell reports death by a signal as 128 and its number: 143 and 130.
  assert result.returncode == code
