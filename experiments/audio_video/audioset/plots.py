"""Plots of a classifier of clips, and of its training."""

import pathlib
from typing import Any, NamedTuple

import numpy as np

from experiments.audio_video.audioset import average_precision
from experiments.audio_video.audioset import evaluator
from experiments.audio_video.audioset import examples
from experiments.audio_video.audioset import spectrogram
from experiments.data import loader
from experiments.runs import plots
from experiments.training import evaluation
import perceiver
from perceiver.adapters import audio
from perceiver.adapters import multimodal
from perceiver.adapters import video

_MAX_CLIPS = 1024  # clips of the precision of classes
_AT_A_TIME = 16
_MAX_CLASSES = 40
_NUM_CLIPS = 4
_NUM_LATENTS = 3
_LEVELS = "viridis"
_SHOWN_KHZ = (0.1, 0.5, 1, 2, 4, 8, 16)


CURVE = [
  plots.Panel("loss", "loss, nats", from_zero=True),
  plots.Panel("map", "mean average precision", "chance_map", "chance", True),
]


def classes(
  model: perceiver.Model,
  variables: Any,
  split: loader.Split,
  class_names: tuple[str, ...],
  path: pathlib.Path,
) -> pathlib.Path:
  """Plots the average precision of every class, beside chance.

  Of large splits the first clips are taken, of many classes the best and the
  worst.
  """
  total = len(split.source)
  count = min(_MAX_CLIPS, total)
  loop = evaluation.Loop(
    split=loader.first(split, count), batch_size=_AT_A_TIME
  )
  found = evaluator.predict(model, variables, loop)
  precision = average_precision.of(found.labels, found.scores)
  order = evaluator.shown(evaluator.ranked(precision), _MAX_CLASSES)[::-1]
  figure, axis = plots.pyplot().subplots(figsize=(7, 1.2 + 0.22 * len(order)))
  axis.barh(range(len(order)), precision.by_class[order], label="model")
  axis.plot(
    precision.prevalence[order], range(len(order)), "k|", label="chance"
  )
  axis.set_yticks(range(len(order)), [class_names[n] for n in order])
  axis.set(xlim=(0, 1), xlabel="average precision")
  axis.set_title(f"mean {precision.mean:.3f} on {count} of {total} clips")
  figure.set_layout_engine("constrained")
  figure.legend(loc="outside lower right", ncols=2)
  text = (
    "Average precision of the classes, the best and the worst of many: 1 if "
    "all clips that have the class are ranked before all others. By chance it "
    "is the class's share of the clips"
  )
  return plots.save(figure, path, text)


# ------------------------------------------------------------------- attention


class _Look(NamedTuple):
  """The first segment of a clip, and the latents' attention to it."""

  labels: np.ndarray  # [classes]
  sample_rate: float  # of its audio, Hz
  arrays: dict[str, np.ndarray]  # by modality
  attention: dict[str, np.ndarray]  # {modality: [N, M_i]}, mean over heads


def attention(
  model: perceiver.Model,
  variables: Any,
  split: loader.Split,
  class_names: tuple[str, ...],
  path: pathlib.Path,
) -> pathlib.Path:
  """Plots the first cross-attention of some latents.

  A row per clip, of which the first segment is shown: audio and central frame,
  each followed by the attention of some latents to it, for video a mean over
  time. The latents are those whose attention varies most in the first clip.
  """
  modalities = model.config.inputs.ordered
  looks = [
    _look(model, variables, split, number)
    for number in range(min(_NUM_CLIPS, len(split.source)))
  ]
  whole = np.concatenate(list(looks[0].attention.values()), axis=-1)  # [N, M]
  chosen = np.argsort(-whole.std(axis=-1))[:_NUM_LATENTS]
  columns = len(modalities) * (1 + len(chosen))
  figure, axes = plots.pyplot().subplots(
    len(looks),
    columns,
    figsize=(1.7 * columns, 1.8 * len(looks) + 0.6),
    squeeze=False,
  )
  spectrograms = _spectrograms(split)
  for number, (row, look) in enumerate(zip(axes, looks)):
    for part, modality in zip(np.split(row, len(modalities)), modalities):
      _show(part[0], look, modality, spectrograms)
      for axis, latent in zip(part[1:], chosen):
        attention = look.attention[modality.name][latent]
        _show_attention(axis, attention, modality.input)
        title = f"latent {latent}: {attention.sum():.0%} {modality.name}"
        axis.set_title(title, fontsize=7)
    names = [class_names[n] for n in np.flatnonzero(look.labels)]
    row[0].set_title("\n".join([f"clip {number}:", *names]), fontsize=7)
  _scales(figure, axes, modalities, spectrograms)
  figure.suptitle(plots.ATTENTION_TITLE, fontsize=10)
  text = (
    f"{plots.ATTENTION_CAPTION}. A row for the first segment of a clip: its "
    "audio over time and its middle frame, each followed by the attention to "
    "it, with the share of the latent's attention that goes there. "
    "Spectrograms show levels, of which a tone at full scale has 0 dB"
  )
  return plots.save(figure, path, text)


