"""Users' clips of video and audio, and their conversion for a model.

A clip comes from an .npz file, a folder of frames with a .wav file, or a video
file. All changes made to it are reported.
"""

import fractions
import math
import pathlib
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from scipy import signal  # type: ignore[import-untyped]
from scipy.io import wavfile  # type: ignore[import-untyped]

from experiments.audio_video.clips import clips
from experiments.audio_video.clips import video_files
from experiments.data import files

FRAMES_PER_SECOND = 25  # of the models' clips (2107.14795 appendix I)


class Clip(NamedTuple):
  """Video and audio as they are in the files."""

  frames: list[np.ndarray]  # each [H, W, 3] uint8
  fps: float
  audio: np.ndarray | None  # [S] float32 in [-1, 1]
  rate: int  # samples per second


def sample_rate(shape: clips.ClipShape) -> int:
  """Returns samples per second of the clips of a model."""
  return FRAMES_PER_SECOND * shape.samples_per_frame


def read(
  path: pathlib.Path,
  audio: pathlib.Path | None = None,
  fps: float = FRAMES_PER_SECOND,
  until: float = math.inf,
) -> Clip:
  """Reads a clip from an .npz file, a folder of frames, or a video file.

  Args:
    path: an .npz file has "image", [T, H, W, 3] uint8 or floats in [0, 1], and
      may have "audio", [S] or [S, channels], and its "rate" (default 48,000).
    audio: a .wav file; None takes the audio of the video, of a folder the only
      .wav file in it.
    fps: frames per second of arrays and folders; video files have their own.
    until: last second that is read of a video file.

  Raises:
    FileNotFoundError: if a file does not exist.
    files.InputError: if a file cannot be used.
  """
  for given in (path, audio):
    if given is not None and not given.exists():
      raise FileNotFoundError(f"There is no {given}.")
  if path.is_dir():
    frames = [files.read_image(p) for p in files.list_images([path])]
    clip = Clip(frames, fps, None, 0)
    audio = audio or _only_wav(path)
  elif path.suffix.lower() == ".npz":
    clip = _read_npz(path, fps)
  else:
    clip = _read_video(path, until)
  if audio is not None:
    clip = clip._replace(**_read_wav(audio))
  sizes = {frame.shape for frame in clip.frames}
  if len(sizes) != 1:
    raise files.InputError(
      f"{path} has {'no frames' if not sizes else 'frames of several sizes'}; "
      "expected frames of one size."
    )
  return clip


def _only_wav(folder: pathlib.Path) -> pathlib.Path | None:
  found = files.list_files(folder, "*.wav")
  if len(found) > 1:
    raise files.InputError(
      f"{folder} has {len(found)} .wav files; choose one with --audio."
    )
  return found[0] if found else None


def _read_npz(path: pathlib.Path, fps: float) -> Clip:
  try:
    with np.load(path, allow_pickle=False) as file:
      arrays = {name: file[name] for name in file.files}
  except Exception as error:  # Damage can raise any error.
    raise files.InputError(f"{path} is not an .npz file: {error}") from error
  image, audio = arrays.get("image"), arrays.get("audio")
  is_video = image is not None and image.ndim == 4 and image.shape[-1] == 3
  if image is None or not is_video or not image.size:
    found = "nothing" if image is None else f"an array of {image.shape}"
    raise files.InputError(
      f"{path} has {found} under the name 'image'; expected [frames, height, "
      "width, 3]."
    )
  if image.dtype != np.uint8:
    if image.dtype.kind != "f":
      raise files.InputError(
        f"{path}: 'image' has dtype {image.dtype}; expected uint8, or floats "
        "from 0 to 1."
      )
    if not (image.min() >= 0 and image.max() <= 1):
      raise files.InputError(
        f"{path}: 'image' goes from {image.min()} to {image.max()}; expected "
        "uint8, or floats from 0 to 1."
      )
    image = np.rint(image * 255).astype(np.uint8)
  rate = np.asarray(arrays.get("rate", 48_000))
  if rate.ndim or rate.dtype.kind not in "iu" or rate < 1:
    raise files.InputError(
      f"{path}: 'rate' is {rate}; expected a whole number, samples per second."
    )
  if audio is not None:
    audio = _mono(audio, str(path))
  return Clip(list(image), fps, audio, int(rate))


def _read_wav(path: pathlib.Path) -> dict[str, Any]:
  try:
    rate, samples = wavfile.read(path)
  except Exception as error:  # Damage can raise any error.
    raise files.InputError(f"{path} is not a .wav file: {error}") from error
  if rate < 1:
    raise files.InputError(f"{path} has {rate} samples per second.")
  return {"audio": _mono(samples, str(path)), "rate": int(rate)}


