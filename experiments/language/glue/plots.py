"""Plots of a model of GLUE and of its training."""

import pathlib

import numpy as np

from experiments.data import loader
from experiments.language.glue import data
from experiments.language.glue import texts
from experiments.runs import plots
import perceiver

_NUM_TEXTS = 2
_NUM_LATENTS = 8
_MAX_SHOWN = 96  # tokens


CURVE = [plots.Panel("loss"), plots.Panel("score")]


def attention(
  model: perceiver.Model,
  variables: perceiver.Variables,
  split: loader.Split,
  path: pathlib.Path,
) -> pathlib.Path:
  """Plots the first cross-attention of some latents in the first texts.

  Those latents are chosen whose attention differs most from place to place.
  """
  count = min(_NUM_TEXTS, len(split.source))
  figure, axes = plots.pyplot().subplots(
    count,
    1,
    figsize=(0.13 * _MAX_SHOWN + 1, 2.4 * count),
    squeeze=False,
  )
  for axis, number in zip(axes[:, 0], range(count)):
    raw = split.source[number]
    batch = split.transform(raw, np.random.default_rng(0))
    mask = batch["input_mask"]
    maps = model.attention_map(
      variables, batch["ids"][None], input_mask=mask[None]
    )
    prefix = model.config.num_tokens
    shown = np.asarray(maps)[0].mean(axis=0)  # [N, P + M]
    shown = shown[:, prefix : prefix + min(mask.sum(), _MAX_SHOWN)]
    chosen = np.sort(np.argsort(-shown.std(axis=1))[:_NUM_LATENTS])
    shares = shown[chosen] / shown[chosen].max(axis=1, keepdims=True)
    plots.attention_map(axis, shares, aspect="auto")
    axis.set_yticks(range(len(chosen)), [f"latent {n}" for n in chosen])
    tokens = _tokens(split, batch["ids"][: shown.shape[1]])
    turned = 90 if max(map(len, tokens)) > 1 else 0
    axis.set_xticks(range(len(tokens)), tokens, rotation=turned)
    axis.tick_params(labelsize=8, length=0)
  plots.attention_scale(figure, axes, of="latent")
  figure.suptitle(plots.ATTENTION_TITLE, fontsize=10)
  text = (
    f"{plots.ATTENTION_CAPTION}. Below each map the text, character by "
    "character or piece by piece; a bar separates two sentences"
  )
  return plots.save(figure, path, text)


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
