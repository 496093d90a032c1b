"""The error of checkpoints that cannot be used."""

import dataclasses
from typing import Any

from perceiver import errors


class CheckpointError(errors.PerceiverError, ValueError):
  """A checkpoint is damaged, hostile, or of another model than expected.

  The message names the file, what was found in it and what was expected.
  """


def shorten(value: Any, length: int = 80) -> str:
  """Returns a value as text of a bounded length for a message."""
  if isinstance(value, (bytes, memoryview, list, tuple, dict)):
    return f"{type(value).__name__} of {len(value)}"
  text = repr(value[:length] if isinstance(value, str) else value)
  return text if len(text) <= length + 2 else f"{text[:length]}…"


def cut(text: str, length: int = 200) -> str:
  """Returns a name from a file, at most so long."""
  return text if len(text) <= length else f"{text[:length]}…"


def show(value: Any) -> str:
  """Returns a value as text; of a configuration only its type."""
  whole = dataclasses.is_dataclass(value)
  return type(value).__name__ if whole else cut(repr(value))
