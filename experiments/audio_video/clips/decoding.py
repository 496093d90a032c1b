"""Decoding of a clip's file into the entries of a prepared data set.

Defective files are treated as follows:

  missing     left out and listed
  damaged     left out and listed: cannot be decoded to the end, or no video
  short       kept; segments beyond its end repeat the last frame, in silence
  silent      kept, with silence, and marked as having no audio
  no video    files of audio without a picture: kept, and marked so
  others      kept; changes such as another rate are counted by their kinds
"""

import dataclasses
import io
import pathlib
from typing import NamedTuple

import numpy as np
from PIL import Image

from experiments.audio_video.clips import audio_files
from experiments.audio_video.clips import video_files
from experiments.data import files
from perceiver import bounds

# Seconds that a clip of 10 seconds may lack without the remark "short".
_TOLERANCE = 0.25


@dataclasses.dataclass(frozen=True, kw_only=True)
class StorageConfig(video_files.Format):
  """Format of stored clips; samples per second are a multiple of the frames.

  Attributes:
    quality: JPEG quality of the frames, from 1 to 95. At 90 and 256 pixels,
      10 seconds take about 4 MB.
    whole_videos: whether files are whole videos, of which the times in the list
      are cut out; otherwise they are clips.
    trim: whether silence at the beginning of files of audio is left out.
  """

  quality: int = 90
  whole_videos: bool = False
  trim: bool = False

  def __post_init__(self) -> None:
    super().__post_init__()
    bounds.check_ranges(self, quality="[1, 95]")
    if self.sample_rate % self.frame_rate:
      raise ValueError(
        f"StorageConfig: sample_rate is {self.sample_rate}; expected a "
        f"multiple of frame_rate, {self.frame_rate:g}."
      )


class Job(NamedTuple):
  """A clip to decode."""

  key: str
  labels: tuple[int, ...]
  path: pathlib.Path
  start: float  # seconds in the whole video
  end: float


class Stored(NamedTuple):
  """A stored clip."""

  frames: list[bytes]  # JPEG files; none of audio alone
  audio: bytes  # interleaved 16-bit integers, little-endian; may be empty
  remarks: tuple[str, ...]  # kinds of defects, such as "short"


def decode(job: Job, config: StorageConfig) -> Stored | str:
  """Decodes a file; returns its path and a reason if it is damaged."""
  length = job.end - job.start
  start = job.start if config.whole_videos else 0.0
  try:
    # Files that are clips may be a little longer than the list says.
    window = (start, start + length)
    if audio_files.is_audio(job.path):
      found = audio_files.decode(job.path, config, *window, trim=config.trim)
    else:
      found = video_files.decode(job.path, config, *window)
  except files.InputError as error:
    return str(error)
  remarks = list(found.remarks)
  seconds = len(found.frames) / config.frame_rate
  if not found.frames and found.audio is not None:
    seconds = len(found.audio) / config.sample_rate
    remarks.append("no video")
  if seconds < length - _TOLERANCE:
    remarks.append("short")
  if found.audio is None:
    remarks.append("silent")
  audio = b"" if found.audio is None else to_bytes(found.audio)
  frames = [_jpeg(frame, config.quality) for frame in found.frames]
  return Stored(frames, audio, tuple(remarks))


def _jpeg(frame: np.ndarray, quality: int) -> bytes:
  buffer = io.BytesIO()
  Image.fromarray(frame).save(buffer, "JPEG", quality=quality)
  return buffer.getvalue()


def to_bytes(audio: np.ndarray) -> bytes:  # [S, channels] in [-1, 1]
  """Encodes audio as 16-bit integers."""
  return np.rint(32767 * audio).astype("<i2").tobytes()


def from_bytes(
  audio: bytes, channels: int, num_samples: int
) -> np.ndarray:  # [S, channels] float32
  """Decodes audio, cut or padded with silence to a length."""
  values = np.frombuffer(audio, "<i2").reshape(-1, channels)[:num_samples]
  values = values.astype(np.float32) / np.float32(32767)
  return np.pad(values, ((0, num_samples - len(values)), (0, 0)))
