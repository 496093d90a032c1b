"""Colour images of flow: hue is the direction, saturation the speed.

The wheel is Middlebury's (Baker et al., A database and evaluation methodology
for optical flow, 2011): 55 colours in six unequal steps from red through
yellow, green, cyan, blue and magenta back to red. Zero flow is white.

The code that was released with Perceiver IO uses another wheel, of hue alone:
`hsv`.
"""

import numpy as np

# Corners of the wheel, and numbers of colours from each to the next.
_CORNERS = np.array(
  [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1], [1, 0, 0]]
)
_STEPS = (15, 6, 4, 11, 13, 6)
_NUM_COLOURS = sum(_STEPS)
_BEYOND = 0.75  # brightness of flow beyond the fastest speed
HSV_FASTEST = 24.0  # pixels, as released


def wheel() -> np.ndarray:  # [55, 3]
  """Returns the colours of the wheel, RGB in [0, 1]."""
  positions = np.concatenate([[0], np.cumsum(_STEPS)])
  at = np.arange(_NUM_COLOURS)
  return np.stack([np.interp(at, positions, c) for c in _CORNERS.T], axis=-1)


def colour(
  flow: np.ndarray,  # [H, W, 2]
  fastest: float | None = None,
) -> np.ndarray:  # [H, W, 3] uint8
  """Returns a colour image of a flow.

  Args:
    flow: pixels; flow that is not finite becomes black.
    fastest: speed of full saturation, in pixels; that of the fastest pixel if
      None. Faster flow is darker.
  """
  known = np.all(np.isfinite(flow), axis=-1)  # [H, W]
  flow = np.where(known[..., None], flow, 0).astype(np.float64)
  speed = np.hypot(flow[..., 0], flow[..., 1])
  if fastest is None:
    fastest = float(speed.max())
  speed = speed / max(fastest, 1e-9)
  # From 0 to 1, both of which are motion to the left.
  angle = (np.arctan2(-flow[..., 1], -flow[..., 0]) / np.pi + 1) / 2
  position = angle * (_NUM_COLOURS - 1)
  below = np.floor(position).astype(int)
  share = (position - below)[..., None]
  colours = wheel()
  full = (1 - share) * colours[below] + (
    share * colours[(below + 1) % _NUM_COLOURS]
  )
  pale = 1 - np.minimum(speed, 1)[..., None] * (1 - full)
  image = np.where(speed[..., None] <= 1, pale, _BEYOND * full)
  return np.where(known[..., None], np.rint(255 * image), 0).astype(np.uint8)


def hsv(
  flow: np.ndarray,  # [H, W, 2], finite
  fastest: float = HSV_FASTEST,
) -> np.ndarray:  # [H, W, 3] uint8
  """Returns the colour image of a flow of the released Perceiver IO.

  Hue is the direction in 180 steps, red to the right and yellow downwards;
  saturation is the speed in 256 steps, full from `fastest` pixels on;
  brightness is constant. The released notebook exchanges red and blue, which
  does not change sums over channels.
  """
  angle = np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi) % 1
  hue = np.floor(angle * 180) % 180 / 30  # [H, W] in [0, 6)
  full = np.minimum(
    np.floor(np.hypot(*np.moveaxis(flow, -1, 0)) * 255 / fastest), 255
  )
  saturation = full / 255  # [H, W]
  # Each channel is off for two of the six sixths of the wheel.
  away = (hue[..., None] + np.array([5, 3, 1])) % 6  # [H, W, 3]
  missing = np.clip(np.minimum(away, 4 - away), 0, 1)
  return np.rint(255 * (1 - saturation[..., None] * missing)).astype(np.uint8)
