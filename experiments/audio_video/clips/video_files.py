"""Reading and writing of video files with PyAV, an optional dependency."""

from collections.abc import Iterable, Iterator
import dataclasses
import fractions
import importlib
import math
import pathlib
from typing import Any, NamedTuple

import numpy as np

from experiments.data import files

_SLACK = 1e-6  # seconds by which rounding may move a time

SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v")


class Decoded(NamedTuple):
  """Video and audio of a file."""

  frames: list[np.ndarray]  # each [H, W, 3] uint8
  times: np.ndarray  # [T] seconds from the first frame to each
  audio: np.ndarray | None  # [S, channels] float32 in [-1, 1], from then on
  sample_rate: int  # per second; 0 without audio
  frame_rate: float  # per second, on average, in the file
  is_regular: bool  # whether its frames are evenly spaced
  source_channels: int  # of the audio in the file
  source_rate: int  # samples per second in the file


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecodeConfig:
  """Part of a video file that is read, and its format.

  Attributes:
    start: first second, from the first frame on.
    end: last second, from the first frame on.
    short_side: pixels of the shorter side of a resized frame; None leaves
      frames as they are.
    frame_rate: frames per second, each the nearest in time of the file's, whose
      rate may vary; None keeps all frames.
    sample_rate: audio samples per second; None keeps the file's.
    channels: channels of the audio: 1 for the mean of all, 2 for the first two,
      or the only one twice.
  """

  start: float = 0.0
  end: float = math.inf
  short_side: int | None = None
  frame_rate: float | None = None
  sample_rate: int | None = None
  channels: int = 1

  def __post_init__(self) -> None:
    if not 0 <= self.start < self.end or self.channels not in (1, 2):
      raise ValueError(
        f"DecodeConfig: start is {self.start}, end {self.end} and channels "
        f"{self.channels}; expected 0 or more, more than that, and 1 or 2."
      )


def decode(path: pathlib.Path, config: DecodeConfig) -> Decoded:
  """Reads video and audio of a file; its first frame is at 0 seconds.

  Args:
    path: the file, in any format that FFmpeg can read.
    config: the part of it, and the format.

  Raises:
    files.InputError: if PyAV is missing, or the file is damaged, has no
      video, or ends before the start.
  """
  av = _av(path)
  try:
    with av.open(str(path), metadata_errors="replace") as container:
      if not container.streams.video:
        raise files.InputError(f"{path} has no video.")
      stream = _decodable(path, container.streams.video[0])
      stream.thread_type = "AUTO"
      rate = float(stream.average_rate or 25)
      frames, times, first, regular = _frames(container, stream, config, rate)
    if not frames:
      raise files.InputError(
        f"{path} has no frames after {config.start:g} seconds."
      )
    with av.open(str(path), metadata_errors="replace") as container:
      stream = container.streams.audio[0] if container.streams.audio else None
      if stream is None:
        return Decoded(frames, times, None, 0, rate, regular, 0, 0)
      _decodable(path, stream)
      wanted = config.sample_rate or stream.rate
      channels, source_rate = stream.codec_context.channels, stream.rate
      audio = _audio(av, container, stream, config, first, wanted)
  except (av.FFmpegError, OSError) as error:
    raise files.InputError(f"{path} cannot be decoded: {error}") from error
  if audio is None:
    return Decoded(frames, times, None, 0, rate, regular, 0, 0)
  return Decoded(
    frames, times, audio, wanted, rate, regular, channels, source_rate
  )


def _av(path: pathlib.Path) -> Any:
  try:
    return importlib.import_module("av")
  except ModuleNotFoundError as error:
    raise files.InputError(
      f"{path} is taken for a video, and those need PyAV: pip install av, or "
      'the extra "video" of this package.'
    ) from error


def _decodable(path: pathlib.Path, stream: Any) -> Any:
  if stream.codec_context is None:
    raise files.InputError(
      f"{path} has {stream.type} in a format that FFmpeg cannot read."
    )
  return stream


def _frames(
  container: Any, stream: Any, config: DecodeConfig, rate: float
) -> tuple[list[np.ndarray], np.ndarray, float, bool]:
  """Returns frames, their times, the first's time, and if they are regular."""
  kept: list[tuple[float, np.ndarray]] = []
  decoded_times: list[float] = []

  def decoded() -> Iterator[tuple[float, Any]]:
    for number, frame in enumerate(container.decode(stream)):
      # Some formats carry no times.
      decoded_times.append(number / rate if frame.time is None else frame.time)
      yield decoded_times[-1] - decoded_times[0], frame

  chosen: Iterable[tuple[float, Any]] = decoded()
  if config.frame_rate is None:
    chosen = _between(chosen, config)
  else:
    chosen = nearest(chosen, config.frame_rate, 1 / rate, config)
  last: tuple[Any, np.ndarray] = (None, np.zeros(0))
  for time, frame in chosen:
    if frame is not last[0]:
      last = (frame, _to_array(frame, config.short_side))
    kept.append((time, last[1]))
  times = np.array([time for time, _ in kept])
  steps = np.diff(decoded_times)
  # Times are often rounded to milliseconds.
  regular = not len(steps) or float(np.ptp(steps)) < 0.1 / rate
  first = decoded_times[0] if decoded_times else 0.0
  return [array for _, array in kept], times, first, regular


def _between(
  frames: Iterable[tuple[float, Any]], config: DecodeConfig
) -> Iterator[tuple[float, Any]]:
  for time, frame in frames:
    if time >= config.end - _SLACK:
      return
    if time >= config.start - _SLACK:
      yield time, frame


