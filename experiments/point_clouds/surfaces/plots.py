"""Plots of a trained autoencoder of surfaces."""

from collections.abc import Callable
import pathlib

import numpy as np

from experiments.data import loader
from experiments.point_clouds.surfaces import data as surfaces_data
from experiments.runs import plots

CURVE = [plots.Panel("loss"), plots.Panel("near_error")]
_NUM_SURFACES = 5
_SIZE = 64  # pixels of a slice
_THICK = 0.03  # points of the surface this close to the slice are shown


def slices(
  decode: Callable[[np.ndarray, np.ndarray], np.ndarray],
  split: loader.Split,
  path: pathlib.Path,
) -> pathlib.Path:
  """Plots decoded distances on the plane y = 0, and the surface's points there.

  Args:
    decode: the model: points [B, P, 3], queries [B, O, 3] -> distances [B, O].
    split: evaluation examples.
    path: of the file.
  """
  count = min(_NUM_SURFACES, len(split.source))
  generator = np.random.default_rng(0)
  points = np.stack(
    [
      split.transform(split.source[i], generator)["points"]
      for i in range(count)
    ]
  )  # [n, P, 3]
  axis = (2 * np.arange(_SIZE) + 1) / _SIZE - 1
  right, up = np.meshgrid(axis, axis)  # [S, S]
  plane = np.stack([right, np.zeros_like(right), up], axis=-1)
  plane = plane.reshape(1, -1, 3).astype(np.float32)
  found = np.asarray(decode(points, plane.repeat(count, axis=0)))
  figure, axes = plots.pyplot().subplots(
    1, count, figsize=(2.1 * count + 0.8, 2.6), squeeze=False
  )
  figure.set_layout_engine("constrained")
  for each, cloud, values in zip(axes[0], points, found):
    shown = each.imshow(
      values.reshape(_SIZE, _SIZE),
      origin="lower",
      extent=(-1, 1, -1, 1),
      cmap="viridis_r",
      vmin=0,
      vmax=surfaces_data.TRUNCATED,
    )
    near = cloud[np.abs(cloud[:, 1]) < _THICK]
    each.scatter(near[:, 0], near[:, 2], s=1, c="black")
    each.set_xlabel("x", fontsize=7)
    each.tick_params(labelsize=6)
  axes[0, 0].set_ylabel("z", fontsize=7)
  figure.colorbar(shown, ax=axes[0], fraction=0.03, label="distance")
  text = (
    "Decoded distances from held-out surfaces on the plane y = 0, where the "
    "cube's side is 2; black: the inputs within "
    f"{_THICK} of that plane"
  )
  return plots.save(figure, path, text)
