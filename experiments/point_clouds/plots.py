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


def confusions(
  model: perceiver.Model, variables: perceiver.Variables, split: loader.Split
) -> np.ndarray:  # [classes, classes]
  """Counts shapes by their class, the row, and what they were taken for."""
  classes = model.config.num_classes
  counts = np.zeros((classes, classes), int)
  for batch in loader.eval_batches(split, batch_size=_BATCH):
    logits = np.asarray(model.apply(variables, batch["points"]))
    real = batch["weight"] > 0
    guesses = logits.argmax(axis=-1)
    np.add.at(counts, (batch["labels"][real], guesses[real]), 1)
  return counts


def confusion(
  counts: np.ndarray,  # [classes, classes]
  names: Sequence[str],
  path: pathlib.Path,
) -> pathlib.Path:
  """Plots which classes were taken for which, each row adding up to one."""
  shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
  side = 2.5 + 0.24 * len(names)
  figure, axis = plots.pyplot().subplots(figsize=(side + 0.8, side))
  shown = axis.imshow(shares, cmap="magma", vmin=0, vmax=1)
  figure.colorbar(shown, ax=axis, fraction=0.045, label="share of the class")
  ticks = range(len(names))
  axis.set_xticks(ticks, names, rotation=90, fontsize=7)
  axis.set_yticks(ticks, names, fontsize=7)
  right, total = int(np.trace(counts)), int(counts.sum())
  axis.set(xlabel="taken for", ylabel="class")
  axis.set_title(f"{right} of {total} recognised")
  text = (
    "Shapes of the evaluation split by their class, a row each, and the class "
    "that they were taken for: on the diagonal the right ones"
  )
  return plots.save(figure, path, text)


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
