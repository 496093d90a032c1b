"""Pictures of a trained classifier."""

import pathlib
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
import numpy as np

from experiments.data import loader
from experiments.runs import log as runs_log
import perceiver

_MAX_SCANNED = 512  # images looked at for mistakes
_MAX_SHOWN = 24
_NUM_LATENTS = 8
_NUM_IMAGES = 4


def draw(
  model: perceiver.Model,
  variables: perceiver.Variables,
  split: loader.Split,
  workdir: pathlib.Path,
  class_names: tuple[str, ...] | None,
) -> list[pathlib.Path]:
  """Draws what there is to see, into `workdir / "figures"`.

  Args:
    model: the classifier.
    variables: its parameters and state.
    split: the images to look at.
    workdir: the run's folder, whose metrics.jsonl the curve is drawn from.
    class_names: names of the classes; numbers if None.

  Returns:
    The files: curve.png, mistakes.png, and attention.png if the model can
    tell where it looks.
  """
  folder = workdir / "figures"
  folder.mkdir(parents=True, exist_ok=True)
  names = class_names or tuple(map(str, range(model.config.num_classes)))
  batch = next(loader.eval_batches(split, batch_size=_MAX_SCANNED))
  count = int(batch["weight"].sum())
  images, labels = batch["images"][:count], batch["labels"][:count]
  drawn = [
    _curve(workdir / "metrics.jsonl", folder / "curve.png"),
    _mistakes(model, variables, images, labels, names, folder / "mistakes.png"),
  ]
  if hasattr(model.config, "perceiver"):  # others do not attend
    drawn.append(
      _attention(
        model, variables, images[:_NUM_IMAGES], folder / "attention.png"
      )
    )
  return [path for path in drawn if path is not None]


def _curve(log: pathlib.Path, path: pathlib.Path) -> pathlib.Path | None:
  """Draws loss and accuracy over the steps."""
  if not log.exists():
    return None
  rows = runs_log.read_rows(log)
  figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.2))
  for axis, metric in zip(axes, ("loss", "top_1")):
    for kind, marker in (("train", ""), ("eval", ".")):
      points = [
        (row["step"], row[metric]) for row in rows if row["kind"] == kind
      ]
      axis.plot(*zip(*points), label=kind, marker=marker)
    axis.set(xlabel="step", title=metric)
    axis.legend()
  return _save(figure, path)


def _mistakes(
  model: perceiver.Model,
  variables: perceiver.Variables,
  images: np.ndarray,
  labels: np.ndarray,
  names: tuple[str, ...],
  path: pathlib.Path,
) -> pathlib.Path:
  """Draws images whose class was not recognised, the surest mistakes first."""
  logits = np.concatenate(
    [
      np.asarray(model.apply(variables, images[i : i + 32]))
      for i in range(0, len(images), 32)
    ]
  )
  guesses = logits.argmax(axis=-1)
  wrong = np.flatnonzero(guesses != labels)
  margin = logits.max(axis=-1) - logits[np.arange(len(labels)), labels]
  shown = wrong[np.argsort(-margin[wrong])][:_MAX_SHOWN]
  columns = 8
  rows = max(1, -(-len(shown) // columns))
  figure, axes = pyplot.subplots(
    rows, columns, figsize=(1.3 * columns, 1.6 * rows + 0.4), squeeze=False
  )
  for axis in axes.flat:
    axis.axis("off")
  for axis, i in zip(axes.flat, shown):
    axis.imshow(_displayable(images[i]), cmap="gray")
    axis.set_title(f"{names[labels[i]]} as {names[guesses[i]]}", fontsize=8)
  figure.suptitle(f"{len(wrong)} of {len(labels)} mistaken", fontsize=10)
  return _save(figure, path)


def _attention(
  model: perceiver.Model,
  variables: perceiver.Variables,
  images: np.ndarray,
  path: pathlib.Path,
) -> pathlib.Path:
  """Draws where some latents of the first read look, one row per image.

  Every latent is shown on the grid of inputs, before any permutation. Those
  are chosen that differ most from image to image.
  """
  config = model.config.inputs
  maps = np.stack(
    [
      np.asarray(model.attention_map(variables, image[None]))[0].mean(axis=0)
      for image in images
    ]
  )  # [images, N, M]
  unshuffled = np.empty_like(maps)
  unshuffled[..., config.permutation()] = maps
  varied = np.argsort(-unshuffled.std(axis=0).sum(axis=-1))[:_NUM_LATENTS]
  figure, axes = pyplot.subplots(
    len(images),
    1 + len(varied),
    figsize=(1.2 * (1 + len(varied)), 1.3 * len(images) + 0.4),
    squeeze=False,
  )
  for row, image, attention in zip(axes, images, unshuffled):
    row[0].imshow(_displayable(image), cmap="gray")
    for axis, latent in zip(row[1:], varied):
      axis.imshow(attention[latent].reshape(config.grid), cmap="magma")
      axis.set_title(f"latent {latent}", fontsize=7)
    for axis in row:
      axis.axis("off")
  figure.suptitle("where latents look in their first read", fontsize=10)
  return _save(figure, path)


def _displayable(image: np.ndarray) -> np.ndarray:
  """Scales an image [H, W, C] to [0, 1]; one channel becomes [H, W]."""
  image = image - image.min()
  image = image / max(image.max(), 1e-6)
  return image[..., 0] if image.shape[-1] == 1 else image


def _save(figure: Any, path: pathlib.Path) -> pathlib.Path:
  figure.tight_layout()
  figure.savefig(path, dpi=120)
  pyplot.close(figure)
  return path
