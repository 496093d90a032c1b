"""Parts of frames, scaled and mirrored, with the flow between them."""

import dataclasses

import numpy as np
from PIL import Image

from experiments.optical_flow import examples


@dataclasses.dataclass(frozen=True, kw_only=True)
class View:
  """Which part of the frames is seen, and how large.

  Attributes:
    scale: how much height and width grow.
    start: top and left edge, in pixels after scaling.
    upend: whether top and bottom change places afterwards.
    mirror: whether left and right do.
  """

  scale: tuple[float, float] = (1.0, 1.0)
  start: tuple[int, int] = (0, 0)
  upend: bool = False
  mirror: bool = False


def apply(
  example: examples.FlowExample, view: View, size: tuple[int, int]
) -> examples.FlowExample:
  """Scales, crops and mirrors an example.

  What lies between pixels is interpolated linearly, the flow from those pixels
  alone where it is known; it is known of a new pixel if it was of at least
  half of what the pixel is made of.

  Args:
    example: frames that contain the view.
    view: which part is seen, and how large.
    size: height and width of the view, pixels.

  Returns:
    An example of that size. It does not say what is occluded.
  """
  (top, left), (rows, columns) = view.start, view.scale
  box = (
    left / columns,
    top / rows,
    min((left + size[1]) / columns, example.valid.shape[1]),
    min((top + size[0]) / rows, example.valid.shape[0]),
  )
  frames = np.stack([_resize(frame, size, box) for frame in example.frames])
  known = _resize(example.valid.astype(np.float32), size, box)  # [h, w]
  total = [
    _resize(example.flow[..., i] * example.valid, size, box) for i in range(2)
  ]
  valid = known >= 0.5
  flow = np.stack(total, axis=-1) / np.where(valid, known, 1)[..., None]
  flow *= np.array([columns, rows], np.float32)  # [h, w, 2], right and down
  if view.mirror:
    frames, flow, valid = frames[:, :, ::-1], flow[:, ::-1], valid[:, ::-1]
    flow = flow * np.array([-1, 1], np.float32)
  if view.upend:
    frames, flow, valid = frames[:, ::-1], flow[::-1], valid[::-1]
    flow = flow * np.array([1, -1], np.float32)
  return examples.FlowExample(
    name=example.name,
    frames=np.ascontiguousarray(frames),
    flow=np.where(valid[..., None], flow, 0).astype(np.float32),
    valid=np.ascontiguousarray(valid),
  )


def _resize(
  image: np.ndarray,  # [H, W] float32 or [H, W, 3] uint8
  size: tuple[int, int],
  box: tuple[float, float, float, float],
) -> np.ndarray:
  """Resizes the part of an image within left, top, right and bottom."""
  picture = Image.fromarray(image)
  shape = (size[1], size[0])
  return np.asarray(picture.resize(shape, Image.Resampling.BILINEAR, box))
