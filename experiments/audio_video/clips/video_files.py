"""Reading of video files with PyAV, an optional dependency.

Time stamps decide, for frames and for audio; the first frame is at 0 seconds.
Whatever is constant in a good file may change in the middle of another.
"""

from collections.abc import Iterable, Iterator
import dataclasses
import fractions
import importlib
import math
import pathlib
from typing import Any, NamedTuple, TypeVar

import numpy as np

from experiments.data import files

_SLACK = 1e-6  # seconds by which rounding may move a time
_JITTER = 0.04  # seconds by which time stamps of audio may be off

SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v")

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Format:
  """Format of decoded clips.

  Attributes:
    frame_rate: frames per second, each the nearest in time of the file's.
    sample_rate: audio samples per second.
    channels: channels of the audio: 1 for the mean of all, 2 for the first two,
      or the only one twice.
    short_side: pixels of the shorter side of a frame; None leaves the size.
  """

  frame_rate: float = 25.0
  sample_rate: int = 48_000
  channels: int = 1
  short_side: int | None = 256

  def __post_init__(self) -> None:
    sizes = (self.frame_rate, self.sample_rate, self.short_side or 1)
    if min(sizes) < 1 or self.channels not in (1, 2):
      raise ValueError(
        f"{type(self).__name__}: {self}; expected positive rates and sizes, "
        "and 1 or 2 channels."
      )


class Decoded(NamedTuple):
  """Video and audio of a file, from some second on."""

  frames: list[np.ndarray]  # each [H, W, 3] uint8
  audio: np.ndarray | None  # [S, channels] float32 in [-1, 1]
  remarks: dict[str, str]  # kinds of changes made, and each in words


def decode(
  path: pathlib.Path, form: Format, start: float = 0.0, end: float = math.inf
) -> Decoded:
  """Reads video and audio of a file.

  Args:
    path: the file, in any format that FFmpeg can read.
    form: the format of the result.
    start: first second.
    end: last second.

  Raises:
    files.InputError: if PyAV is missing, or the file is damaged, has no
      video, or ends before the start: the path, a colon and the reason.
  """
  av = load_av()
  remarks: dict[str, str] = {}
  try:
    with av.open(str(path), metadata_errors="replace") as container:
      frames, first = _video(container, form, (start, end), remarks)
    seconds = len(frames) / form.frame_rate
    with av.open(str(path), metadata_errors="replace") as container:
      audio = _audio(av, container, form, (first + start, seconds), remarks)
  except Exception as error:  # Damage can raise any error.
    reason = getattr(error, "strerror", None) or str(error) or repr(error)
    raise files.InputError(f"{path}: it cannot be decoded: {reason}") from error
  return Decoded(frames, audio, remarks)


def load_av() -> Any:
  """Returns the module of PyAV.

  Raises:
    files.InputError: if it is not there.
  """
  try:
    return importlib.import_module("av")
  except ImportError as error:
    raise files.InputError(
      'Video files need PyAV: pip install av, or the extra "video" of this '
      f"package: {error}."
    ) from error


def _best(streams: Any) -> Any:
  """Returns the stream of the most pixels, or the first of audio; or None."""
  if not streams:
    return None
  known = [x for x in streams if x.codec_context is not None]
  if not known:
    raise ValueError(f"FFmpeg has no decoder for its {streams[0].type}")
  # Covers of albums are videos of one frame.
  videos = [x for x in known if not x.disposition & x.disposition.attached_pic]
  pixels = lambda x: x.width * x.height if x.type == "video" else 0
  return max(videos or known, key=pixels)


# ----------------------------------------------------------------------- video


