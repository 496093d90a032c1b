"""Pictures of a model of GLUE and of its training."""

import pathlib
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
import numpy as np

from experiments.data import loader
from experiments.language.glue import data
from experiments.language.glue import texts
from experiments.runs import log as runs_log
import perceiver

_NUM_TEXTS = 2
_NUM_LATENTS = 8
_MAX_SHOWN = 96  # tokens


def draw(
  model: perceiver.Model,
  variables: perceiver.Variables,
  split: loader.Split,
  workdir: pathlib.Path,
) -> list[pathlib.Path]:
  """Draws what there is to see, into `workdir / "figures"`.

  Args:
    model: the model.
    variables: its parameters and state.
    split: the examples to look at.
    workdir: the run's folder, whose metrics.jsonl the curve is drawn from.

  Returns:
    The files: curve.png, if there is a log, and attention.png, if the model
    can tell where it looks.
  """
  folder = workdir / "figures"
  folder.mkdir(parents=True, exist_ok=True)
  drawn = []
  if (log := workdir / runs_log.METRICS).exists():
    drawn.append(_curve(log, folder / "curve.png"))
  if hasattr(model.config, "trunk"):  # others have no latents
    path = folder / "attention.png"
    drawn.append(_attention(model, variables, split, path))
  return drawn


def _curve(log: pathlib.Path, path: pathlib.Path) -> pathlib.Path:
  """Draws loss, and the score of the development sets, over the steps."""
  rows = runs_log.read_rows(log)
  figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.2))
  for axis, metric in zip(axes, ("loss", "score")):
    for kind, marker in (("train", ""), ("eval", ".")):
      mine = [r for r in rows if r["kind"] == kind and metric in r]
      if mine:
        points = [(row["step"], row[metric]) for row in mine]
        axis.plot(*zip(*points), label=kind, marker=marker)
    axis.set(xlabel="step", title=metric)
    axis.legend()
  return _save(figure, path)


def _attention(
  model: perceiver.Model,
  variables: perceiver.Variables,
  split: loader.Split,
  path: pathlib.Path,
) -> pathlib.Path:
  """Draws where some latents of the first read look in the first texts.

  Those latents are chosen whose attention differs most from place to place.
  """
  count = min(_NUM_TEXTS, len(split.source))
  figure, axes = pyplot.subplots(
    count, 1, figsize=(12, 2.2 * count), squeeze=False
  )
  for axis, number in zip(axes[:, 0], range(count)):
    raw = split.source[number]
    batch = split.transform(raw, np.random.default_rng(0))
    length = int(batch["length"])
    mask = (np.arange(len(batch["ids"])) < length)[None]
    maps = model.attention_map(variables, batch["ids"][None], input_mask=mask)
    prefix = model.config.num_tokens
    shown = np.asarray(maps)[0].mean(axis=0)  # [N, P + M]
    shown = shown[:, prefix : prefix + min(length, _MAX_SHOWN)]
    chosen = np.sort(np.argsort(-shown.std(axis=1))[:_NUM_LATENTS])
    axis.imshow(shown[chosen], aspect="auto", cmap="magma")
    axis.set_yticks(range(len(chosen)), [f"latent {n}" for n in chosen])
    tokens = _tokens(split, batch["ids"][: shown.shape[1]])
    axis.set_xticks(range(len(tokens)), tokens)
    axis.tick_params(labelsize=6)
  figure.suptitle("where latents look in their first read", fontsize=10)
  return _save(figure, path)


def _tokens(split: loader.Split, ids: np.ndarray) -> list[str]:
  """Returns each token as text, the separator as a bar."""
  assert isinstance(split.transform, data.Transform)
  tokenizer = split.transform.encoder.tokenizer
  shown = [
    "|" if number == texts.SEPARATOR else tokenizer.decode([number])
    for number in map(int, ids)
  ]
  # A dollar sign would begin a formula.
  return [text if text.isprintable() and text != "$" else "·" for text in shown]


def _save(figure: Any, path: pathlib.Path) -> pathlib.Path:
  figure.tight_layout()
  figure.savefig(path, dpi=120)
  pyplot.close(figure)
  return path
