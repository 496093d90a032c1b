"""An example of optical flow."""

from collections.abc import Callable
import dataclasses

import numpy as np

# [2, H, W, 3] uint8 -> [H, W, 2] float32, pixels
FlowFunction = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlowExample:
  """Two frames and the motion between them.

  Attributes:
    name: in messages and files.
    frames: [2, H, W, 3] uint8, RGB.
    flow: [H, W, 2] float32, pixels: displacement of a pixel of the first frame
      in the second, to the right in channel 0 and downwards in channel 1. 0
      where it is not valid.
    valid: [H, W] bool, pixels whose flow is known.
    occluded: [H, W] bool, pixels of the first frame that are not visible in the
      second, hidden or out of the frame; None if that is unknown.
  """

  name: str
  frames: np.ndarray
  flow: np.ndarray
  valid: np.ndarray
  occluded: np.ndarray | None = None

  def __post_init__(self) -> None:
    height, width = self.frames.shape[1:3]
    shapes = {
      "frames": (self.frames, (2, height, width, 3), np.uint8),
      "flow": (self.flow, (height, width, 2), np.float32),
      "valid": (self.valid, (height, width), np.bool_),
    }
    if self.occluded is not None:
      shapes["occluded"] = (self.occluded, (height, width), np.bool_)
    for name, (array, shape, dtype) in shapes.items():
      if array.shape != shape or array.dtype != dtype:
        raise ValueError(
          f"{self.name}: {name} has shape {array.shape} and dtype "
          f"{array.dtype}; expected {shape} and {np.dtype(dtype)}."
        )
    if not np.all(np.isfinite(self.flow)):
      raise ValueError(f"{self.name}: the flow is not finite everywhere.")
