"""Files in the format safetensors: numbers and text, no code.

The package safetensors is imported where a file is touched: models do without
it.
"""

import pathlib

import numpy as np

from perceiver.checkpoints import errors


def read(
  path: pathlib.Path, expected: str
) -> tuple[dict[str, str], dict[str, np.ndarray]]:
  """Returns the metadata and the arrays of a file.

  Args:
    path: the file.
    expected: what the error expects if there is none.

  Raises:
    FileNotFoundError: if there is no such file.
    CheckpointError: if it cannot be read.
  """
  import safetensors

  if not path.is_file():
    raise FileNotFoundError(
      f"Checkpoint: there is no file {path}; expected {expected}."
    )
  try:
    with safetensors.safe_open(path, "numpy") as file:
      arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
      return file.metadata() or {}, arrays
  except (safetensors.SafetensorError, AttributeError, OSError) as error:
    # AttributeError for dtypes that NumPy has not.
    raise errors.CheckpointError(
      f"Checkpoint: {path} cannot be read: {error}; expected a complete "
      "safetensors file. It may be cut short, or of another format."
    ) from error