def _video(
  container: Any,
  form: Format,
  window: tuple[float, float],
  remarks: dict[str, str],
) -> tuple[list[np.ndarray], float]:
  """Returns frames, and the time stamp of the file's first."""
  stream = _best(container.streams.video)
  if stream is None:
    raise ValueError("it has no video")
  stream.thread_type = "AUTO"
  rate = float(stream.average_rate or form.frame_rate)
  times: list[float] = []
  sizes = set()

  def decoded() -> Iterator[tuple[float, Any]]:
    for number, frame in enumerate(container.decode(stream)):
      # Some formats carry no times.
      time = number / rate if frame.time is None else frame.time
      sizes.add((frame.width, frame.height))
      if times and time <= times[-1]:
        remarks["time stamps that step back"] = "frames out of order: left out"
        continue
      times.append(time)
      yield time - times[0], frame

  show = _Display(form, stream.sample_aspect_ratio or 1)
  frames: list[np.ndarray] = []
  last = None
  for frame in nearest(decoded(), form.frame_rate, window, 1 / rate):
    frames.append(frames[-1] if frame is last else show(frame))
    last = frame
  if not frames:
    raise ValueError(f"it has no frames after {window[0]:g} seconds")
  kept = f"of them the nearest in time to {form.frame_rate:g} per second"
  # Times are often rounded to milliseconds.
  if len(times) > 1 and np.ptp(np.diff(times)) >= 0.1 / rate:
    remarks["variable frame rate"] = f"frames at irregular times: {kept}"
  if abs(rate - form.frame_rate) > 0.01:
    remarks["other frame rate"] = f"{rate:g} frames per second: {kept}"
  if len(sizes) > 1:
    remarks["frames of several sizes"] = "resized to that of the first"
  if show.is_turned:
    remarks["turned"] = "turned or mirrored as the file asks for"
  return frames, times[0]


def nearest(
  frames: Iterable[tuple[float, T]],
  frame_rate: float,
  window: tuple[float, float],
  duration: float,
) -> Iterator[T]:
  """Yields frames at regular times, each the nearest of the given ones.

  Args:
    frames: times in rising order, seconds, and frames.
    frame_rate: frames per second of the result.
    window: first and last second.
    duration: duration of the last frame, seconds.
  """
  start, end = window
  number = 0
  before: tuple[float, T] | None = None
  for time, frame in frames:
    # Halfway between two frames the later one counts.
    while before and (at := start + number / frame_rate) < (
      (before[0] + time) / 2 - _SLACK
    ):
      if at >= end - _SLACK:
        return
      yield before[1]
      number += 1
    before = (time, frame)
  if before is None:
    return
  end = min(end, before[0] + duration) - _SLACK
  while start + number / frame_rate < end:
    yield before[1]
    number += 1