def audio_files(
  split: loader.Split, folder: pathlib.Path
) -> list[pathlib.Path]:
  """Writes the audio of the clips whose attention is shown."""
  clips = [split.source[i] for i in range(min(_NUM_CLIPS, len(split.source)))]
  return [
    plots.save_audio(folder / f"clip_{i}.wav", clip.sample_rate, clip.audio)
    for i, clip in enumerate(clips)
    if clip.has_audio
  ]


def _look(
  model: perceiver.Model, variables: Any, split: loader.Split, number: int
) -> _Look:
  clip = split.source[number]
  example = split.transform(clip, np.random.default_rng(0))
  modalities = model.config.inputs.ordered
  names = [modality.name for modality in modalities]
  first = {n: x[0] if n in names else x for n, x in example.items()}
  inputs, present = evaluator.to_model({n: x[None] for n, x in first.items()})
  maps = model.attention_map(variables, inputs, mask=present)
  sizes = [modality.input.num_inputs for modality in modalities]
  parts = np.split(
    np.asarray(maps)[0].mean(axis=0), np.cumsum(sizes)[:-1], axis=-1
  )
  attention = dict(zip(names, parts))
  return _Look(example["labels"], clip.sample_rate, first, attention)


def _spectrograms(split: loader.Split) -> spectrogram.SpectrogramConfig:
  assert isinstance(split.transform, examples.EvalTransform)
  return split.transform.config.spectrogram


def _show(
  axis: Any,
  look: _Look,
  modality: multimodal.ModalityConfig,
  config: spectrogram.SpectrogramConfig,
) -> None:
  """Shows the frame in the middle, a spectrogram, or a waveform."""
  array = look.arrays[modality.name]
  axis.tick_params(labelsize=6)
  if isinstance(modality.input, video.VideoInputConfig):
    axis.set(xticks=[], yticks=[])
    axis.imshow(array[len(array) // 2])
  elif isinstance(modality.input, audio.SpectrogramInputConfig):
    _show_spectrogram(axis, array, config)
  else:
    axis.plot(np.arange(len(array)) / look.sample_rate, array, linewidth=0.3)
    axis.set(ylim=(-1, 1))
    axis.set_xlabel("time, s", fontsize=6)


def _show_spectrogram(
  axis: Any,
  levels: np.ndarray,  # [times, bands]
  config: spectrogram.SpectrogramConfig,
) -> None:
  """Shows levels in decibels by seconds and kHz, on a mel scale."""
  corners = spectrogram.corners(config)  # [bands + 2]
  seconds = len(levels) * config.hop / config.sample_rate
  low, high = (corners[i : i + 2].mean() for i in (0, len(corners) - 2))
  axis.imshow(
    (levels.T - 1) / 2 * config.silence,
    cmap=_LEVELS,
    vmin=-config.silence,
    vmax=0,
    aspect="auto",
    origin="lower",
    extent=(0, seconds, low, high),
  )
  at = spectrogram.to_mel(1000 * np.array(_SHOWN_KHZ))
  ticks = [(y, f) for y, f in zip(at, _SHOWN_KHZ) if low < y < high]
  axis.set_yticks([y for y, _ in ticks], [f for _, f in ticks])
  axis.set_xlabel("time, s", fontsize=6)
  axis.set_ylabel("frequency, kHz", fontsize=6)


def _scales(
  figure: Any,
  axes: np.ndarray,  # [clips, columns]
  modalities: tuple[multimodal.ModalityConfig, ...],
  config: spectrogram.SpectrogramConfig,
) -> None:
  """Adds the scales of attention, and of the levels of spectrograms."""
  parts = np.split(axes, len(modalities), axis=1)
  for part, modality in zip(parts, modalities):
    plots.attention_scale(figure, part[:, 1:], "bottom")
    if isinstance(modality.input, audio.SpectrogramInputConfig):
      shown = part[0, 0].images[0]
      bar = figure.colorbar(shown, ax=part[:, 0], location="bottom", aspect=10)
      bar.set_label("level, dB", fontsize=7)
      bar.ax.tick_params(labelsize=6)


def _show_attention(
  axis: Any,
  attention: np.ndarray,  # [M_i]
  config: multimodal.ModalityInput,
) -> None:
  axis.set(xticks=[], yticks=[])
  if isinstance(config, video.VideoInputConfig):
    plots.attention_map(axis, attention.reshape(config.grid).mean(axis=0))
  elif isinstance(config, audio.SpectrogramInputConfig):
    levels = attention.reshape(config.grid).T
    plots.attention_map(axis, levels, aspect="auto", origin="lower")
  else:
    axis.fill_between(range(len(attention)), attention)
    axis.set_ylim(0, None)
