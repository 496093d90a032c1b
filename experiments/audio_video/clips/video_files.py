"""Reading and writing video files with PyAV, which is needed for this alone."""

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


class Found(NamedTuple):
  """What a video file has."""

  frames: list[np.ndarray]  # each [H, W, 3] uint8
  times: np.ndarray  # [T] seconds from the first frame to each
  sound: np.ndarray | None  # [S, channels] float32 in [-1, 1], from then on
  sample_rate: int  # per second; 0 without sound
  frame_rate: float  # per second, on average, in the file
  is_regular: bool  # whether its frames are evenly spaced
  source_channels: int  # of the sound in the file
  source_rate: int  # samples per second in the file


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecodeConfig:
  """What of a video file is read, and into what form.

  Attributes:
    start: seconds after the first frame to begin at.
    end: seconds after the first frame that nothing is needed of.
    short_side: pixels of the shorter side of a frame, the shape kept; None
      leaves frames as they are.
    frame_rate: frames per second, each the nearest in time of what is there,
      whether the file's rate varies or not; None keeps all frames.
    sample_rate: samples per second; None keeps the file's.
    channels: channels of the sound: 1 for the mean of all there are, 2 for the
      first two, or the only one twice.
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


def decode(path: pathlib.Path, config: DecodeConfig) -> Found:
  """Reads video and sound of a file; its first frame is at 0 seconds.

  Args:
    path: the file, in any format that FFmpeg knows.
    config: what of it.

  Raises:
    files.InputError: if PyAV is not there, or the file is damaged, has no
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
      heard = container.streams.audio[0] if container.streams.audio else None
      if heard is None:
        return Found(frames, times, None, 0, rate, regular, 0, 0)
      _decodable(path, heard)
      wanted = config.sample_rate or heard.rate
      channels, source_rate = heard.codec_context.channels, heard.rate
      sound = _sound(av, container, heard, config, first, wanted)
  except (av.FFmpegError, OSError) as error:
    raise files.InputError(f"{path} cannot be decoded: {error}") from error
  if sound is None:
    return Found(frames, times, None, 0, rate, regular, 0, 0)
  return Found(
    frames, times, sound, wanted, rate, regular, channels, source_rate
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
      f"{path} has {stream.type} in a format that FFmpeg does not know."
    )
  return stream


