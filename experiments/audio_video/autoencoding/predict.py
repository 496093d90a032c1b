"""Squeezes a clip of video and sound through a few latents and back."""

from collections.abc import Callable
import dataclasses
import io
import json
import math
import pathlib
from typing import Annotated, Any

import numpy as np
from PIL import Image
from scipy.io import wavfile  # type: ignore[import-untyped]
import tyro

from experiments.audio_video.clips import user_files
from experiments.cli import errors
from experiments.cli import predicting
from experiments.data import files
import perceiver
from perceiver.models import video_autoencoding

_MODALITIES = {"image", "audio", "label"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Autoencode:
  """Reconstructs a clip of video and sound, and guesses what it shows.

  Writes both videos side by side as comparison.gif and in frames/, the sounds
  as original.wav and reconstruction.wav, and result.json.

  Attributes:
    clip: an .npz file with "image" [T, H, W, 3] and, if there is sound, "audio"
      and its "rate"; a folder of frames, with or without a .wav file; or a
      video file, which needs PyAV.
    sound: a .wav file in place of the clip's own sound.
    fps: frames per second of arrays and folders. Models have seen 25.
    start: where in the clip to begin, seconds.
    output: the folder for the results; made if it is not there.
    labels: a file with the name of a class on every line; numbers if None.
    chunk: pixels decoded at a time; more need more memory.
  """

  clip: tyro.conf.Positional[pathlib.Path]
  weights: Annotated[predicting.Weights, tyro.conf.arg(name="")] = (
    predicting.Weights()
  )
  sound: pathlib.Path | None = None
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
  shape = clip_shape(model)
  num_classes = _outputs(model)["label"].channels
  names = predicting.read_labels(options.labels, num_classes)
  # A second more, so that resampling does not meet the end of the sound.
  seconds = shape.num_frames / user_files.FRAMES_PER_SECOND + 1
  clip = user_files.read(
    options.clip, options.sound, options.fps, options.start + seconds
  )
  inputs, told = user_files.fit(clip, shape, options.start)
  for line in told:
    predicting.say(line)
  latents = model.encode(variables, inputs)
  found = decode(model, variables, latents, options.chunk, progress=True)
  report(options.output, shape.rate, inputs, found, told, names)


def _outputs(model: perceiver.Model) -> dict[str, Any]:
  return {output.name: output for output in model.config.outputs.outputs}


def clip_shape(model: perceiver.Model) -> user_files.Shape:
  """Returns what an autoencoder reads.

  Raises:
    errors.UsageError: if its modalities are not video, sound and label, or
      it does not give what it reads.
  """
  inputs = {x.name: x.input for x in model.config.inputs.modalities}
  outputs = _outputs(model)
  if set(inputs) != _MODALITIES or set(outputs) != _MODALITIES:
    raise errors.UsageError(
      f"the model reads {sorted(inputs)} and gives {sorted(outputs)}; this "
      f"command needs {sorted(_MODALITIES)} of both"
    )
  image, audio = inputs["image"], inputs["audio"]
  grid = (image.num_frames, *image.size)
  heard = outputs["audio"].num_points * outputs["audio"].channels
  if outputs["image"].grid != grid or heard != audio.num_samples:
    raise errors.UsageError(
      "the model gives another number of pixels or samples than it reads"
    )
  return user_files.Shape(
    num_frames=image.num_frames, size=image.size, num_samples=audio.num_samples
  )


def decode(
  model: perceiver.Model,
  variables: perceiver.Variables,
  latents: Any,  # [1, N, D]
  chunk: int,
  *,
  progress: bool = False,
) -> dict[str, np.ndarray]:
  """Decodes everything, `chunk` pixels at a time.

  Returns:
    {"image": [T, H, W, 3], "audio": [S], "label": logits [classes]}.
  """
  outputs = _outputs(model)
  total, none = outputs["image"].num_points, np.zeros(0, np.int32)
  chunk = min(chunk, total)
  starts = range(0, total, chunk)
  show: Callable[[int], None] = lambda done: None
  if progress:
    show = predicting.progress("chunks", len(starts) + 1)
  first = model.decode(variables, latents, {"image": none})
  show(1)
  pieces = []
  for done, start in enumerate(starts, 2):
    # The last chunk is as long as the others, so that it is not compiled anew.
    points = np.minimum(np.arange(start, start + chunk), total - 1)
    part = model.decode(
      variables,
      latents,
      {"image": points.astype(np.int32), "audio": none},
    )
    pieces.append(np.asarray(part["image"])[0])
    show(done)
  image = np.concatenate(pieces)[:total].reshape(*outputs["image"].grid, 3)
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
  told: list[str],
  names: tuple[str, ...] | None,
) -> None:
  """Writes what was reconstructed, and prints how well.

  Values beyond the range of a clip are cut off, before comparing as well.

  Args:
    folder: where to.
    rate: samples per second.
    inputs: what the model read; see `clips.fit`.
    found: what it gave; see `decode`.
    told: what was done to the clip.
    names: of the classes.
  """
  if not all(np.all(np.isfinite(array)) for array in found.values()):
    raise files.InputError(
      "the reconstruction is not finite; is the checkpoint in order?"
    )
  image, audio = inputs["image"][0], inputs["audio"][0, :, 0]
  seen, heard = np.clip(found["image"], 0, 1), np.clip(found["audio"], -1, 1)
  best = predicting.best_classes(found["label"], 5, names)
  result = {
    "video_psnr_db": _finite(psnr(image, seen)),
    "audio_psnr_db": _finite(psnr(audio, heard)),
    "labels": best,
    "clip": told,
  }
  write_videos(folder, image, seen)
  write_sound(folder / "original.wav", rate, audio)
  write_sound(folder / "reconstruction.wav", rate, heard)
  files.write_text(folder / "result.json", json.dumps(result, indent=2) + "\n")
  print(f"video PSNR {psnr(image, seen):.2f} dB (peak 1)")
  print(f"audio PSNR {psnr(audio, heard):.2f} dB (peak 1)")
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
  with files.writing(folder / "comparison.gif") as temporary:
    frames[0].save(
      temporary,
      save_all=True,
      append_images=frames[1:],
      duration=1000 // user_files.FRAMES_PER_SECOND,
      loop=0,
    )


def write_sound(path: pathlib.Path, rate: int, samples: np.ndarray) -> None:
  """Writes sound [S] in [-1, 1] as 16-bit WAV."""
  buffer = io.BytesIO()
  wavfile.write(buffer, rate, np.rint(32767 * samples).astype(np.int16))
  with files.writing(path) as temporary:
    temporary.write_bytes(buffer.getvalue())
