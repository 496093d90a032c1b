"""Steps whose loss or gradient is not a number: what is done about them."""

import enum
import io
import pathlib

import numpy as np

from experiments.data import files
from experiments.data import loader
from perceiver import errors


class NonFinite(enum.Enum):
  """What happens to a step whose loss or gradient is not a number.

  STOP ends the run at the next row of the log or checkpoint, and keeps the
  batch. SKIP leaves parameters, model state and optimizer as they were, the
  optimizer's own count of steps included, and counts such steps in the log.
  """

  STOP = "stop"
  SKIP = "skip"


class NonFiniteError(errors.PerceiverError, FloatingPointError):
  """Training has produced a loss or a gradient that is not a number."""


def keep_batch(
  batches: loader.Batches, path: pathlib.Path, **notes: int
) -> pathlib.Path | None:
  """Writes the next batch to a file, for somebody to look at.

  Args:
    batches: gives the batch.
    path: of the file, NumPy's .npz.
    **notes: numbers to go with it.

  Returns:
    The file; None if it could not be written, which is not what went wrong.
  """
  arrays = {name: np.asarray(value) for name, value in next(batches).items()}
  buffer = io.BytesIO()
  np.savez_compressed(buffer, **arrays, **notes)  # type: ignore[arg-type]
  try:
    with files.writing(path) as temporary:
      temporary.write_bytes(buffer.getvalue())
  except files.InputError:
    return None
  return path