def _frames(
  container: Any, stream: Any, config: DecodeConfig, rate: float
) -> tuple[list[np.ndarray], np.ndarray, float, bool]:
  """Returns frames, their times, when the first is, and if they are regular."""
  shown: list[tuple[float, np.ndarray]] = []
  met: list[float] = []  # times of all frames that were decoded

  def decoded() -> Iterator[tuple[float, Any]]:
    for number, frame in enumerate(container.decode(stream)):
      # Some formats carry no times.
      met.append(number / rate if frame.time is None else frame.time)
      yield met[-1] - met[0], frame

  chosen: Iterable[tuple[float, Any]] = decoded()
  if config.frame_rate is None:
    chosen = _between(chosen, config)
  else:
    chosen = nearest(chosen, config.frame_rate, 1 / rate, config)
  last: tuple[Any, np.ndarray] = (None, np.zeros(0))
  for time, frame in chosen:
    if frame is not last[0]:
      last = (frame, _to_array(frame, config.short_side))
    shown.append((time, last[1]))
  times = np.array([time for time, _ in shown])
  steps = np.diff(met)
  # Times are often rounded to milliseconds.
  regular = not len(steps) or float(np.ptp(steps)) < 0.1 / rate
  first = met[0] if met else 0.0
  return [array for _, array in shown], times, first, regular


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
  """Yields frames at regular times, each the nearest of those that there are.

  Args:
    frames: times in rising order, seconds, and whatever stands for frames.
    frame_rate: how many there shall be in a second.
    duration: how long the last frame is shown, seconds.
    config: from when until when.
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


def _sound(
  av: Any,
  container: Any,
  stream: Any,
  config: DecodeConfig,
  first: float,
  rate: int,
) -> np.ndarray | None:  # [S, channels] float32
  """Returns the sound from `config.start` on; None if there is none."""
  # Without a layout channels stay as they are: FFmpeg's own mix of two channels
  # is louder than either.
  mixer = av.AudioResampler(format="flt", rate=rate)
  pieces: list[np.ndarray] = []
  begin: float | None = None
  length = 0
  for frame in container.decode(stream):
    begin = (frame.time or 0.0) - first if begin is None else begin
    if length > (config.end - begin) * rate:
      break
    for piece in mixer.resample(frame):
      pieces.append(_mixed(piece, config.channels))
      length += len(pieces[-1])
  pieces += [_mixed(x, config.channels) for x in mixer.resample(None)]
  if begin is None or not length:
    return None
  sound = np.concatenate(pieces)
  # Sound and video of a file may begin at different times.
  skipped = round((config.start - begin) * rate)
  sound = np.pad(sound, ((max(0, -skipped), 0), (0, 0)))[max(0, skipped) :]
  if math.isfinite(config.end):
    sound = sound[: round((config.end - config.start) * rate)]
  return np.clip(sound, -1, 1).astype(np.float32) if len(sound) else None


def _mixed(frame: Any, channels: int) -> np.ndarray:  # [S, channels]
  """Returns the mean of all channels, or the first two, left and right."""
  sound = frame.to_ndarray().reshape(-1, frame.layout.nb_channels)
  if channels == 1:
    return sound.mean(axis=1, keepdims=True)
  return sound[:, :2] if sound.shape[1] > 1 else sound.repeat(2, axis=1)


def write(
  path: pathlib.Path,
  frames: np.ndarray,  # [T, H, W, 3] uint8
  frame_rate: float,
  sound: np.ndarray | None = None,  # [S, channels] in [-1, 1]
  sample_rate: int = 48_000,
) -> None:
  """Writes a video file, H.264 with AAC sound, whole or not at all.

  Args:
    path: ends in .mp4; height and width are rounded up to even numbers, which
      the format asks for, by repeating edges.
    frames: the video.
    frame_rate: frames per second.
    sound: mono or stereo.
    sample_rate: samples per second.

  Raises:
    files.InputError: if PyAV is not there, or the file cannot be written.
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
      rate = fractions.Fraction(frame_rate).limit_denominator(1001)
      # What browsers play, where FFmpeg was built with it.
      known = "libx264" in av.codecs_available
      video = container.add_stream("libx264" if known else "mpeg4", rate=rate)
      video.height, video.width = frames.shape[1:3]
      video.pix_fmt, video.bit_rate = "yuv420p", 4_000_000
      heard = None
      if sound is not None:
        layout = "mono" if sound.shape[1] == 1 else "stereo"
        heard = container.add_stream("aac", rate=sample_rate, layout=layout)
      for array in frames:
        frame = av.VideoFrame.from_ndarray(array, format="rgb24")
        container.mux(video.encode(frame))
      container.mux(video.encode(None))
      if heard is not None and sound is not None:
        _write_sound(av, container, heard, sound, sample_rate)
  except av.FFmpegError as error:
    raise files.InputError(f"{path} cannot be encoded: {error}") from error


def _write_sound(
  av: Any, container: Any, stream: Any, sound: np.ndarray, rate: int
) -> None:
  planes = np.ascontiguousarray(sound.T.astype(np.float32))  # [channels, S]
  layout = "mono" if len(planes) == 1 else "stereo"
  frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
  frame.sample_rate, frame.pts = rate, 0
  frame.time_base = fractions.Fraction(1, rate)
  queue = av.AudioFifo()
  queue.write(frame)
  for piece in queue.read_many(stream.codec_context.frame_size or 1024, True):
    container.mux(stream.encode(piece))
  container.mux(stream.encode(None))