def _mono(samples: np.ndarray, source: str) -> np.ndarray:  # [S] float32
  """Returns the mean of the channels, integers scaled to [-1, 1]."""
  if samples.ndim not in (1, 2) or not samples.size:
    raise files.InputError(
      f"{source}: the audio has shape {samples.shape}; expected [samples] or "
      "[samples, channels]."
    )
  if samples.dtype.kind not in "iuf":
    raise files.InputError(
      f"{source}: the audio has dtype {samples.dtype}; expected numbers."
    )
  if samples.dtype == np.uint8:
    scaled = samples.astype(np.float32) / 128 - 1
  elif samples.dtype.kind == "i":
    scaled = samples.astype(np.float32) / -float(np.iinfo(samples.dtype).min)
  else:
    scaled = samples.astype(np.float32)
  if not np.abs(scaled).max() <= 1:
    raise files.InputError(
      f"{source}: the audio leaves [-1, 1]; expected integers, or floats in it."
    )
  return scaled if scaled.ndim == 1 else scaled.mean(axis=1)


def _read_video(path: pathlib.Path, until: float) -> Clip:
  """Reads the first `until` seconds of a video file, and a frame more."""
  end = until + 1 / FRAMES_PER_SECOND
  found = video_files.decode(path, video_files.DecodeConfig(end=end))
  audio = None if found.audio is None else found.audio[:, 0]
  return Clip(found.frames, found.frame_rate, audio, found.sample_rate)


# ------------------------------------------------------------------ to a model


def fit(
  clip: Clip, shape: clips.ClipShape, start_seconds: float
) -> tuple[dict[str, np.ndarray], list[str]]:
  """Cuts a clip out of a video and converts it for a model.

  Args:
    clip: the video.
    shape: shape of the model's clips.
    start_seconds: first second of the clip.

  Returns:
    {"image": [1, T, H, W, 3] float32 in [0, 1], "audio": [1, S, 1] float32 in
    [-1, 1]}, and the changes made to the video, in words.

  Raises:
    files.InputError: if the video has ended by then.
  """
  length = len(clip.frames) / clip.fps
  if not 0 <= start_seconds < length:
    raise files.InputError(
      f"the clip is to begin after {start_seconds:g} s; the video has "
      f"{length:.3g} s."
    )
  changes: list[str] = []
  image = _fit_frames(clip, shape, start_seconds, changes)
  audio = _fit_audio(clip, shape, start_seconds, changes)
  return {"image": image[None], "audio": audio[None, :, None]}, changes


def _fit_frames(
  clip: Clip, shape: clips.ClipShape, start: float, changes: list[str]
) -> np.ndarray:  # [T, H, W, 3]
  step = clip.fps / FRAMES_PER_SECOND
  # Halfway between two frames the later one counts.
  wanted = np.floor(
    start * clip.fps + step * np.arange(shape.num_frames) + 0.5
  ).astype(int)
  if clip.fps != FRAMES_PER_SECOND:
    changes.append(
      f"{clip.fps:g} frames per second: of them the nearest to "
      f"{FRAMES_PER_SECOND} per second"
    )
  missing = int(np.sum(wanted >= len(clip.frames)))
  if missing:
    changes.append(
      f"the video ends {missing} frames early: its last frame repeated"
    )
  chosen = [clip.frames[min(i, len(clip.frames) - 1)] for i in wanted]
  height, width = chosen[0].shape[:2]
  if (height, width) != shape.size:
    changes.append(
      f"frames of {height} × {width} pixels: the centre, in the shape of "
      f"{shape.size[0]} × {shape.size[1]}, resized to it bicubically"
    )
    chosen = [_resize(frame, shape.size) for frame in chosen]
  return np.stack(chosen).astype(np.float32) / 255


def _resize(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Resizes the largest central crop of the right aspect ratio."""
  height, width = frame.shape[:2]
  scale = min(height / size[0], width / size[1])
  tall, wide = round(scale * size[0]), round(scale * size[1])
  top, left = (height - tall) // 2, (width - wide) // 2
  crop = Image.fromarray(frame[top : top + tall, left : left + wide])
  resized = crop.resize((size[1], size[0]), Image.Resampling.BICUBIC)
  return np.asarray(resized)


def _fit_audio(
  clip: Clip, shape: clips.ClipShape, start: float, changes: list[str]
) -> np.ndarray:  # [S]
  if clip.audio is None:
    changes.append("no audio: silence")
    return np.zeros(shape.num_samples, np.float32)
  audio, rate = clip.audio, sample_rate(shape)
  if clip.rate != rate:
    if clip.rate < 1:
      raise files.InputError(
        f"the audio has {clip.rate} samples per second; expected at least 1."
      )
    changes.append(
      f"audio of {clip.rate} Hz: resampled to {rate} Hz with a polyphase filter"
    )
    ratio = fractions.Fraction(rate, clip.rate)
    audio = signal.resample_poly(audio, ratio.numerator, ratio.denominator)
  first = round(start * rate)
  part = audio[first : first + shape.num_samples]
  missing = shape.num_samples - len(part)
  if missing:
    changes.append(f"the audio ends {missing} samples early: silence after it")
  return np.clip(np.pad(part, (0, missing)), -1, 1).astype(np.float32)
