"""Plots of a model of optical flow at work."""

from collections.abc import Sequence
import pathlib
from typing import Any

import numpy as np
from PIL import Image

from experiments.optical_flow import colours
from experiments.optical_flow import examples as flow_examples
from experiments.optical_flow import flow_metrics
from experiments.runs import plots
import perceiver

_NUM_ATTENDED = 3
_NUM_LATENTS = 8
_MIN_SHOWN = 160  # pixels of a frame's height in the animation
_MILLISECONDS = 500  # between its pictures


CURVE = [
  plots.Panel("loss", from_zero=True),
  plots.Panel("epe", "end-point error", "zero_epe", "zero flow", True),
]


def samples(
  examples: Sequence[flow_examples.FlowExample],
  flows: Sequence[np.ndarray],
  path: pathlib.Path,
) -> pathlib.Path:
  """Plots frames, true flow, estimate and error, one row per example."""
  titles = ("first frame", "second frame", "truth", "estimate", "error, pixels")
  figure, axes = plots.pyplot().subplots(
    len(examples),
    len(titles),
    figsize=(2.1 * len(titles), 1.7 * len(examples) + 0.6),
    squeeze=False,
  )
  for axis, title in zip(axes[0], titles):
    axis.set_title(title, fontsize=9)
  for row, example, flow in zip(axes, examples, flows):
    for axis, picture in zip(row, _pictures(example, flow)):
      axis.imshow(picture)
    error = _error(flow, example)  # [H, W]
    shown = row[-1].imshow(error, cmap="magma", vmin=0)
    beside = row[-1].inset_axes([1.03, 0, 0.05, 1])  # all panels stay as large
    figure.colorbar(shown, cax=beside).ax.tick_params(labelsize=6)
    mean = f"mean {np.nanmean(error):.2f}" if example.valid.any() else "unknown"
    row[-1].set_xlabel(mean, fontsize=8)
    row[2].set_xlabel(f"up to {_fastest(example, flow):.2f} pixels", fontsize=8)
    for axis in row:
      axis.set(xticks=[], yticks=[])
  _wheel(axes[0, 2])
  text = (
    "Pairs of frames, their true flow, the model's, and the distance between "
    "the two in pixels, its mean below. The wheel gives a colour's direction; "
    "the stronger it is, the faster the motion, up to the pixels that stand "
    "below the truth, its fastest"
  )
  return plots.save(figure, path, text)


def _pictures(
  example: flow_examples.FlowExample, flow: np.ndarray
) -> list[np.ndarray]:
  """Returns both frames, truth and estimate as pictures [H, W, 3] uint8."""
  truth = np.where(example.valid[..., None], example.flow, np.nan)
  fastest = _fastest(example, flow)
  return [*example.frames, *(colours.colour(x, fastest) for x in (truth, flow))]


def _fastest(example: flow_examples.FlowExample, flow: np.ndarray) -> float:
  """Returns the pixels that have the strongest colour."""
  known = example.flow if example.valid.any() else flow
  return float(np.max(np.hypot(known[..., 0], known[..., 1])))


def _error(
  flow: np.ndarray, example: flow_examples.FlowExample
) -> np.ndarray:  # [H, W], not a number where the truth is unknown
  error = flow_metrics.end_point_error(flow, example.flow)
  return np.where(example.valid, error, np.nan)


def _wheel(axis: Any) -> None:
  """Plots into a corner which colour means which direction."""
  reach = np.linspace(-1, 1, 64)
  flow = np.stack(np.meshgrid(reach, reach), axis=-1)  # [64, 64, 2]
  inside = np.hypot(flow[..., 0], flow[..., 1]) <= 1
  alpha = np.where(inside, 255, 0).astype(np.uint8)[..., None]
  picture = np.concatenate([colours.colour(flow, 1.0), alpha], axis=-1)
  corner = axis.inset_axes((0.0, 0.0, 0.3, 0.3))
  corner.imshow(picture)
  corner.axis("off")


