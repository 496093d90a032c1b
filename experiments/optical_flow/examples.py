"""One example of optical flow, wherever it comes from."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlowExample:
  """Two frames and the motion between them.

  Attributes:
    name: what to call the example in messages and files.
    frames: [2, H, W, 3] uint8, RGB.
    flow: [H, W, 2] float32, pixels: where a pixel of the first frame is in the
      second, to the right in channel 0 and downwards in channel 1. Finite
      wherever it is valid, and 0 elsewhere.
    valid: [H, W] bool, where the flow is known.
    occluded: [H, W] bool, where a pixel of the first frame is not seen in the
      second, hidden or out of the frame; None if the data does not tell.
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
