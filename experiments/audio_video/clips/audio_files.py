"""Files of audio alone, and the still picture that may stand beside one.

A picture of the same name, such as frog.png beside frog.ogg, is every frame of
the clip; without one the clip has no video. PyAV reads them all.
"""

import math
import pathlib
from typing import Any

import numpy as np
from PIL import Image

from experiments.audio_video.clips import video_files
from experiments.data import files

SUFFIXES = (".wav", ".flac", ".ogg", ".aiff")
_PICTURES = (".png", ".jpg", ".jpeg")
_SILENCE = 10 ** (-40 / 20)  # of the peak: 40 decibels below it
_MICRO = 1e-6  # PyAV's unit of durations, seconds


def is_audio(path: pathlib.Path) -> bool:
  """Returns whether a file is one of audio alone, by its name."""
  return path.suffix.lower() in SUFFIXES


def decode(
  path: pathlib.Path,
  form: video_files.Format,
  start: float = 0.0,
  end: float = math.inf,
  *,
  trim: bool = False,
) -> video_files.Decoded:
  """Reads audio, and the picture beside it if there is one.

  Args:
    path: the file.
    form: the format of the result.
    start: first second.
    end: last second.
    trim: whether to leave out silence at the beginning, so that more of the end
      is read.

  Returns:
    The frames, all alike, last as long as the audio; there are none without a
    picture.

  Raises:
    files.InputError: if PyAV is missing, the file or the picture is damaged, or
      there is no audio between start and end.
  """
  av = video_files.load_av()
  with video_files.damaged(path):
    last = _length(av, path)
    with video_files.opened(av, path) as container:
      seconds = (last if trim else min(end, last)) - start
      window = (start, max(0.0, seconds))
      audio, remarks = video_files.read_audio(av, container, form, window)
    if audio is None:
      raise files.InputError(f"it has no audio after {start:g} seconds")
    picture = _picture(path, form.short_side)
  if trim:
    audio = audio[_beginning(audio) :]
    audio = audio[: round(min(end - start, seconds) * form.sample_rate)]
  count = math.ceil(len(audio) * form.frame_rate / form.sample_rate)
  frames = [] if picture is None else [picture] * count
  return video_files.Decoded(frames, audio, video_files.changes(remarks))


def _length(av: Any, path: pathlib.Path) -> float:
  """Returns the seconds that a file states or, if it does not, has."""
  with video_files.opened(av, path) as container:
    if container.duration is not None:
      return float(container.duration * _MICRO)
    blocks = container.decode(audio=0)
    return float(sum(block.samples / block.rate for block in blocks))


def _beginning(audio: np.ndarray) -> int:  # [S, channels]
  """Returns the number of the first sample that is not silence."""
  levels = np.abs(audio).max(axis=1)
  return int(np.argmax(levels >= _SILENCE * levels.max()))


def _picture(path: pathlib.Path, short_side: int | None) -> np.ndarray | None:
  """Returns the picture beside a file, [H, W, 3] uint8; None without one."""
  beside = [path.with_suffix(suffix) for suffix in _PICTURES]
  found = next((p for p in beside if p.exists()), None)
  if found is None:
    return None
  image = Image.fromarray(files.read_image(found))
  scale = (short_side or min(image.size)) / min(image.size)
  width, height = (max(1, round(scale * side)) for side in image.size)
  return np.asarray(image.resize((width, height)))
