"""IDX files, the format of MNIST and of sets made after it.

Two zero bytes, the type (8 is unsigned bytes), the number of axes, their
lengths as big-endian 32-bit integers, and the elements.
"""

import gzip
import math
import pathlib
import zlib

import numpy as np

from experiments.data import files

_BYTES = b"\x00\x00\x08"


def read(path: pathlib.Path, num_axes: int) -> np.ndarray:
  """Reads a file of unsigned bytes, compressed if its name ends in .gz.

  Args:
    path: the file.
    num_axes: of the array that is expected.

  Returns:
    The array, uint8.

  Raises:
    files.InputError: if it cannot be read, or is no such array.
  """
  content = files.read_bytes(path)
  if path.suffix == ".gz":
    try:
      content = gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
      raise files.InputError(f"{path} cannot be read: {error}") from error
  start = 4 + 4 * num_axes
  if content[:4] != _BYTES + bytes([num_axes]) or len(content) < start:
    raise files.InputError(
      f"{path} begins with {content[:4].hex()}; expected an IDX file of bytes, "
      f"with {num_axes} axes."
    )
  shape = tuple(np.frombuffer(content, ">i4", num_axes, offset=4).tolist())
  if min(shape) < 0 or math.prod(shape) != len(content) - start:
    raise files.InputError(
      f"{path} has {len(content) - start} elements; expected those of an array "
      f"of {shape}."
    )
  return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
