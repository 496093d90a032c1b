"""Metrics of optical flow.

The error of a pixel is its end-point error: the length of the difference
between estimated and true flow. Means are over the valid pixels of all frames
together. Where frames have different sizes or sparse truth, as with KITTI,
papers report the mean over images of each image's mean instead, as RAFT's and
UFlow's evaluations do; that is `epe_by_image`.
"""

from jaxtyping import Bool, Float, Float64, Shaped
import numpy as np

from experiments.optical_flow import examples

# KITTI: wrong by more than 3 pixels and more than 5 % of the motion.
_OUTLIER_PIXELS, _OUTLIER_SHARE = 3.0, 0.05
_WITHIN = (1, 3, 5)  # pixels
# Sintel: pixels by the speed of their true motion.
_SPEEDS = {
  "s0-10": (0.0, 10.0),
  "s10-40": (10.0, 40.0),
  "s40+": (40.0, np.inf),
}


def end_point_error(
  flow: Float[np.ndarray, "H W 2"], truth: Float[np.ndarray, "H W 2"]
) -> Float64[np.ndarray, "H W"]:
  """Returns the length of the difference at every pixel, in pixels."""
  difference = flow.astype(np.float64) - truth
  return np.hypot(difference[..., 0], difference[..., 1])


def outliers(
  flow: Float[np.ndarray, "H W 2"], truth: Float[np.ndarray, "H W 2"]
) -> Bool[np.ndarray, "H W"]:
  """Returns the pixels with errors of more than 3 pixels and 5 %."""
  error = end_point_error(flow, truth)
  return (error > _OUTLIER_PIXELS) & (error > _OUTLIER_SHARE * _speed(truth))


class FlowMetrics:
  """Means of errors over any number of examples, added one by one."""

  def __init__(self) -> None:
    """Initialises the sums to zero."""
    self._sums: dict[str, float] = {}
    self._counts: dict[str, int] = {}
    self.num_examples = 0  # including those without a valid pixel
    self.num_pixels = 0  # valid ones

  def add(self, flow: np.ndarray, example: examples.FlowExample) -> None:
    """Adds the valid pixels of an example.

    Args:
      flow: [H, W, 2], estimated, pixels.
      example: with the true flow.

    Raises:
      ValueError: if the flow has another size, or is not finite.
    """
    if flow.shape != example.flow.shape:
      raise ValueError(
        f"{example.name}: the estimated flow has shape {flow.shape}; expected "
        f"{example.flow.shape}."
      )
    if not np.all(np.isfinite(flow)):
      raise ValueError(f"{example.name}: the estimated flow is not finite.")
    self.num_examples += 1
    valid = example.valid  # [H, W]
    if not np.any(valid):
      return
    self.num_pixels += int(np.sum(valid))
    error = end_point_error(flow, example.flow)[valid]  # [n]
    self._add("epe", error)
    self._add("epe_by_image", error.mean(keepdims=True))
    self._add("fl_all", outliers(flow, example.flow)[valid])
    for limit in _WITHIN:
      self._add(f"within_{limit}px", error < limit)
    speed = _speed(example.flow)[valid]  # [n]
    for name, (lowest, end) in _SPEEDS.items():
      self._add(f"epe_{name}", error[(lowest <= speed) & (speed < end)])
    if example.occluded is not None:
      hidden = example.occluded[valid]  # [n]
      self._add("epe_occluded", error[hidden])
      self._add("epe_visible", error[~hidden])

  def results(self) -> dict[str, float]:
    """Returns all means but those over no pixels.

    "epe", and "epe_by_image", the mean of the means of images, in pixels;
    "fl_all", the share of `outliers`; "within_1px", "within_3px" and
    "within_5px", the shares of errors below; "epe_s0-10", "epe_s10-40" and
    "epe_s40+", "epe" of the pixels whose true motion is less than 10, from 10
    to less than 40, and 40 pixels or more; "epe_occluded" and "epe_visible",
    that of the pixels that are not, and that are, visible in the second frame.
    Shares are in [0, 1].
    """
    return {
      name: self._sums[name] / count
      for name, count in self._counts.items()
      if count
    }

  def _add(self, name: str, values: Shaped[np.ndarray, "n"]) -> None:
    """Adds values to one mean."""
    self._sums[name] = self._sums.get(name, 0.0) + float(np.sum(values))
    self._counts[name] = self._counts.get(name, 0) + values.size


def _speed(flow: Float[np.ndarray, "H W 2"]) -> Float64[np.ndarray, "H W"]:
  return np.hypot(*np.moveaxis(flow.astype(np.float64), -1, 0))