def attention(
  model: perceiver.Model,
  variables: Any,
  examples: Sequence[flow_examples.FlowExample],
  path: pathlib.Path,
) -> pathlib.Path:
  """Plots the first cross-attention of some latents, for a few examples.

  Those latents are shown that attend most narrowly to the first example. Where
  frames have inputs of their own, the first frame's are shown. Of frames of
  another size than the model's, the upper left part is shown.
  """
  grid = model.config.frames.grid
  examples = examples[:_NUM_ATTENDED]
  figure, axes = plots.pyplot().subplots(
    len(examples),
    1 + _NUM_LATENTS,
    figsize=(1.5 * (1 + _NUM_LATENTS), 1.3 * len(examples) + 0.4),
    squeeze=False,
  )
  chosen: np.ndarray | None = None
  for row, example in zip(axes, examples):
    frames = _fit(example.frames, model.config.frames.size)
    maps = model.attention_map(
      variables, frames[None].astype(np.float32) / 255 * 2 - 1
    )[0].mean(axis=0)  # [N, M]
    if chosen is None:
      narrow = np.asarray((maps**2).sum(axis=-1))  # [N]
      chosen = np.argsort(-narrow)[:_NUM_LATENTS]
    row[0].imshow(frames[0])
    for axis, latent in zip(row[1:], chosen):
      attention = np.asarray(maps[latent])[: grid[0] * grid[1]]
      plots.attention_map(axis, attention.reshape(grid))
      axis.set_title(f"latent {latent}", fontsize=7)
    for axis in row:
      axis.axis("off")
  plots.attention_scale(figure, axes)
  figure.suptitle(plots.ATTENTION_TITLE, fontsize=10)
  text = f"{plots.ATTENTION_CAPTION}. In the first column the first frames"
  return plots.save(figure, path, text)


def _fit(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Cuts frames [2, H, W, 3] to a size, or continues them by their edges."""
  frames = frames[:, : size[0], : size[1]]
  missing = [(0, n - have) for n, have in zip(size, frames.shape[1:3])]
  return np.pad(frames, ((0, 0), *missing, (0, 0)), mode="edge")


def animation(
  examples: Sequence[flow_examples.FlowExample],
  flows: Sequence[np.ndarray],
  path: pathlib.Path,
) -> pathlib.Path:
  """Shows the frames in turn, side by side with what the estimate makes of it.

  On the left the two frames change; beside them the second one is brought back
  by the estimate, and stands still where that is right and nothing is hidden.
  Then come truth and estimate.
  """
  pictures = []
  size = examples[0].frames.shape[1:3]
  for example, flow in zip(examples, flows):
    first, second, truth, estimate = _pictures(example, flow)
    back = bring_back(second, flow)
    for left, right in ((first, first), (second, back)):
      row = _fit(np.stack([left, right, truth, estimate]), size)
      picture = Image.fromarray(np.concatenate(list(row), axis=1))
      factor = -(-_MIN_SHOWN // picture.height)
      pictures.append(
        picture.resize(
          (factor * picture.width, factor * picture.height),
          Image.Resampling.NEAREST,
        )
      )
  text = (
    "The two frames in turn; beside them the first one, and the second one "
    "brought back by the model's flow, which stands still where that is right; "
    "then the true flow and the model's"
  )
  return plots.save_animation(pictures, path, _MILLISECONDS, text)


def bring_back(
  frame: np.ndarray,  # [H, W, 3] uint8
  flow: np.ndarray,  # [H, W, 2]
) -> np.ndarray:  # [H, W, 3] uint8
  """Returns for every pixel the colour of where the flow takes it."""
  from scipy import ndimage  # type: ignore[import-untyped]

  rows, columns = np.indices(flow.shape[:2])
  at = np.stack([rows + flow[..., 1], columns + flow[..., 0]])
  channels = [
    ndimage.map_coordinates(channel, at, order=1, mode="nearest")
    for channel in np.moveaxis(frame.astype(np.float32), -1, 0)
  ]
  return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
