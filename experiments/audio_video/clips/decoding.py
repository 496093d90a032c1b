"""Decoding of a clip's file into the entries of a prepared data set.

Defective files are treated as follows:

  missing     left out and listed
  damaged     left out and listed: cannot be decoded to the end, or no video
  short       kept; segments beyond its end repeat the last frame, in silence
  silent      kept, with silence, and marked as having no audio
  other rate  converted to the data set's: the nearest frames in time, also
              where a file's rate varies; audio through FFmpeg's resampler
  stereo      mixed to mono, or mono doubled, as the data set has it
"""

import collections
import dataclasses
import io
import pathlib

import numpy as np
from PIL import Image

from experiments.audio_video.clips import video_files
from experiments.data import files

# Seconds that a clip of 10 seconds may lack without the remark "short".
_TOLERANCE = 0.25


@dataclasses.dataclass(frozen=True, kw_only=True)
class StorageConfig:
  """Format of stored clips.

  Attributes:
    frame_rate: frames per second.
    sample_rate: audio samples per second, a multiple of it.
    channels: channels of the audio, 1 or 2.
    short_side: pixels of the shorter side of a frame.
    quality: JPEG quality of the frames, from 1 to 95. At 90 and 256 pixels,
      10 seconds take about 4 MB.
    whole_videos: whether files are whole videos, of which the times in the list
      are cut out; otherwise they are clips.
  """

  frame_rate: float = 25.0
  sample_rate: int = 48_000
  channels: int = 1
  short_side: int = 256
  quality: int = 90
  whole_videos: bool = False

  def __post_init__(self) -> None:
    if (
      min(self.frame_rate, self.sample_rate, self.short_side) < 1
      or self.sample_rate % self.frame_rate
      or self.channels not in (1, 2)
      or not 1 <= self.quality <= 95
    ):
      raise ValueError(
        f"StorageConfig: {self}; expected positive rates, samples a multiple "
        "of frames, 1 or 2 channels and a quality from 1 to 95."
      )


@dataclasses.dataclass(frozen=True)
class Job:
  """A file to decode.

  Attributes:
    path: the file.
    start: seconds in the whole video.
    end: seconds in the whole video.
  """

  path: pathlib.Path
  start: float
  end: float


@dataclasses.dataclass(frozen=True)
class Stored:
  """A stored clip.

  Attributes:
    frames: JPEG files.
    audio: interleaved 16-bit integers, little-endian; empty if there is none.
    remarks: defects of the file, such as "short".
  """

  frames: list[bytes]
  audio: bytes
  remarks: tuple[str, ...]


def decode(job: Job, config: StorageConfig) -> Stored | str:
  """Decodes a file; returns an error message if it is damaged."""
  window = (job.start, job.end) if config.whole_videos else (0.0, None)
  length = job.end - job.start
  try:
    found = video_files.decode(
      job.path,
      video_files.DecodeConfig(
        start=window[0],
        # Files that are clips may be a little longer than the list says.
        end=window[1] or length,
        short_side=config.short_side,
        frame_rate=config.frame_rate,
        sample_rate=config.sample_rate,
        channels=config.channels,
      ),
    )
  except files.InputError as error:
    return str(error)
  audio = b"" if found.audio is None else to_bytes(found.audio)
  frames = [_jpeg(frame, config.quality) for frame in found.frames]
  return Stored(frames, audio, tuple(_remarks(found, length, config)))


def _remarks(
  found: video_files.Decoded, length: float, config: StorageConfig
) -> list[str]:
  remarks = []
  if len(found.frames) < (length - _TOLERANCE) * config.frame_rate:
    remarks.append("short")
  if abs(found.frame_rate - config.frame_rate) > 0.01:
    remarks.append("other frame rate")
  if not found.is_regular:
    remarks.append("variable frame rate")
  if found.audio is None:
    return [*remarks, "silent"]
  if found.source_rate != config.sample_rate:
    remarks.append("other sample rate")
  if found.source_channels != config.channels:
    remarks.append("other number of channels")
  return remarks


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


def count(remarks: list[tuple[str, ...]]) -> dict[str, int]:
  """Counts the remarks."""
  return dict(collections.Counter(x for each in remarks for x in each))
