"""How much a flow changes when its frames are spoilt.

A published test found that noise changes the flow of Perceiver IO far more
than that of RAFT and GMA (`PUBLISHED`). It compares a model's flow of spoilt
frames with its flow of the clean ones, on the pairs of KITTI's test split. What
is compared are pictures of the flow, drawn by each author's own code, so that
its numbers are no distances in pixels and hardly compare between methods.

`evaluate` repeats the test as it was published, and beside it says how many
pixels the flow itself moved, under noise that does not wrap around.
"""

from collections.abc import Callable, Iterable
import dataclasses
from typing import NamedTuple

import numpy as np

from experiments.data import files
from experiments.optical_flow import colours
from experiments.optical_flow import examples
from experiments.optical_flow import flow_metrics
from experiments.optical_flow.benchmarks import noise

FlowFunction = Callable[[np.ndarray], np.ndarray]  # [2, H, W, 3] -> [H, W, 2]
Renderer = Callable[[np.ndarray], np.ndarray]  # [H, W, 2] -> [H, W, 3] uint8

# Patch and Gaussian noise, mean squared error between pictures.
PUBLISHED = {
  "RAFT": (5.88, 486.60),
  "GMA": (3.14, 612.88),
  "Perceiver IO": (46.65, 6086.99),
}

# The published measure leaves out all rows and columns of the patch, and one
# more of each.
_HOLE = slice(noise.PATCH, 2 * noise.PATCH + 1)
_SQUARE = slice(noise.PATCH, 2 * noise.PATCH)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RobustnessTable:
  """The change of a flow under noise, the mean over all pairs.

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

  def __str__(self) -> str:
    """Returns the table, the published numbers first."""
    lines = [
      f"{'':<14}{'mean squared error of pictures':>34}{'pixels moved':>25}",
      f"{'':<14}{'patch':>17}{'Gaussian':>17}{'patch':>12}{'Gaussian':>13}",
    ]
    for name, (patch, gaussian) in PUBLISHED.items():
      lines.append(
        f"{name:<14}{patch:>17.2f}{gaussian:>17.2f}{'–':>12}{'–':>13}"
      )
    lines.append(
      f"{'this one':<14}{self.patch_mse:>17.2f}{self.gaussian_mse:>17.2f}"
      f"{self.patch_epe:>12.2f}{self.gaussian_epe:>13.2f}"
    )
    pairs = "pair" if self.num_pairs == 1 else "pairs"
    lines.append(
      f"This one is the mean of {self.num_pairs} {pairs} of frames; the others "
      "were published for KITTI's test split."
    )
    return "\n".join(lines)


def mse(
  picture: np.ndarray,  # [H, W, 3] uint8
  reference: np.ndarray,  # [H, W, 3] uint8
) -> float:
  """Returns the squared difference per pixel, summed over the channels."""
  return float(np.sum(_squared(picture, reference)) / picture[..., 0].size)


def mse_wo_patch(
  picture: np.ndarray,  # [H, W, 3] uint8
  reference: np.ndarray,  # [H, W, 3] uint8
) -> float:
  """Returns `mse` away from the patch, as it was published.

  All of rows 100 to 200 and of columns 100 to 200 is left out, a cross, but
  the sum is divided by the pixels that are not in the patch.
  """
  squared = _squared(picture, reference)
  squared[_HOLE] = 0
  squared[:, _HOLE] = 0
  return float(np.sum(squared) / (picture[..., 0].size - noise.PATCH**2))


def evaluate(
  flow_function: FlowFunction,
  source: Iterable[examples.FlowExample],
  *,
  seed: int = 0,
  render: Renderer = colours.hsv,
  on_progress: Callable[[int], None] = lambda done: None,
) -> RobustnessTable:
  """Runs the test; the true flow is not looked at.

  Args:
    flow_function: gives the flow [H, W, 2], pixels, of two frames
      [2, H, W, 3] uint8. It is called four times for each pair.
    source: the pairs; frames may have different sizes from 200 × 200 on.
    seed: of all noise.
    render: draws a flow as a picture [H, W, 3] uint8; as released by default.
    on_progress: is told how many pairs are done.

  Raises:
    files.InputError: if frames are too small for the patch, there are none, or
      a flow is not finite or of another size.
  """
  patch = noise.salt_and_pepper(np.random.default_rng([seed, 0]))
  drawn = noise.draw(np.random.default_rng([seed, 1]))
  rows = []
  for index, example in enumerate(source):
    generator = np.random.default_rng([seed, 2, index])
    spoilt = _Spoilt(
      patch=noise.corrupt_patch(example.frames, patch),
      wrapped=noise.corrupt_gaussian_published(example.frames, drawn),
      gaussian=noise.corrupt_gaussian(example.frames, generator),
    )
    rows.append(_changes(flow_function, example, spoilt, render))
    on_progress(index + 1)
  if not rows:
    raise files.InputError("There is no pair of frames to spoil.")
  means = _Changes(*np.mean(rows, axis=0).tolist())
  return RobustnessTable(
    num_pairs=len(rows),
    patch_mse=means.patch_mse,
    gaussian_mse=means.gaussian_mse,
    patch_epe=means.patch_epe,
    gaussian_epe=means.gaussian_epe,
  )


class _Spoilt(NamedTuple):
  """Two frames under each noise, all [2, H, W, 3] uint8."""

  patch: np.ndarray
  wrapped: np.ndarray
  gaussian: np.ndarray


class _Changes(NamedTuple):
  """One row of the numbers of `RobustnessTable`."""

  patch_mse: float
  gaussian_mse: float
  patch_epe: float
  gaussian_epe: float


def _changes(
  flow_function: FlowFunction,
  example: examples.FlowExample,
  spoilt: _Spoilt,
  render: Renderer,
) -> _Changes:
  """Returns how much the flow of one example changes."""
  clean, patch, wrapped, gaussian = (
    _flow(flow_function, frames, example.name)
    for frames in (example.frames, *spoilt)
  )
  picture = render(clean)
  moved = flow_metrics.end_point_error(patch, clean)  # [H, W]
  moved[_SQUARE, _SQUARE] = 0
  return _Changes(
    patch_mse=mse_wo_patch(render(patch), picture),
    gaussian_mse=mse(render(wrapped), picture),
    patch_epe=float(np.sum(moved) / (moved.size - noise.PATCH**2)),
    gaussian_epe=float(np.mean(flow_metrics.end_point_error(gaussian, clean))),
  )


def _flow(
  flow_function: FlowFunction, frames: np.ndarray, name: str
) -> np.ndarray:  # [H, W, 2]
  flow = flow_function(frames)
  if flow.shape != (*frames.shape[1:3], 2) or not np.all(np.isfinite(flow)):
    raise files.InputError(
      f"{name}: the flow has shape {flow.shape} or is not finite; expected "
      f"{(*frames.shape[1:3], 2)} and finite numbers."
    )
  return flow


def _squared(
  picture: np.ndarray, reference: np.ndarray
) -> np.ndarray:  # [H, W, 3] float64
  return (picture.astype(np.float64) - reference) ** 2
