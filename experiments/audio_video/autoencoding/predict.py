"""The autoencode command: reconstructs a clip of video and audio."""

import dataclasses
import json
import math
import pathlib
from typing import Annotated, Any

import numpy as np
from PIL import Image
import tyro

from experiments.audio_video.autoencoding import task
from experiments.audio_video.clips import user_files
from experiments.cli import errors
from experiments.cli import predicting
from experiments.data import files
from experiments.runs import plots
import perceiver
from perceiver.models import video_autoencoding


@dataclasses.dataclass(frozen=True, kw_only=True)
class Autoencode:
  """Reconstructs a clip of video and audio, and predicts its label.

  Writes both videos side by side as comparison.gif and in frames/, the audio
  as original.wav and reconstruction.wav, and result.json.

  Attributes:
    clip: an .npz file with "image" [T, H, W, 3] and optionally "audio"
      and its "rate"; a folder of frames, with or without a file of audio; or a
      video file, or one of audio with a picture of the same name beside it,
      which need PyAV.
    audio: a file of audio in place of the clip's own; any but .wav needs PyAV.
    fps: frames per second of arrays and folders. Models were trained with 25.
    start: first second of the clip.
    output: the folder for the results.
    labels: a file with the name of a class on every line; numbers if None.
    chunk: pixels decoded at a time; more need more memory.
  """

  clip: tyro.conf.Positional[pathlib.Path]
  weights: Annotated[predicting.Weights, tyro.conf.arg(name="")] = (
    predicting.Weights()
  )
  audio: pathlib.Path | None = None
  fps: float = float(user_files.FRAMES_PER_SECOND)
  start: float = 0.0
  output: pathlib.Path = pathlib.Path("autoencoded")
  labels: pathlib.Path | None = None
  chunk: int = 65_536


def run(options: Autoencode) -> None:
  """Runs the command.

  Raises:
    errors.UsageError: if the command makes no sense.
    files.InputError: if a file cannot be used.
    FileNotFoundError: if a file is not there.
  """
  if options.chunk < 1 or not options.fps > 0:
    raise errors.UsageError("--chunk must be at least 1, --fps more than 0")
  if options.output.exists() and not options.output.is_dir():
    raise errors.UsageError(f"--output {options.output} is not a folder")
  model, variables = predicting.load(
    options.weights,
    video_autoencoding.VideoAutoencoderConfig,
    "video_autoencoding",
  )
  try:
    shape = task.clip_shape(model.config)
  except ValueError as error:
    raise errors.UsageError(str(error)) from error
  if shape.channels != 1:
    raise errors.UsageError(
      f"the model's audio has {shape.channels} channels; this command needs 1"
    )
  names = predicting.read_labels(options.labels, shape.num_classes)
  # A second more, so that resampling is not affected by the end of the audio.
  seconds = shape.num_frames / user_files.FRAMES_PER_SECOND + 1
  rate = user_files.sample_rate(shape)
  end = options.start + seconds
  clip = user_files.read(
    options.clip, options.audio, options.fps, options.start, end, rate
  )
  inputs, changes = user_files.fit(clip, shape, options.start)
  for line in changes:
    predicting.say(line)
  latents = model.encode(variables, inputs)
  found = decode(model, variables, latents, options.chunk)
  report(options.output, rate, inputs, found, changes, names)


def decode(
  model: perceiver.Model,
  variables: perceiver.Variables,
  latents: Any,  # [1, N, D]
  chunk: int,
) -> dict[str, np.ndarray]:
  """Decodes everything, `chunk` pixels at a time.

  Returns:
    {"image": [T, H, W, 3], "audio": [S], "label": logits [classes]}.
  """
  outputs = task.outputs_by_name(model.config)
  total, none = outputs["image"].num_points, np.zeros(0, np.int32)
  chunk = min(chunk, total)
  starts = range(0, total, chunk)
  show = predicting.progress("chunks", len(starts) + 1)
  first = model.decode(variables, latents, {"image": none})
  show(1)
  chunks = []
  for done, start in enumerate(starts, 2):
    # The last chunk is padded to the size of the others: one compilation.
    points = np.minimum(np.arange(start, start + chunk), total - 1)
    part = model.decode(
      variables,
      latents,
      {"image": points.astype(np.int32), "audio": none},
    )
    chunks.append(np.asarray(part["image"])[0])
    show(done)
  image = np.concatenate(chunks)[:total].reshape(*outputs["image"].grid, 3)
  return {
    "image": image,
    "audio": np.asarray(first["audio"])[0],
    "label": np.asarray(first["label"])[0],
  }


def psnr(reference: np.ndarray, found: np.ndarray) -> float:
  """Returns the peak signal-to-noise ratio, dB, for a peak of 1."""
  error = np.mean(
    np.square(reference.astype(np.float64) - found.astype(np.float64))
  )
  return math.inf if error == 0 else -10 * math.log10(error)


# ----------------------------------------------------------------- the results


def report(
  folder: pathlib.Path,
  rate: int,
  inputs: dict[str, np.ndarray],
  found: dict[str, np.ndarray],
  changes: list[str],
  names: tuple[str, ...] | None,
) -> None:
  """Writes the reconstruction, and prints its PSNR and the likeliest labels.

  Values beyond the range of a clip are clipped, before comparison as well.

  Args:
    folder: the folder of the files.
    rate: audio samples per second.
    inputs: inputs of the model, as of `user_files.fit`.
    found: outputs of the model, as of `decode`.
    changes: changes made to the clip.
    names: names of the classes.
  """
  if not all(np.all(np.isfinite(array)) for array in found.values()):
    raise files.InputError(
      "the reconstruction is not finite; is the checkpoint in order?"
    )
  image, audio = inputs["image"][0], inputs["audio"][0, :, 0]
  new_image = np.clip(found["image"], 0, 1)
  new_audio = np.clip(found["audio"], -1, 1)
  best = predicting.best_classes(found["label"], 5, names)
  result = {
    "video_psnr_db": _finite(psnr(image, new_image)),
    "audio_psnr_db": _finite(psnr(audio, new_audio)),
    "labels": best,
    "clip": changes,
  }
  write_videos(folder, image, new_image)
  plots.save_audio(folder / "original.wav", rate, audio)
  plots.save_audio(folder / "reconstruction.wav", rate, new_audio)
  files.write_text(folder / "result.json", json.dumps(result, indent=2) + "\n")
  print(f"video PSNR {psnr(image, new_image):.2f} dB (peak 1)")
  print(f"audio PSNR {psnr(audio, new_audio):.2f} dB (peak 1)")
  print("\n".join(map(predicting.describe, best)))
  print(f"{folder}: comparison.gif (left original, right reconstruction)")


def _finite(value: float) -> float | None:
  return value if math.isfinite(value) else None


def write_videos(
  folder: pathlib.Path,
  left: np.ndarray,  # [T, H, W, 3] in [0, 1]
  right: np.ndarray,  # the same
) -> None:
  """Writes two videos side by side, as a GIF and as PNG frames."""
  both = np.concatenate([left, right], axis=2)
  frames = [
    Image.fromarray(np.rint(255 * frame).astype(np.uint8)) for frame in both
  ]
  for i, frame in enumerate(frames):
    with files.writing(folder / "frames" / f"{i:03d}.png") as temporary:
      frame.save(temporary)
  duration = 1000 // user_files.FRAMES_PER_SECOND
  plots.save_animation(frames, folder / "comparison.gif", duration)
