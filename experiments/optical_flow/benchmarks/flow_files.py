"""Files of optical flow: Middlebury's .flo, KITTI's 16-bit PNG, and .pfm.

Pillow keeps only the upper eight bits of a colour PNG with sixteen, so that
these are read and written by pypng.
"""

import io
import itertools
import pathlib
import re
import struct
import zlib

import numpy as np
import png  # type: ignore[import-untyped]

from experiments.data import files

_FLO_TAG = b"PIEH"  # the float 202021.25
_PFM_HEADER = re.compile(
  rb"PF\s+(\d{1,9})\s+(\d{1,9})\s+([-+]?)[\d.]+(?:\r\n|\s)"
)
_FLO_UNKNOWN = 1e9  # pixels; larger flow is unknown
# A KITTI value is 64 · flow + 2^15; the third channel is 1 where it is known.
_KITTI_SCALE, _KITTI_ZERO = 64.0, 2**15


def write_flo(path: pathlib.Path, flow: np.ndarray) -> None:
  """Writes a flow [H, W, 2], pixels, as float32, whole or not at all."""
  height, width = flow.shape[:2]
  header = _FLO_TAG + struct.pack("<ii", width, height)
  files.write_bytes(path, header + flow.astype("<f4").tobytes())


def read_flo(path: pathlib.Path) -> np.ndarray:  # [H, W, 2] float32
  """Reads a .flo file.

  Raises:
    files.InputError: if it is not one, or not complete.
  """
  content = files.read_bytes(path)
  if len(content) < 12 or content[:4] != _FLO_TAG:
    raise files.InputError(f"{path} is not a .flo file.")
  width, height = struct.unpack("<ii", content[4:12])
  if min(width, height) < 1 or len(content) != 12 + 8 * width * height:
    raise files.InputError(
      f"{path} has a header of {width} × {height} pixels and "
      f"{len(content)} bytes; expected {12 + 8 * width * height}."
    )
  return np.frombuffer(content, "<f4", offset=12).reshape(height, width, 2)


def read_pfm(path: pathlib.Path) -> np.ndarray:  # [H, W, 2] float32
  """Reads a .pfm file of FlyingThings3D, whose third channel is left out.

  Its rows go from the bottom to the top; they are turned round.

  Raises:
    files.InputError: if it is not one of three channels, or not complete.
  """
  content = files.read_bytes(path)
  header = _PFM_HEADER.match(content)
  if header is None:
    raise files.InputError(f"{path} is not a .pfm file of three channels.")
  width, height = int(header[1]), int(header[2])
  expected = header.end() + 12 * width * height
  if min(width, height) < 1 or len(content) != expected:
    raise files.InputError(
      f"{path} has a header of {width} × {height} pixels and "
      f"{len(content)} bytes; expected {expected}."
    )
  # A negative scale stands for little-endian numbers.
  kind = "<f4" if header[3] == b"-" else ">f4"
  values = np.frombuffer(content, kind, offset=header.end())
  return values.reshape(height, width, 3)[::-1, :, :2].astype(np.float32)


def write_kitti(path: pathlib.Path, flow: np.ndarray) -> int:
  """Writes a flow [H, W, 2], pixels, in KITTI's format, in steps of 1/64.

  Returns:
    The number of pixels whose flow is beyond the format's range of 512 pixels;
    they are marked as unknown.
  """
  values = np.rint(flow * _KITTI_SCALE + _KITTI_ZERO)
  known = np.all((values >= 0) & (values < 2**16), axis=-1)  # [H, W]
  image = np.zeros((*flow.shape[:2], 3), np.uint16)
  image[..., :2] = np.where(known[..., None], values, 0)
  image[..., 2] = known
  height, width = known.shape
  writer = png.Writer(width, height, greyscale=False, bitdepth=16)
  with files.writing(path) as temporary, temporary.open("wb") as stream:
    writer.write(stream, image.reshape(height, -1))
  return int(np.sum(~known))


def read_kitti(path: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
  """Reads a flow in KITTI's format.

  Returns:
    flow [H, W, 2] float32, pixels, 0 where it is unknown, and a mask [H, W] of
    the pixels where it is known.

  Raises:
    files.InputError: if it is not a PNG of 16 bits and three channels, or not
      complete.
  """
  content = files.read_bytes(path)
  try:
    width, height, rows, info = png.Reader(io.BytesIO(content)).read()
    found = (info["planes"], info["bitdepth"])
    if found != (3, 16):
      raise files.InputError(
        f"{path} is a PNG of {found[1]} bits and {found[0]} channels; KITTI's "
        "flow has 16 bits and 3 channels."
      )
    # There may be any number of rows more.
    rows = itertools.islice(rows, height + 1)
    image = np.array([np.asarray(row, np.uint16) for row in rows])
  except (png.Error, zlib.error, EOFError, TypeError, struct.error) as error:
    raise files.InputError(f"{path} is not a readable PNG: {error}") from error
  if image.shape != (height, 3 * width):
    raise files.InputError(f"{path} is not a readable PNG: it is cut short.")
  image = image.reshape(height, width, 3)
  flow = (image[..., :2].astype(np.float32) - _KITTI_ZERO) / _KITTI_SCALE
  known = image[..., 2] > 0
  return np.where(known[..., None], flow, 0), known


def read_flow(path: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
  """Reads a flow in the format of the file's suffix, .flo, .pfm or .png.

  Flow of more than 10⁹ pixels is unknown.

  Returns:
    flow [H, W, 2] float32, pixels, 0 where it is unknown, and a mask [H, W] of
    the pixels where it is known.

  Raises:
    files.InputError: if it cannot be read, or has values that are not finite.
  """
  if path.suffix.lower() == ".png":
    return read_kitti(path)
  flow = (read_pfm if path.suffix.lower() == ".pfm" else read_flo)(path)
  if broken := int(np.sum(~np.all(np.isfinite(flow), axis=-1))):
    raise files.InputError(
      f"{path}: the flow of {broken} pixels is not finite; expected numbers."
    )
  known = np.all(np.abs(flow) <= _FLO_UNKNOWN, axis=-1)  # [H, W]
  return np.where(known[..., None], flow, 0).astype(np.float32), known
