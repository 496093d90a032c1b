"""Plots of a trained classifier."""

from collections.abc import Sequence
import pathlib

import numpy as np

from experiments.data import loader
from experiments.image_classification.imagenet import pixels
from experiments.runs import plots
import perceiver

_MAX_SCANNED = 512  # images searched for mistakes
_MAX_SHOWN = 24
_NUM_LATENTS = 8
_NUM_IMAGES = 4
_MAX_NAME = 16  # characters


CURVE = [plots.Panel("loss"), plots.Panel("top_1")]


def mistakes(
  model: perceiver.Model,
  variables: perceiver.Variables,
  split: loader.Split,
  names: Sequence[str],
  path: pathlib.Path,
) -> pathlib.Path:
  """Plots images whose class was not recognised, the surest mistakes first."""
  batch = next(loader.eval_batches(split, batch_size=_MAX_SCANNED))
  count = int(batch["weight"].sum())
  images = batch["images"][:count]
  labels = batch["labels"][:count].reshape(count, -1)  # -1 where there are less
  logits = np.concatenate(
    [
      np.asarray(model.apply(variables, images[i : i + 32]))
      for i in range(0, len(images), 32)
    ]
  )
  guesses = logits.argmax(axis=-1)
  first = labels[:, 0]
  right = (guesses[:, None] == labels).any(axis=-1)
  wrong = np.flatnonzero(~right & (first >= 0))
  margin = logits.max(axis=-1) - logits[np.arange(count), first]
  shown = wrong[np.argsort(-margin[wrong])][:_MAX_SHOWN]
  columns = 8
  rows = -(-len(shown) // columns)
  figure = plots.pyplot().figure(figsize=(1.3 * columns, 1.7 * rows + 0.5))
  axes = [figure.add_subplot(rows, columns, i + 1) for i in range(len(shown))]
  for axis, i in zip(axes, shown):
    axis.axis("off")
    axis.imshow(_displayable(images[i]), cmap="gray")
    title = f"{_short(names[first[i]])}\nas {_short(names[guesses[i]])}"
    axis.set_title(title, fontsize=8)
  figure.suptitle(f"{len(wrong)} of {count} mistaken", fontsize=10)
  text = (
    "Mistakes among the first images of the evaluation split, the surest ones "
    "first: above each its class, and the one that it was taken for"
  )
  return plots.save(figure, path, text)


def _short(name: str) -> str:
  """Returns a name that fits above an image."""
  return name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}…"


def attention(
  model: perceiver.Model,
  variables: perceiver.Variables,
  split: loader.Split,
  path: pathlib.Path,
) -> pathlib.Path:
  """Plots the first cross-attention of some latents, one row per image.

  Every latent is shown on the grid of inputs, before any permutation. Those
  are chosen that differ most from image to image.
  """
  config = model.config.inputs
  count = min(_NUM_IMAGES, len(split.source))
  images = next(loader.eval_batches(split, batch_size=count))["images"]
  maps = np.stack(
    [
      np.asarray(model.attention_map(variables, image[None]))[0].mean(axis=0)
      for image in images
    ]
  )  # [images, N, M]
  unshuffled = np.empty_like(maps)
  unshuffled[..., config.permutation()] = maps
  varied = np.argsort(-unshuffled.std(axis=0).sum(axis=-1))[:_NUM_LATENTS]
  figure, axes = plots.pyplot().subplots(
    len(images),
    1 + len(varied),
    figsize=(1.2 * (1 + len(varied)), 1.3 * len(images) + 0.4),
    squeeze=False,
  )
  for row, image, attention in zip(axes, images, unshuffled):
    row[0].imshow(_displayable(image), cmap="gray")
    for axis, latent in zip(row[1:], varied):
      plots.attention_map(axis, attention[latent].reshape(config.grid))
      axis.set_title(f"latent {latent}", fontsize=7)
    for axis in row:
      axis.axis("off")
  plots.attention_scale(figure, axes)
  figure.suptitle(plots.ATTENTION_TITLE, fontsize=10)
  text = f"{plots.ATTENTION_CAPTION}. In the first column the images"
  return plots.save(figure, path, text)


def _displayable(image: np.ndarray) -> np.ndarray:
  """Returns colours in [0, 1], [H, W, 3]; one channel is scaled to that."""
  if image.shape[-1] == 3:
    return np.clip(image * pixels.STDDEV + pixels.MEAN, 0, 1)
  grey = image[..., 0] - image.min()
  return grey / max(grey.max(), 1e-6)
