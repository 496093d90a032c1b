"""Users' clips of video and audio, and their conversion for a model.

A clip comes from an .npz file, a folder of frames with a file of audio, a video
file, or a file of audio with a picture. All changes made to it are reported.
"""

import fractions
import math
import pathlib
from typing import NamedTuple

import numpy as np
from scipy import signal  # type: ignore[import-untyped]
from scipy.io import wavfile  # type: ignore[import-untyped]

from experiments.audio_video.clips import audio_files
from experiments.audio_video.clips import clips
from experiments.audio_video.clips import sampling
from experiments.audio_video.clips import video_files
from experiments.data import files

_MAX_RATE = 2**20  # audio samples per second; more is no recording
FRAMES_PER_SECOND = 25  # of the models' clips (2107.14795 appendix I)


class Clip(NamedTuple):
  """Video and audio, and the changes made in reading them."""

  frames: list[np.ndarray]  # each [H, W, 3] uint8
  fps: float
  audio: np.ndarray | None  # [S] float32 in [-1, 1]
  rate: int  # samples per second
  start: float = 0.0  # second of the first frame and sample
  changes: tuple[str, ...] = ()


def sample_rate(shape: clips.ClipShape) -> int:
  """Returns samples per second of the clips of a model."""
  return FRAMES_PER_SECOND * shape.samples_per_frame


