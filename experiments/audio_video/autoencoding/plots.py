"""Plots and videos of an autoencoder's reconstructions."""

from collections.abc import Mapping
import pathlib
from typing import Any

import numpy as np
from PIL import Image

from experiments.audio_video.clips import video_writer
from experiments.data import loader
from experiments.runs import plots
import perceiver

_NUM_SAMPLES = 4
_NUM_FRAMES = 6  # of a clip that are shown
_NUM_LATENTS = 8
_MIN_SHOWN = 160  # pixels of a frame's height in videos
_MILLISECONDS = 120  # between frames of the animation
_VIDEO_SAMPLE_RATE = 48_000

Example = Mapping[str, np.ndarray]


CURVE = [
  plots.Panel("loss"),
  plots.Panel("video_psnr", "", "mean_video_psnr", "mean of the clip"),
  plots.Panel("audio_psnr", "", "mean_audio_psnr", "mean of the clip"),
  plots.Panel("top_1", "top_1 (training: half of the labels are given)"),
]


def examples(split: loader.Split) -> list[dict[str, np.ndarray]]:
  """Returns the first examples of a split, and times [S] as "seconds"."""
  found = []
  for i in range(min(_NUM_SAMPLES, len(split.source))):
    clip = split.source[i]
    example = split.transform(clip, np.random.default_rng(0))
    times = np.arange(len(example["audio"])) / clip.sample_rate
    found.append({**example, "seconds": times})
  return found


def reconstruct(
  model: perceiver.Model, variables: Any, example: Example
) -> dict[str, np.ndarray]:
  """Returns the reconstruction of a clip, whose label is masked.

  Returns:
    {"image": [T, H, W, 3] uint8, "audio": [S, channels] in [-1, 1], "label":
    logits [classes]}.
  """
  found = model.apply(variables, _inputs(example))
  image = np.asarray(found["image"]).reshape(example["image"].shape)
  audio = np.asarray(found["audio"]).reshape(example["audio"].shape)
  return {
    "image": np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8),
    "audio": np.clip(audio, -1, 1),
    "label": np.asarray(found["label"])[0],
  }


def _inputs(example: Example) -> dict[str, np.ndarray]:
  return {
    "image": example["image"][None].astype(np.float32) / 255,
    "audio": example["audio"][None],
  }


def samples(
  examples: list[dict[str, np.ndarray]],
  found: list[dict[str, np.ndarray]],
  class_names: tuple[str, ...],
  path: pathlib.Path,
) -> pathlib.Path:
  """Plots frames and audio of inputs, and of reconstructions below them."""
  figure, axes = plots.pyplot().subplots(
    2 * len(examples),
    _NUM_FRAMES + 1,
    figsize=(1.3 * _NUM_FRAMES + 4, 2.8 * len(examples)),
    width_ratios=[1] * _NUM_FRAMES + [3],
    squeeze=False,
  )
  for number, (example, back) in enumerate(zip(examples, found)):
    loudest = np.abs(example["audio"]).max() * 1.1 + 1e-3
    guess = class_names[int(np.argmax(back["label"]))]
    truth = class_names[int(example["label"])]
    rows = ((example, f"in:\n{truth}"), (back, f"out:\n{guess}"))
    for row, (clip, title) in zip(axes[2 * number :], rows):
      for axis, frame in zip(row, subsample(clip["image"])):
        axis.imshow(frame)
        axis.set(xticks=[], yticks=[])
      row[0].set_ylabel(title, fontsize=7)
      row[-1].plot(example["seconds"], clip["audio"], linewidth=0.5)
      row[-1].set(ylim=(-loudest, loudest))
      row[-1].tick_params(labelsize=7)
  axes[-1, -1].set_xlabel("time, s", fontsize=8)
  figure.suptitle("clips and their reconstructions", fontsize=10)
  text = (
    "Clips (in) with their class, and below each its reconstruction (out) with "
    "the class that the model gives it: frames, and audio over time, in [-1, 1]"
  )
  return plots.save(figure, path, text)


def subsample(
  frames: np.ndarray,
) -> np.ndarray:  # [T, ...] -> [at most 6, ...]
  """Returns a few entries from first to last, evenly spaced."""
  count = min(_NUM_FRAMES, len(frames))
  return frames[np.linspace(0, len(frames) - 1, count).round().astype(int)]


def attention_by_modality(
  model: perceiver.Model,
  weights: np.ndarray,  # [..., M]
) -> dict[str, np.ndarray]:
  """Splits attention to inputs by modality, and gives each its own shape.

  Returns:
    {name: [..., *grid]}; a vector's grid is ().
  """
  found, start = {}, 0
  for modality in model.config.inputs.ordered:
    count = modality.input.num_inputs
    grid = getattr(modality.input, "grid", ())
    part = weights[..., start : start + count]
    found[modality.name] = part.reshape(*weights.shape[:-1], *grid)
    start += count
  return found


