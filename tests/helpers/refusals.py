"""Refusals of hostile files, in bounded time and memory."""

import time
import tracemalloc

import pytest

import perceiver
from perceiver.checkpoints.pickle import reader


def refusal(path, content):
  """Returns the message of the refusal; asserts the bounds."""
  path.write_bytes(content)
  before = sorted(path.parent.iterdir())
  tracemalloc.start()
  started = time.monotonic()
  try:
    with pytest.raises(perceiver.CheckpointError) as caught:
      reader.read(path)
    _, peak = tracemalloc.get_traced_memory()
  finally:
    tracemalloc.stop()
  assert time.monotonic() - started < 20
  assert peak < 2**20 + 200 * len(content)
  assert sorted(path.parent.iterdir()) == before  # nothing was done
  message = str(caught.value)
  assert message.startswith(f"Checkpoint: {path} cannot be read as a pickle")
  assert len(message) < 500 + len(str(path))
  return message
