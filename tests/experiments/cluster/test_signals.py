"""Signals that ask a program to stop."""

import os
import signal
import threading

import pytest

from experiments.cluster import signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_is_caught(number):
  before = signal.getsignal(number)
  with signals.StopRequest() as stop:
    assert stop.signal is None
    os.kill(os.getpid(), number)
    assert stop.signal == number
  assert signal.getsignal(number) == before


def test_the_second_signal_has_its_usual_effect():
  # A shell starts background jobs with SIGINT ignored.
  before = signal.signal(signal.SIGINT, signal.default_int_handler)
  try:
    with signals.StopRequest() as stop:
      os.kill(os.getpid(), signal.SIGTERM)
      assert stop.signal == signal.SIGTERM
      with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
  finally:
    signal.signal(signal.SIGINT, before)


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
