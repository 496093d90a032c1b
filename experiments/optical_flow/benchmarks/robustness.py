"""Robustness: changes of a flow under noise in the frames.

A published test found that noise changes the flow of Perceiver IO far more
than that of RAFT and GMA (`PUBLISHED`). It compares a model's flow of corrupted
frames with its flow of the clean ones, on the pairs of KITTI's test split. It
compares colour images of the flow, each made by its author's own code, so that
its numbers are no distances in pixels and hardly compare between methods.

`evaluate` repeats the test as it was published. It also computes the end-point
error of the change, in pixels, under noise that does not wrap around.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from experiments.data import files
from experiments.optical_flow import colours
from experiments.optical_flow import examples
from experiments.optical_flow import flow_metrics
from experiments.optical_flow.benchmarks import noise
from experiments.runs import result_table

# Patch and Gaussian noise, mean squared error between images.
PUBLISHED = {
  "RAFT": (5.88, 486.60),
  "GMA": (3.14, 612.88),
  "Perceiver IO": (46.65, 6086.99),
}

# The published measure excludes all rows and columns of the patch, and one more
# of each.
_CROSS = slice(noise.PATCH, 2 * noise.PATCH + 1)
_SQUARE = slice(noise.PATCH, 2 * noise.PATCH)
_COLUMNS = ("MSE patch", "MSE Gaussian", "pixels patch", "pixels Gaussian")


class RobustnessTable(NamedTuple):
  """Changes of a flow under noise, means over all pairs.

  Attributes:
    num_pairs: of frames.
    patch_mse: `mse_wo_patch` under the patch, comparable with `PUBLISHED`.
    gaussian_mse: `mse` under the published Gaussian noise, also comparable.
    patch_epe: end-point error under the patch in pixels, without the pixels of
      the patch itself.
    gaussian_epe: the same under Gaussian noise that is clipped.
  """

  num_pairs: int
  patch_mse: float
  gaussian_mse: float
  patch_epe: float
  gaussian_epe: float

  def table(self) -> result_table.ResultTable:
    """Returns the table, the published numbers first."""
    rows = [
      (name, *(f"{number:.2f}" for number in numbers), "–", "–")
      for name, numbers in PUBLISHED.items()
    ]
    rows.append(("this model", *(f"{number:.2f}" for number in self[1:])))
    pairs = "1 pair" if self.num_pairs == 1 else f"{self.num_pairs} pairs"
    return result_table.ResultTable(
      f"change of the flow under noise; this model: the mean of {pairs} of "
      "frames; others: as published for KITTI's test split",
      ("method", *_COLUMNS),
      tuple(rows),
    )


def mse(
  image: np.ndarray,  # [H, W, 3] uint8
  reference: np.ndarray,  # [H, W, 3] uint8
) -> float:
  """Returns the squared difference per pixel, summed over the channels."""
  return float(np.sum(_squared(image, reference)) / image[..., 0].size)


def mse_wo_patch(
  image: np.ndarray,  # [H, W, 3] uint8
  reference: np.ndarray,  # [H, W, 3] uint8
) -> float:
  """Returns `mse` outside the patch, as it was published.

  Rows 100 to 200 and columns 100 to 200, a cross, are excluded, but the sum is
  divided by the number of pixels that are not in the patch.
  """
  squared = _squared(image, reference)
  squared[_CROSS] = 0
  squared[:, _CROSS] = 0
  return float(np.sum(squared) / (image[..., 0].size - noise.PATCH**2))


def evaluate(
  flow_function: examples.FlowFunction,
  source: Iterable[examples.FlowExample],
  *,
  seed: int = 0,
) -> RobustnessTable:
  """Runs the test; the true flow is not used.

  Args:
    flow_function: returns the flow [H, W, 2], pixels, of two frames
      [2, H, W, 3] uint8. It is called four times for each pair.
    source: the pairs; frames may have different sizes from 200 × 200 on.
    seed: of all noise.

  Raises:
    files.InputError: if frames are too small for the patch, there are none, or
      a flow is not finite or of another size.
  """
  patch = noise.salt_and_pepper(np.random.default_rng([seed, 0]))
  published = noise.sample(np.random.default_rng([seed, 1]))
  rows = []
  for index, example in enumerate(source):
    generator = np.random.default_rng([seed, 2, index])
    versions = (
      example.frames,
      noise.corrupt_patch(example.frames, patch),
      noise.corrupt_gaussian_published(example.frames, published),
      noise.corrupt_gaussian(example.frames, generator),
    )
    rows.append(
      _changes(*(_flow(flow_function, x, example.name) for x in versions))
    )
  if not rows:
    raise files.InputError("There is no pair of frames.")
  return RobustnessTable(len(rows), *np.mean(rows, axis=0).tolist())


def _changes(
  clean: np.ndarray,  # [H, W, 2], as the others
  patch: np.ndarray,
  wrapped: np.ndarray,
  gaussian: np.ndarray,
) -> tuple[float, float, float, float]:
  """Returns the numbers of `RobustnessTable` for the flows of one pair."""
  reference = colours.hsv(clean)
  change = flow_metrics.end_point_error(patch, clean)  # [H, W]
  change[_SQUARE, _SQUARE] = 0
  return (
    mse_wo_patch(colours.hsv(patch), reference),
    mse(colours.hsv(wrapped), reference),
    float(np.sum(change) / (change.size - noise.PATCH**2)),
    float(np.mean(flow_metrics.end_point_error(gaussian, clean))),
  )


def _flow(
  flow_function: examples.FlowFunction, frames: np.ndarray, name: str
) -> np.ndarray:  # [H, W, 2]
  flow = flow_function(frames)
  if flow.shape != (*frames.shape[1:3], 2) or not np.all(np.isfinite(flow)):
    raise files.InputError(
      f"{name}: the flow has shape {flow.shape} or is not finite; expected "
      f"{(*frames.shape[1:3], 2)} and finite numbers."
    )
  return flow


def _squared(
  image: np.ndarray, reference: np.ndarray
) -> np.ndarray:  # [H, W, 3] float64
  return (image.astype(np.float64) - reference) ** 2
