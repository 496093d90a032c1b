"""Plots of a trained masked language model."""

import pathlib
from typing import Any

import numpy as np

from experiments.language.text import tokenizers
from experiments.runs import plots
import perceiver

_NUM_LATENTS = 12
_COLUMNS = 100  # characters in a line
_MAX_SHOWN = 160  # tokens of the text under attention
_GIVEN, _RIGHT, _WRONG = "black", "tab:green", "tab:red"


CURVE = [plots.Panel(m) for m in ("bits_per_byte", "accuracy", "word_accuracy")]


def guesses(
  model: perceiver.Model,
  variables: perceiver.Variables,
  texts: dict[str, np.ndarray],
) -> np.ndarray:  # [B, P] integers
  """Returns the likeliest id of every masked token, each on its own."""
  logits = model.apply(
    variables,
    texts["ids"],
    input_mask=texts["input_mask"],
    positions=texts["positions"],
  )
  return np.asarray(logits).argmax(axis=-1)


def filled(
  model: perceiver.Model,
  variables: perceiver.Variables,
  texts: dict[str, np.ndarray],
  tokenizer: tokenizers.Tokenizer,
  path: pathlib.Path,
) -> pathlib.Path:
  """Plots texts with their masked tokens filled in, coloured by success."""
  guessed = guesses(model, variables, texts)  # [B, P]
  lines: list[list[tuple[str, str]]] = []
  for row in range(len(guessed)):
    ids = texts["ids"][row].copy()
    colours = np.full(len(ids), _GIVEN, object)
    masked = texts["words"][row] >= 0
    places, targets = texts["positions"][row], texts["targets"][row]
    ids[places[masked]] = guessed[row][masked]
    right = guessed[row] == targets
    colours[places[masked & right]] = _RIGHT
    colours[places[masked & ~right]] = _WRONG
    shown = texts["input_mask"][row]
    lines += [*_lines(tokenizer, ids[shown], colours[shown]), []]
  figure, axis = plots.pyplot().subplots(figsize=(11, 0.2 * len(lines) + 0.6))
  axis.set(xlim=(0, _COLUMNS), ylim=(len(lines), -1))
  axis.axis("off")
  for number, line in enumerate(lines):
    column = 0
    for text, colour in line:
      axis.text(column, number, text, color=colour, family="monospace", size=9)
      column += len(text)
  title = "masked words as filled in: right in green, wrong in red"
  axis.set_title(title, fontsize=10)
  text = (
    "Texts of the evaluation split with the model's likeliest token at every "
    "masked position, each on its own; ¶ is the end of a line"
  )
  return plots.save(figure, path, text)


def _lines(
  tokenizer: tokenizers.Tokenizer, ids: np.ndarray, colours: np.ndarray
) -> list[list[tuple[str, str]]]:
  """Breaks a text into lines of (token, colour)."""
  lines: list[list[tuple[str, str]]] = [[]]
  for number, colour in zip(ids, colours):
    text = _shown(tokenizer, number)
    if sum(len(t) for t, _ in lines[-1]) + len(text) > _COLUMNS:
      lines.append([])
    lines[-1].append((text, colour))
  return lines


def _shown(tokenizer: tokenizers.Tokenizer, number: Any) -> str:
  """Returns a token on a single line; "·" is a byte that is no character."""
  text = tokenizer.decode([int(number)]).replace("\n", "¶")
  return "".join(c if c.isprintable() else "·" for c in text.replace("$", "＄"))


def attention(
  model: perceiver.Model,
  variables: perceiver.Variables,
  texts: dict[str, np.ndarray],
  tokenizer: tokenizers.Tokenizer,
  path: pathlib.Path,
) -> pathlib.Path:
  """Plots the first cross-attention of some latents in one text.

  Those are chosen whose attention differs most from text to text: the others
  attend to positions, whatever stands there.
  """
  maps = model.attention_map(
    variables, texts["ids"], input_mask=texts["input_mask"]
  )
  maps = np.asarray(maps).mean(axis=1)  # [B, N, M]
  chosen = np.argsort(-maps.std(axis=0).sum(axis=-1))[:_NUM_LATENTS]
  length = min(_MAX_SHOWN, int(texts["input_mask"][0].sum()))
  shown = maps[0, chosen, :length]  # [latents, length]
  labels = [
    "_" if number == tokenizers.MASK else _shown(tokenizer, number)
    for number in texts["ids"][0, :length]
  ]
  figure, axis = plots.pyplot().subplots(
    figsize=(0.11 * length + 1, 0.22 * len(chosen) + 1)
  )
  shares = shown / shown.max(axis=1, keepdims=True)
  plots.attention_map(axis, shares, aspect="auto")
  plots.attention_scale(figure, axis, of="latent")
  axis.set_xticks(range(length), labels, fontsize=7, family="monospace")
  axis.set_yticks(range(len(chosen)), [f"latent {n}" for n in chosen], size=7)
  axis.tick_params(length=0)
  axis.set_title(plots.ATTENTION_TITLE, fontsize=10)
  text = f"{plots.ATTENTION_CAPTION}. Below is the text, _ for a masked token"
  return plots.save(figure, path, text)