class _Display:
  """Turns frames into arrays, as they are to be displayed, of one size."""

  def __init__(self, form: Format, pixel_aspect: fractions.Fraction | int):
    self._form, self._aspect = form, float(pixel_aspect)
    self._size: tuple[int, int] | None = None
    self.is_turned = False

  def __call__(self, frame: Any) -> np.ndarray:  # [H, W, 3]
    found = (frame.width, frame.height)
    if self._size is None:
      width, height = self._aspect * found[0], float(found[1])
      scale = (self._form.short_side or min(width, height)) / min(width, height)
      self._size = max(1, round(scale * width)), max(1, round(scale * height))
    if self._size == found:
      array = frame.to_ndarray(format="rgb24")
    else:
      array = frame.reformat(
        *self._size,
        format="rgb24",
        interpolation="AREA" if self._size < found else "BICUBIC",
      ).to_ndarray()
    return self._turned(frame, array)

  def _turned(self, frame: Any, array: np.ndarray) -> np.ndarray:
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
      return array
    # Column and row on display are a·column + c·row and b·column + d·row.
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    self.is_turned |= (b, c) != (0, 0) or min(a, d) < 0
    if abs(b) > abs(a):
      array, a, d = array.swapaxes(0, 1), c, b
    array = array[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return np.ascontiguousarray(array)


# ----------------------------------------------------------------------- audio


def _audio(
  av: Any,
  container: Any,
  form: Format,
  window: tuple[float, float],
  remarks: dict[str, str],
) -> np.ndarray | None:  # [S, channels] float32
  """Returns the audio of a window, with silence in gaps; None without any.

  Args:
    av: the module of PyAV.
    container: the opened file.
    form: the format of the result.
    window: time stamp of its beginning, and its length, seconds.
    remarks: changes made, to which this adds.
  """
  stream = _best(container.streams.audio)
  if stream is None:
    return None
  track = _Track(window, form)
  mixer, kinds, expected, gaps = None, [], 0.0, 0
  for frame in container.decode(stream):
    time = expected if frame.time is None else frame.time
    if time > sum(window) + 1:
      break
    kind = (frame.rate, frame.layout.nb_channels, frame.format.name)
    moved = abs(time - expected) > _JITTER
    if mixer is None or moved or kind != kinds[-1]:
      if mixer is not None:
        track.add(mixer.resample(None))
        gaps += moved
      # Without a layout channels stay as they are: FFmpeg's own mix of two
      # channels is louder than either.
      mixer = av.AudioResampler(format="flt", rate=form.sample_rate)
      kinds.append(kind)
      track.move_to(time)
      expected = time
    track.add(mixer.resample(frame))
    expected += frame.samples / frame.rate
  if mixer is not None:
    track.add(mixer.resample(None))
  audio = track.audio[: track.length]
  if not len(audio):
    return None
  _remark_audio(remarks, form, kinds, gaps, float(np.abs(audio).max()))
  return np.clip(audio, -1, 1)


def _remark_audio(
  remarks: dict[str, str],
  form: Format,
  kinds: list[tuple[int, int, str]],
  gaps: int,
  peak: float,
) -> None:
  rates, counts = ({kind[i] for kind in kinds} for i in (0, 1))
  if rates != {form.sample_rate}:
    found = " and ".join(map(str, sorted(rates)))
    remarks["other sample rate"] = (
      f"audio of {found} Hz: resampled to {form.sample_rate} Hz"
    )
  if counts != {form.channels}:
    found = " and ".join(map(str, sorted(counts)))
    remarks["other number of channels"] = (
      f"audio of {found} channels: mixed to {form.channels}"
    )
  if len(set(kinds)) > 1:
    remarks["audio that changes"] = "the audio's format changes midway"
  if gaps:
    remarks["gaps in the audio"] = f"{gaps} gaps or jumps in the audio's times"
  if peak > 1:
    remarks["clipped"] = f"audio up to {peak:.4g}: clipped to [-1, 1]"


class _Track:
  """Audio of a window, into which blocks are put by their times."""

  def __init__(self, window: tuple[float, float], form: Format):
    self._begin, seconds = window
    self._form, self._next = form, 0
    shape = (round(seconds * form.sample_rate), form.channels)
    self.audio = np.zeros(shape, np.float32)
    self.length = 0  # up to the last sample that was put in

  def move_to(self, time: float) -> None:
    """Sets the time of the next block."""
    self._next = round((time - self._begin) * self._form.sample_rate)

  def add(self, blocks: list[Any]) -> None:
    """Puts in blocks, one after the other; the outside is left out."""
    for block in blocks:
      samples = _mixed(block, self._form.channels)
      start, self._next = self._next, self._next + len(samples)
      inside = samples[max(0, -start) : max(0, len(self.audio) - start)]
      at = max(0, start)
      self.audio[at : at + len(inside)] = inside
      if len(inside):
        self.length = max(self.length, at + len(inside))


def _mixed(frame: Any, channels: int) -> np.ndarray:  # [S, channels]
  """Returns the mean of all channels, or the first two, left and right."""
  audio = frame.to_ndarray().reshape(-1, frame.layout.nb_channels)
  if channels == 1:
    return audio.mean(axis=1, keepdims=True)
  return audio[:, :2] if audio.shape[1] > 1 else audio.repeat(2, axis=1)