def attention(
  model: perceiver.Model,
  variables: Any,
  example: dict[str, np.ndarray],
  path: pathlib.Path,
) -> pathlib.Path:
  """Plots the attention of some latents in space, time and audio.

  The latents of the narrowest attention are chosen, half of them by video and
  half by audio.
  """
  maps = model.attention_map(variables, _inputs(example))[0]  # [H, N, M]
  weights = np.asarray(maps).mean(axis=0)  # [N, M]
  parts = attention_by_modality(model, weights)
  chosen = choose(parts, _NUM_LATENTS)
  # Of every patch in time that is shown, the first frame.
  patches = subsample(np.arange(parts["image"].shape[1]))
  frames = patches * (len(example["image"]) // parts["image"].shape[1])
  figure, axes = plots.pyplot().subplots(
    1 + len(chosen),
    len(patches) + 1,
    figsize=(1.2 * len(patches) + 4, 1.25 * (1 + len(chosen))),
    width_ratios=[1] * len(patches) + [3],
    squeeze=False,
  )
  for axis, frame in zip(axes[0], example["image"][frames]):
    axis.imshow(frame)
  times = example["seconds"]  # [S]
  axes[0, -1].plot(times, example["audio"], linewidth=0.5)
  for row, latent in zip(axes[1:], chosen):
    image, audio = parts["image"][latent], parts["audio"][latent]
    most = weights[latent].max()
    for axis, patch in zip(row, image[patches]):
      plots.attention_map(axis, patch, most)
    row[-1].plot(times[:: len(times) // len(audio)], audio / most)
    row[-1].set_ylim(0, 1)
    shares = f"video {image.sum():.0%}, audio {audio.sum():.0%}"
    row[-1].set_title(shares, fontsize=7, pad=2)
    row[0].set_ylabel(f"latent {latent}", fontsize=7)
  for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
  for axis in axes[1:, -1]:
    axis.set_yticks([0, 1])
    axis.tick_params(labelsize=7)
  axes[-1, -1].set_xticks(np.linspace(0, times[-1], 3).round(2))
  axes[-1, -1].set_xlabel("time, s", fontsize=8)
  plots.attention_scale(figure, axes[1:, :-1], of="latent")
  figure.suptitle("attention of latents", fontsize=10)
  text = (
    "Attention to one clip, in the first row, of latents in the first "
    "cross-attend, averaged over its heads: to its frames, bright where it is "
    "most, and to its audio over time, on the same scale. Above the line are "
    "the shares of both"
  )
  return plots.save(figure, path, text)


def choose(parts: dict[str, np.ndarray], count: int) -> list[int]:
  """Returns latents of narrow attention, by video first, then by audio."""
  chosen: list[int] = []
  for name, wanted in (("image", (count + 1) // 2), ("audio", count)):
    rows = parts[name].reshape(len(parts[name]), -1)  # [N, M]
    narrow = np.argsort(-np.square(rows).sum(axis=-1), kind="stable")
    new = [int(latent) for latent in narrow if latent not in chosen]
    chosen += new[: wanted - len(chosen)]
  return chosen


def side_by_side(
  examples: list[dict[str, np.ndarray]], found: list[dict[str, np.ndarray]]
) -> np.ndarray:  # [T, H, 2·W, 3] uint8
  """Returns all clips after one another, beside their reconstructions."""
  both = [
    np.concatenate([example["image"], back["image"]], axis=2)
    for example, back in zip(examples, found)
  ]
  frames = np.concatenate(both)
  factor = -(-_MIN_SHOWN // frames.shape[1])
  return frames.repeat(factor, axis=1).repeat(factor, axis=2)


def animation(
  examples: list[dict[str, np.ndarray]],
  found: list[dict[str, np.ndarray]],
  path: pathlib.Path,
) -> pathlib.Path:
  """Shows inputs, and reconstructions beside them."""
  frames = [Image.fromarray(x) for x in side_by_side(examples, found)]
  text = (
    "The clips on the left, their reconstructions on the right, slowed down; "
    "audio and video below are slowed down as much"
  )
  return plots.save_animation(frames, path, _MILLISECONDS, text)


def video(
  examples: list[dict[str, np.ndarray]],
  found: list[dict[str, np.ndarray]],
  path: pathlib.Path,
) -> pathlib.Path:
  """Writes inputs and reconstructions as a video with audio."""
  frames = side_by_side(examples, found)
  stereo = np.stack([_audio(clips) for clips in (examples, found)], axis=-1)
  frame_rate = 1000 / _MILLISECONDS
  video_writer.write(path, frames, frame_rate, stereo, _VIDEO_SAMPLE_RATE)
  return path


def audio(
  examples: list[dict[str, np.ndarray]],
  found: list[dict[str, np.ndarray]],
  folder: pathlib.Path,
) -> list[pathlib.Path]:
  """Writes the audio of inputs and of reconstructions, as slow as the video."""
  clips = {"inputs": examples, "reconstructions": found}
  return [
    plots.save_audio(folder / f"{name}.wav", _VIDEO_SAMPLE_RATE, _audio(x))
    for name, x in clips.items()
  ]


def _audio(clips: list[dict[str, np.ndarray]]) -> np.ndarray:  # [S]
  """Returns the audio of clips after one another, as slow as the frames are."""
  from scipy import signal  # type: ignore[import-untyped]

  whole = np.concatenate([clip["audio"].mean(axis=1) for clip in clips])
  seconds = sum(len(clip["image"]) for clip in clips) * _MILLISECONDS / 1000
  slow = signal.resample(whole, round(seconds * _VIDEO_SAMPLE_RATE))
  return np.clip(slow, -1, 1)
