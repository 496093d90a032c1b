"""Files of optical flow: Middlebury's .flo and KITTI's 16-bit PNG.

Pillow reads and writes no PNG with 16 bits and three channels, so that the few
lines which write one stand here.
"""

import pathlib
import struct
import zlib

import numpy as np

from experiments import files

_FLO_TAG = b"PIEH"  # the float 202021.25
# A KITTI value is 64 · flow + 2^15; 1 in the third channel says that it is one.
_KITTI_SCALE, _KITTI_ZERO = 64.0, 2**15


def write_flo(path: pathlib.Path, flow: np.ndarray) -> None:
  """Writes a flow [H, W, 2], pixels, as float32, whole or not at all."""
  height, width = flow.shape[:2]
  header = _FLO_TAG + struct.pack("<ii", width, height)
  with files.writing(path) as temporary:
    temporary.write_bytes(header + flow.astype("<f4").tobytes())


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
      f"{path} says that it holds {width} × {height} pixels and has "
      f"{len(content)} bytes; expected {12 + 8 * width * height}."
    )
  return np.frombuffer(content, "<f4", offset=12).reshape(height, width, 2)


def write_kitti(path: pathlib.Path, flow: np.ndarray) -> int:
  """Writes a flow [H, W, 2], pixels, in KITTI's format, in steps of 1/64.

  Returns:
    How many pixels move too far for the format, which ends at 512 pixels;
    they are marked as unknown.
  """
  values = np.rint(flow * _KITTI_SCALE + _KITTI_ZERO)
  known = np.all((values >= 0) & (values < 2**16), axis=-1)  # [H, W]
  image = np.zeros((*flow.shape[:2], 3), np.uint16)
  image[..., :2] = np.where(known[..., None], values, 0)
  image[..., 2] = known
  with files.writing(path) as temporary:
    temporary.write_bytes(encode_png16(image))
  return int(np.sum(~known))


def from_kitti(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns flow [H, W, 2] and where it is known [H, W] of a KITTI image.

  Args:
    image: [H, W, 3] uint16.
  """
  flow = (image[..., :2].astype(np.float32) - _KITTI_ZERO) / _KITTI_SCALE
  return flow, image[..., 2] > 0


def encode_png16(image: np.ndarray) -> bytes:
  """Returns a PNG of an image [H, W, 3], or [H, W] in grey, of uint16."""
  height, width = image.shape[:2]
  colour = 2 if image.ndim == 3 else 0
  rows = image.astype(">u2").reshape(height, -1).view(np.uint8)
  rows = np.pad(rows, ((0, 0), (1, 0)))  # filter 0 before every row

  def chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return (
      struct.pack(">I", len(content))
      + name
      + content
      + struct.pack(">I", check)
    )

  header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
  return b"".join(
    [
      b"\x89PNG\r\n\x1a\n",
      chunk(b"IHDR", header),
      chunk(b"IDAT", zlib.compress(rows.tobytes())),
      chunk(b"IEND", b""),
    ]
  )
