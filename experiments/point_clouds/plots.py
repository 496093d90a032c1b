"""Plots of a trained classifier of shapes."""

from collections.abc import Sequence
import pathlib
from typing import Any

import numpy as np

from experiments.data import loader
from experiments.runs import plots
import perceiver

_BATCH = 64
_SEED = 0
_NUM_SHAPES = 6
_NUM_LATENTS = 6
_ATTENTION_COLOURS = "plasma"  # darkest where it is none

# The point of view: to the right, up and away, as columns.
_VIEW = np.array([[0.87, -0.2, 0.46], [-0.5, -0.35, 0.8], [0.0, 0.92, 0.4]])


CURVE = [plots.Panel("loss"), plots.Panel("top_1")]


def attention(
  model: perceiver.Model,
  variables: perceiver.Variables,
  split: loader.Split,
  names: Sequence[str],
  path: pathlib.Path,
) -> pathlib.Path:
  """Plots clouds coloured by the first cross-attention of latents.

  Those latents are shown that attend most narrowly to the first shape. Points
  are bright that get more than others.
  """
  points, labels = _some(split)
  maps = np.stack(
    [
      np.asarray(model.attention_map(variables, cloud[None]))[0].mean(axis=0)
      for cloud in points
    ]
  )  # [shapes, N, P]
  guesses = np.asarray(model.apply(variables, points)).argmax(axis=-1)
  chosen = np.argsort(-(maps[0] ** 2).sum(axis=-1))[:_NUM_LATENTS]
  figure, axes = plots.pyplot().subplots(
    len(points),
    1 + len(chosen),
    figsize=(1.5 * (1 + len(chosen)), 1.6 * len(points) + 0.4),
    squeeze=False,
  )
  for row, cloud, attention, label, guess in zip(
    axes, points, maps, labels, guesses
  ):
    _scatter(row[0], cloud, cloud @ _VIEW[:, 2], "viridis_r", None)
    row[0].set_title(f"{names[label]} as {names[guess]}", fontsize=7)
    for axis, latent in zip(row[1:], chosen):
      shares = attention[latent] / attention[latent].max()
      _scatter(axis, cloud, shares, _ATTENTION_COLOURS, (0, 1))
      axis.set_title(f"latent {latent}", fontsize=7)
  plots.attention_scale(figure, axes, colours=_ATTENTION_COLOURS, of="shape")
  figure.suptitle(plots.ATTENTION_TITLE, fontsize=10)
  text = (
    f"{plots.ATTENTION_CAPTION}. In the first column the shapes, near points "
    "in light colours, with their class and the one that they were taken for"
  )
  return plots.save(figure, path, text)


def _some(
  split: loader.Split,
) -> tuple[np.ndarray, np.ndarray]:  # [n, P, 3], [n]
  """Returns a shape of each of the first few classes that are shown."""
  found: dict[int, np.ndarray] = {}
  numbers = np.random.default_rng(_SEED)
  for i in numbers.permutation(len(split.source)):
    example = split.transform(split.source[int(i)], numbers)
    found.setdefault(int(example["labels"]), example["points"])
    if len(found) == _NUM_SHAPES:
      break
  labels = sorted(found)
  return np.stack([found[label] for label in labels]), np.array(labels)


def _scatter(
  axis: Any,
  points: np.ndarray,  # [P, 3]
  values: np.ndarray,  # [P]
  colours: str,
  limits: tuple[float, float] | None,
) -> None:
  """Plots a cloud, near points over far ones, coloured by values.

  `limits` are the values of the first and of the last colour; None for the
  least and the greatest that there are.
  """
  right, up, away = (points @ _VIEW).T
  order = np.argsort(-away)
  low, high = limits or (None, None)
  axis.scatter(
    right[order],
    up[order],
    s=2,
    c=values[order],
    cmap=colours,
    vmin=low,
    vmax=high,
  )
  axis.set_aspect("equal")
  axis.axis("off")