def read(
  path: pathlib.Path,
  audio: pathlib.Path | None = None,
  fps: float = FRAMES_PER_SECOND,
  start: float = 0.0,
  end: float = math.inf,
  rate: int = 48_000,
) -> Clip:
  """Reads a clip from an .npz file, a folder of frames, or a video file.

  Args:
    path: an .npz file has "image", [T, H, W, 3] uint8 or floats in [0, 1], and
      may have "audio", [S] or [S, channels], and its "rate" (default 48,000).
    audio: a file of audio; None takes the audio of the video, of a folder the
      only such file in it.
    fps: frames per second of arrays and folders; video files have their own.
    start: first second that is read of a video file.
    end: last second that is read of a video file.
    rate: samples per second of a video file's audio, which is resampled.

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
    audio = audio or _only_audio(path)
  elif path.suffix.lower() == ".npz":
    clip = _read_npz(path, fps, with_audio=audio is None)
  else:
    form = video_files.Format(sample_rate=rate, short_side=None)
    with_audio = audio is None  # Else another's takes its place.
    if audio_files.is_audio(path):
      found = audio_files.decode(path, form, start, end)
    else:
      found = video_files.decode(path, form, start, end, with_audio=with_audio)
    clip = Clip(
      frames=found.frames,
      fps=form.frame_rate,
      audio=None if found.audio is None else found.audio[:, 0],
      rate=rate,
      start=start,
      changes=tuple(found.remarks.values()),
    )
  if audio is not None:
    clip = _with_audio(clip, audio, rate)
  sizes = {frame.shape for frame in clip.frames}
  if len(sizes) != 1:
    raise files.InputError(
      f"{path} has {'no frames' if not sizes else 'frames of several sizes'}; "
      "expected frames of one size."
    )
  return clip


def _only_audio(folder: pathlib.Path) -> pathlib.Path | None:
  found = files.list_files(folder, *(f"*{x}" for x in audio_files.SUFFIXES))
  if len(found) > 1:
    raise files.InputError(
      f"{folder} has {len(found)} files of audio; choose one with --audio."
    )
  return found[0] if found else None


def _read_npz(path: pathlib.Path, fps: float, *, with_audio: bool) -> Clip:
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
  changes: list[str] = []
  if image.dtype != np.uint8:
    if image.dtype.kind != "f":
      raise files.InputError(
        f"{path}: 'image' has dtype {image.dtype}; expected uint8, or floats "
        "from 0 to 1."
      )
    image = _clipped(image, (0, 1), 0.1, f"{path}: 'image'", changes)
    image = np.rint(image * 255).astype(np.uint8)
  rate = np.asarray(arrays.get("rate", 48_000))
  if rate.ndim or rate.dtype.kind not in "iu" or not 1 <= rate <= _MAX_RATE:
    raise files.InputError(
      f"{path}: 'rate' is {rate}; expected a whole number, samples per second, "
      f"of at most {_MAX_RATE}."
    )
  if audio is not None:
    audio = _mono(audio, str(path), changes) if with_audio else None
  return Clip(list(image), fps, audio, int(rate), changes=tuple(changes))


def _with_audio(clip: Clip, path: pathlib.Path, rate: int) -> Clip:
  # Reading .wav needs no PyAV.
  if audio_files.is_audio(path) and path.suffix.lower() != ".wav":
    form = video_files.Format(sample_rate=rate)
    decoded = audio_files.decode(path, form, clip.start)
    assert decoded.audio is not None  # Else it is an error.
    changed = (*clip.changes, *decoded.remarks.values())
    return clip._replace(audio=decoded.audio[:, 0], rate=rate, changes=changed)
  try:
    rate, samples = wavfile.read(path)
  except Exception as error:  # Damage can raise any error.
    raise files.InputError(f"{path} is not a .wav file: {error}") from error
  if not 1 <= rate <= _MAX_RATE:
    raise files.InputError(
      f"{path} has {rate} samples per second; expected 1 to {_MAX_RATE}."
    )
  changes = list(clip.changes)
  audio = _mono(samples, str(path), changes)[round(clip.start * rate) :]
  return clip._replace(audio=audio, rate=int(rate), changes=tuple(changes))


def _mono(
  samples: np.ndarray, source: str, changes: list[str]
) -> np.ndarray:  # [S] float32
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
  scaled = samples.astype(np.float32)
  if samples.dtype == np.uint8:
    scaled = scaled / 128 - 1
  elif samples.dtype.kind == "i":
    scaled /= -float(np.iinfo(samples.dtype).min)
  scaled = _clipped(scaled, (-1, 1), 0.5, f"{source}: the audio", changes)
  return scaled if scaled.ndim == 1 else scaled.mean(axis=1)


def _clipped(
  values: np.ndarray,
  limits: tuple[float, float],
  slack: float,
  name: str,
  changes: list[str],
) -> np.ndarray:
  """Clips what goes a little beyond the limits, by up to `slack`."""
  found = (float(values.min()), float(values.max()))
  beyond = max(limits[0] - found[0], found[1] - limits[1])
  if not beyond <= slack:  # NaN neither
    raise files.InputError(
      f"{name} goes from {found[0]:g} to {found[1]:g}; expected integers of "
      f"the full range, or floats from {limits[0]} to {limits[1]}."
    )
  if beyond > 0:
    changes.append(
      f"{name} goes from {found[0]:.4g} to {found[1]:.4g}: clipped to "
      f"[{limits[0]}, {limits[1]}]"
    )
  return np.clip(values, *limits)


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
  length = clip.start + len(clip.frames) / clip.fps
  if not 0 <= start_seconds < length:
    raise files.InputError(
      f"the clip is to begin after {start_seconds:g} s; the video has "
      f"{length:.3g} s."
    )
  changes = list(clip.changes)
  start = start_seconds - clip.start
  image = _fit_frames(clip, shape, start, changes)
  audio = _fit_audio(clip, shape, start, changes)
  return {"image": image[None], "audio": audio[None, :, None]}, changes


def _fit_frames(
  clip: Clip, shape: clips.ClipShape, start: float, changes: list[str]
) -> np.ndarray:  # [T, H, W, 3]
  frames = ((i / clip.fps, frame) for i, frame in enumerate(clip.frames))
  window = (start, start + shape.num_frames / FRAMES_PER_SECOND)
  chosen = list(
    video_files.nearest(frames, FRAMES_PER_SECOND, window, 1 / clip.fps)
  )
  if clip.fps != FRAMES_PER_SECOND:
    changes.append(
      f"{clip.fps:g} frames per second: of them the nearest to "
      f"{FRAMES_PER_SECOND} per second"
    )
  missing = shape.num_frames - len(chosen)
  if missing:
    changes.append(
      f"the video ends {missing} frames early: its last frame repeated"
    )
  image = np.stack(chosen + [clip.frames[-1]] * missing)  # [T, h, w, 3]
  height, width = image.shape[1:3]
  if (height, width) != shape.size:
    changes.append(
      f"frames of {height} × {width} pixels: the centre, in the shape of "
      f"{shape.size[0]} × {shape.size[1]}, resized to it"
    )
  scale = min(height / shape.size[0], width / shape.size[1])
  tall, wide = (round(scale * side) for side in shape.size)
  top, left = (height - tall) // 2, (width - wide) // 2
  image = image[:, top : top + tall, left : left + wide]
  image = sampling.resize(image, shape.size, (0, 0, wide, tall))
  return image.astype(np.float32) / 255


def _fit_audio(
  clip: Clip, shape: clips.ClipShape, start: float, changes: list[str]
) -> np.ndarray:  # [S]
  if clip.audio is None:
    changes.append("no audio: silence")
    return np.zeros(shape.num_samples, np.float32)
  audio, rate = clip.audio, sample_rate(shape)
  if clip.rate != rate:
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
