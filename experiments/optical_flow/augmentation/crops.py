"""Crops of frames, scaled and flipped, with the flow between them."""

import dataclasses

import numpy as np
from PIL import Image

from experiments.optical_flow import examples


@dataclasses.dataclass(frozen=True, kw_only=True)
class Crop:
  """Scale and position of a crop.

  Attributes:
    scale: factors of height and width.
    start: top and left edge, in pixels after scaling.
    vertical_flip: whether top and bottom are exchanged afterwards.
    horizontal_flip: whether left and right are exchanged afterwards.
  """

  scale: tuple[float, float] = (1.0, 1.0)
  start: tuple[int, int] = (0, 0)
  vertical_flip: bool = False
  horizontal_flip: bool = False


def apply(
  example: examples.FlowExample, crop: Crop, size: tuple[int, int]
) -> examples.FlowExample:
  """Scales, crops and flips an example.

  Values between pixels are interpolated linearly, those of the flow from valid
  pixels alone. The flow of a new pixel is valid if at least half of the weights
  that it is interpolated with belong to valid pixels.

  Args:
    example: frames that contain the crop.
    crop: scale and position.
    size: height and width of the crop, pixels.

  Returns:
    An example of that size; its `occluded` is None.
  """
  (top, left), (rows, columns) = crop.start, crop.scale
  box = (
    left / columns,
    top / rows,
    min((left + size[1]) / columns, example.valid.shape[1]),
    min((top + size[0]) / rows, example.valid.shape[0]),
  )
  frames = np.stack([_resize(frame, size, box) for frame in example.frames])
  share = _resize(example.valid.astype(np.float32), size, box)  # [h, w]
  total = [
    _resize(example.flow[..., i] * example.valid, size, box) for i in range(2)
  ]
  valid = share >= 0.5
  flow = np.stack(total, axis=-1) / np.where(valid, share, 1)[..., None]
  flow *= np.array([columns, rows], np.float32)  # [h, w, 2], right and down
  if crop.horizontal_flip:
    frames, flow, valid = frames[:, :, ::-1], flow[:, ::-1], valid[:, ::-1]
    flow = flow * np.array([-1, 1], np.float32)
  if crop.vertical_flip:
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
  """Resizes the box left, top, right, bottom of an image."""
  shape = (size[1], size[0])
  resized = Image.fromarray(image).resize(shape, Image.Resampling.BILINEAR, box)
  return np.asarray(resized)
