"""Files in the format safetensors: numbers and text, no code.

They are read by the package safetensors, which is imported where a file is
touched: models do without it. They are written here: the package orders the
metadata by chance, keeps the file from all but its owner, and its errors of a
full disk are not the operating system's.
"""

from collections.abc import Mapping
import json
import pathlib

import numpy as np

from perceiver.checkpoints import errors

_DTYPES = {
  "bfloat16": "BF16",
  "bool": "BOOL",
  **{f"float{bits}": f"F{bits}" for bits in (16, 32, 64)},
  **{f"int{bits}": f"I{bits}" for bits in (8, 16, 32, 64)},
  **{f"uint{bits}": f"U{bits}" for bits in (8, 16, 32, 64)},
}


def write(
  path: pathlib.Path,
  arrays: Mapping[str, np.ndarray],
  metadata: Mapping[str, str],
) -> None:
  """Writes a file, whose bytes are a function of the arguments.

  Args:
    path: the file.
    arrays: {name: array of numbers or truth values}.
    metadata: {name: text}.

  Raises:
    CheckpointError: if the format has no type for an array.
    OSError: if the file cannot be written.
  """
  header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
  # The widest first, so that all begin at multiples of their width.
  names = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
  start = 0
  for name in names:
    array = arrays[name]
    if array.dtype.name not in _DTYPES:
      raise errors.CheckpointError(
        f"Checkpoint: {name} is of type {array.dtype.name}; expected one of "
        f"{', '.join(sorted(_DTYPES))}."
      )
    header[name] = {
      "dtype": _DTYPES[array.dtype.name],
      "shape": array.shape,
      "data_offsets": (start, start + array.nbytes),
    }
    start += array.nbytes
  text = json.dumps(header, separators=(",", ":")).encode()
  text += b" " * (-len(text) % 8)
  with path.open("wb") as file:
    file.write(len(text).to_bytes(8, "little") + text)
    for name in names:
      array = arrays[name]
      file.write(array.astype(array.dtype.newbyteorder("<")).tobytes())


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