def nearest(
  frames: Iterable[tuple[float, Any]],
  frame_rate: float,
  duration: float,
  config: DecodeConfig,
) -> Iterator[tuple[float, Any]]:
  """Yields frames at regular times, each the nearest of the given ones.

  Args:
    frames: times in rising order, seconds, and frames of any type.
    frame_rate: frames per second of the result.
    duration: duration of the last frame, seconds.
    config: first and last second.
  """
  number = math.ceil(config.start * frame_rate - _SLACK)
  before: tuple[float, Any] | None = None
  for time, frame in frames:
    # Halfway between two frames the later one counts.
    while (
      before is not None
      and number / frame_rate < (before[0] + time) / 2 - _SLACK
    ):
      if number / frame_rate >= config.end - _SLACK:
        return
      yield number / frame_rate, before[1]
      number += 1
    before = (time, frame)
  if before is None:
    return
  end = min(config.end, before[0] + duration) - _SLACK
  while number / frame_rate < end:
    yield number / frame_rate, before[1]
    number += 1


def _to_array(frame: Any, short_side: int | None) -> np.ndarray:  # [H, W, 3]
  if short_side is None or short_side == min(frame.width, frame.height):
    return frame.to_ndarray(format="rgb24")
  scale = short_side / min(frame.width, frame.height)
  return frame.reformat(
    width=max(1, round(scale * frame.width)),
    height=max(1, round(scale * frame.height)),
    format="rgb24",
    interpolation="AREA" if scale < 1 else "BICUBIC",
  ).to_ndarray()


def _audio(
  av: Any,
  container: Any,
  stream: Any,
  config: DecodeConfig,
  first: float,
  rate: int,
) -> np.ndarray | None:  # [S, channels] float32
  """Returns the audio from `config.start` on; None if there is none."""
  # Without a layout channels stay as they are: FFmpeg's own mix of two channels
  # is louder than either.
  mixer = av.AudioResampler(format="flt", rate=rate)
  blocks: list[np.ndarray] = []
  begin: float | None = None
  length = 0
  for frame in container.decode(stream):
    begin = (frame.time or 0.0) - first if begin is None else begin
    if length > (config.end - begin) * rate:
      break
    for block in mixer.resample(frame):
      blocks.append(_mixed(block, config.channels))
      length += len(blocks[-1])
  blocks += [_mixed(x, config.channels) for x in mixer.resample(None)]
  if begin is None or not length:
    return None
  audio = np.concatenate(blocks)
  # Audio and video of a file may begin at different times.
  skipped = round((config.start - begin) * rate)
  audio = np.pad(audio, ((max(0, -skipped), 0), (0, 0)))[max(0, skipped) :]
  if math.isfinite(config.end):
    audio = audio[: round((config.end - config.start) * rate)]
  return np.clip(audio, -1, 1).astype(np.float32) if len(audio) else None


def _mixed(frame: Any, channels: int) -> np.ndarray:  # [S, channels]
  """Returns the mean of all channels, or the first two, left and right."""
  audio = frame.to_ndarray().reshape(-1, frame.layout.nb_channels)
  if channels == 1:
    return audio.mean(axis=1, keepdims=True)
  return audio[:, :2] if audio.shape[1] > 1 else audio.repeat(2, axis=1)


def write(
  path: pathlib.Path,
  frames: np.ndarray,  # [T, H, W, 3] uint8
  frame_rate: float,
  audio: np.ndarray | None = None,  # [S, channels] in [-1, 1]
  sample_rate: int = 48_000,
) -> None:
  """Writes a video file, H.264 with AAC audio, whole or not at all.

  Args:
    path: ends in .mp4; height and width are padded to even numbers, which the
      format requires, by repeating edges.
    frames: the video.
    frame_rate: frames per second.
    audio: mono or stereo.
    sample_rate: samples per second.

  Raises:
    files.InputError: if PyAV is missing, or the file cannot be written.
  """
  av = _av(path)
  height, width = frames.shape[1:3]
  even = ((0, 0), (0, height % 2), (0, width % 2), (0, 0))
  frames = np.pad(frames, even, mode="edge")
  try:
    with (
      files.writing(path) as temporary,
      av.open(str(temporary), "w") as container,
    ):
      video = _video_stream(av, container, frames, frame_rate)
      # All streams are added before the first is encoded.
      if audio is not None:
        layout = "mono" if audio.shape[1] == 1 else "stereo"
        stream = container.add_stream("aac", rate=sample_rate, layout=layout)
      for array in frames:
        frame = av.VideoFrame.from_ndarray(array, format="rgb24")
        container.mux(video.encode(frame))
      container.mux(video.encode(None))
      if audio is not None:
        _write_audio(av, container, stream, audio, sample_rate)
  except av.FFmpegError as error:
    raise files.InputError(f"{path} cannot be encoded: {error}") from error


def _video_stream(
  av: Any, container: Any, frames: np.ndarray, frame_rate: float
) -> Any:
  rate = fractions.Fraction(frame_rate).limit_denominator(1001)
  # The codec that browsers play, where FFmpeg was built with it.
  known = "libx264" in av.codecs_available
  stream = container.add_stream("libx264" if known else "mpeg4", rate=rate)
  stream.height, stream.width = frames.shape[1:3]
  stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
  return stream


def _write_audio(
  av: Any, container: Any, stream: Any, audio: np.ndarray, rate: int
) -> None:
  planes = np.ascontiguousarray(audio.T.astype(np.float32))  # [channels, S]
  layout = "mono" if len(planes) == 1 else "stereo"
  frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
  frame.sample_rate, frame.pts = rate, 0
  frame.time_base = fractions.Fraction(1, rate)
  queue = av.AudioFifo()
  queue.write(frame)
  for block in queue.read_many(stream.codec_context.frame_size or 1024, True):
    container.mux(stream.encode(block))
  container.mux(stream.encode(None))
