"""Reading of video files with PyAV, an optional dependency.

Time stamps decide, for frames and for audio; the first frame is at 0 seconds.
Whatever is constant in a good file may change in the middle of another.
"""

from collections.abc import Iterable, Iterator
import contextlib
import dataclasses
import importlib
import math
import pathlib
from typing import Any, NamedTuple, TypeVar

import numpy as np

from experiments.data import files
from perceiver import bounds

_SLACK = 1e-6  # seconds by which rounding may move a time
_JITTER = 0.04  # seconds by which time stamps of audio may be off

SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v")

T = TypeVar("T")
# Whether something is so, its kind, and the change made for it in words.
Remarks = list[tuple[Any, str, str]]


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
    sizes = ("frame_rate", "sample_rate", "short_side")
    bounds.check_ranges(self, *sizes, channels="[1, 2]")


class Decoded(NamedTuple):
  """Video and audio of a file, from some second on."""

  frames: list[np.ndarray]  # each [H, W, 3] uint8
  audio: np.ndarray | None  # [S, channels] float32 in [-1, 1]
  remarks: dict[str, str]  # kinds of changes made, and each in words


def decode(
  path: pathlib.Path,
  form: Format,
  start: float = 0.0,
  end: float = math.inf,
  *,
  with_audio: bool = True,
) -> Decoded:
  """Reads video and audio of a file.

  Args:
    path: the file, in any format that FFmpeg can read.
    form: the format of the result.
    start: first second.
    end: last second.
    with_audio: whether to read the audio, too.

  Raises:
    files.InputError: if PyAV is missing, or the file is damaged, has no
      video, or nothing between start and end: the path, a colon and the
      reason.
  """
  if not start < end:
    raise files.InputError(
      f"{path}: the part from {start:g} to {end:g} seconds is empty"
    )
  av = load_av()
  with damaged(path):
    with opened(av, path) as container:
      frames, first, remarks = _video(container, form, (start, end))
    seconds = len(frames) / form.frame_rate
    audio, more = None, list[Any]()
    if with_audio:
      with opened(av, path) as container:
        audio, more = read_audio(av, container, form, (first + start, seconds))
  return Decoded(frames, audio, changes([*remarks, *more]))


def opened(av: Any, path: pathlib.Path) -> Any:
  """Returns an opened file, of the module of PyAV."""
  # Since version 19 PyAV needs no word on metadata that are not UTF-8.
  old = int(av.__version__.partition(".")[0]) < 19
  settings = {"metadata_errors": "replace"} if old else {}
  return av.open(str(path), **settings)


@contextlib.contextmanager
def damaged(path: pathlib.Path) -> Iterator[None]:
  """Turns all errors inside into `files.InputError`s that name a file."""
  try:
    yield
  except files.InputError as error:
    raise files.InputError(f"{path}: {error}") from error
  except Exception as error:  # Damage can raise any error.
    reason = getattr(error, "strerror", None) or str(error) or repr(error)
    raise files.InputError(f"{path}: it cannot be decoded: {reason}") from error


def changes(remarks: Remarks) -> dict[str, str]:
  """Returns the remarks that hold, in words, by their kinds."""
  return {kind: words for so, kind, words in remarks if so}


def load_av() -> Any:
  """Returns the module of PyAV.

  Raises:
    files.InputError: if it is not there.
  """
  try:
    return importlib.import_module("av")
  except ImportError as error:
    raise files.InputError(
      f"Video files need PyAV, `pip install -e '.[video]'`: {error}."
    ) from error


def _best(streams: Any) -> Any:
  """Returns the stream of the most pixels, or the first of audio; or None."""
  known = [x for x in streams if x.codec_context is not None]
  if streams and not known:
    raise files.InputError(f"FFmpeg has no decoder for its {streams[0].type}")
  # Covers of albums are videos of one frame.
  videos = [x for x in known if not x.disposition & x.disposition.attached_pic]
  pixels = lambda x: x.width * x.height if x.type == "video" else 0
  return max(videos or known, key=pixels, default=None)


# ----------------------------------------------------------------------- video


def _video(
  container: Any, form: Format, window: tuple[float, float]
) -> tuple[list[np.ndarray], float, Remarks]:
  """Returns frames, the time stamp of the file's first one, and remarks."""
  stream = _best(container.streams.video)
  if stream is None:
    raise files.InputError("it has no video")
  stream.thread_type = "AUTO"
  rate = float(stream.average_rate or form.frame_rate)
  times: list[float] = []
  late, sizes, matrices = 0, set(), set()

  def decoded() -> Iterator[tuple[float, Any]]:
    nonlocal late
    for number, frame in enumerate(container.decode(stream)):
      # Some formats carry no times.
      time = number / rate if frame.time is None else frame.time
      if times and time <= times[-1]:
        late += 1
        continue
      times.append(time)
      yield time - times[0], frame

  frames: list[np.ndarray] = []
  size, last = None, None
  for frame in nearest(decoded(), form.frame_rate, window, 1 / rate):
    if frame is last:
      frames.append(frames[-1])
      continue
    size = size or _size(frame, form, float(stream.sample_aspect_ratio or 1))
    matrix = np.frombuffer(
      bytes(frame.side_data.get("DISPLAYMATRIX") or b""), np.int32
    )
    frames.append(_turned(_resized(frame, size), matrix))
    sizes.add((frame.width, frame.height))
    matrices.add(tuple(np.sign(matrix[:5])))
    last = frame
  if not frames:
    raise files.InputError(f"it has no frames after {window[0]:g} seconds")
  # Times are often rounded to milliseconds.
  varies = len(times) > 1 and np.ptp(np.diff(times)) >= 0.1 / rate
  other = abs(rate - form.frame_rate) > 0.01
  kept = f"of them the nearest in time to {form.frame_rate:g} per second"
  turned = matrices - {(), (1, 0, 0, 0, 1)}
  remarks = [
    (varies, "variable frame rate", f"frames at irregular times: {kept}"),
    (other, "other frame rate", f"{rate:g} frames per second: {kept}"),
    (late, "frames out of order", f"{late} frames out of order: left out"),
    (len(sizes) > 1, "frames of several sizes", "frames resized to one size"),
    (turned, "turned", "turned or mirrored, as the file asks for"),
  ]
  return frames, times[0], remarks


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


def _size(frame: Any, form: Format, aspect: float) -> tuple[int, int]:
  """Returns width and height on display, given the aspect ratio of a pixel."""
  width, height = aspect * frame.width, frame.height
  scale = (form.short_side or min(width, height)) / min(width, height)
  return max(1, round(scale * width)), max(1, round(scale * height))


def _resized(frame: Any, size: tuple[int, int]) -> np.ndarray:  # [H, W, 3]
  if size == (frame.width, frame.height):
    return frame.to_ndarray(format="rgb24")
  smooth = "AREA" if size[1] < frame.height else "BICUBIC"
  frame = frame.reformat(*size, format="rgb24", interpolation=smooth)
  return frame.to_ndarray()


def _turned(frame: np.ndarray, matrix: np.ndarray) -> np.ndarray:
  """Turns and mirrors a frame by its display matrix, by multiples of 90°."""
  if not len(matrix):
    return frame
  # Column and row on display are a·column + c·row and b·column + d·row.
  a, b, _, c, d = matrix[:5].tolist()
  if abs(b) > abs(a):
    frame, a, d = frame.swapaxes(0, 1), c, b
  return np.ascontiguousarray(
    frame[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
  )


# ----------------------------------------------------------------------- audio


def read_audio(
  av: Any, container: Any, form: Format, window: tuple[float, float]
) -> tuple[np.ndarray | None, Remarks]:  # [S, channels] float32
  """Returns audio, None if there is none, and remarks.

  Args:
    av: the module of PyAV.
    container: the opened file.
    form: the format of the result.
    window: time stamp of the beginning, and length, seconds.
  """
  audio = np.zeros((round(window[1] * form.sample_rate), form.channels), "f4")
  length = at = 0  # of what there is, and the place of the next block

  def add(blocks: Iterable[Any]) -> None:
    nonlocal length, at
    for block in blocks:
      samples = _mixed(block, form.channels)[max(0, -at) :]
      place = audio[max(0, at) :][: len(samples)]
      place[:] = samples[: len(place)]
      length = max(length, max(0, at) + len(place)) if len(place) else length
      at += block.samples

  stream = _best(container.streams.audio)
  mixer, kinds, expected, gaps = None, [], 0.0, 0
  for frame in container.decode(stream) if stream else ():
    time = expected if frame.time is None else frame.time
    if time > sum(window) + 1:
      break
    kind = (frame.rate, frame.layout.nb_channels, frame.format.name)
    moved = abs(time - expected) > _JITTER
    if mixer is None or moved or kind != kinds[-1]:
      if mixer is not None:
        add(mixer.resample(None))
        gaps += moved
      # Without a layout channels stay as they are: FFmpeg's own mix of two
      # channels is louder than either.
      mixer = av.AudioResampler(format="flt", rate=form.sample_rate)
      kinds.append(kind)
      at, expected = round((time - window[0]) * form.sample_rate), time
    add(mixer.resample(frame))
    expected += frame.samples / frame.rate
  if mixer is not None:
    add(mixer.resample(None))
  if not length:
    return None, []
  peak = float(np.abs(audio).max())
  rates, counts = (sorted({kind[i] for kind in kinds}) for i in (0, 1))
  listed = lambda numbers: ", ".join(map(str, numbers))
  resampled = f"audio of {listed(rates)} Hz: resampled to {form.sample_rate} Hz"
  mixed = f"audio of {listed(counts)} channels: mixed to {form.channels}"
  remarks = [
    (rates != [form.sample_rate], "other sample rate", resampled),
    (counts != [form.channels], "other number of channels", mixed),
    (len(set(kinds)) > 1, "audio that changes", "audio of several formats"),
    (gaps, "gaps in the audio", f"{gaps} gaps or jumps in the audio"),
    (peak > 1, "clipped", f"audio up to {peak:.4g}: clipped to [-1, 1]"),
  ]
  return np.clip(audio[:length], -1, 1), remarks


def _mixed(frame: Any, channels: int) -> np.ndarray:  # [S, channels]
  """Returns the mean of all channels, or the first two, left and right."""
  audio = frame.to_ndarray().reshape(-1, frame.layout.nb_channels)
  if channels == 1:
    return audio.mean(axis=1, keepdims=True)
  return audio[:, :2] if audio.shape[1] > 1 else audio.repeat(2, axis=1)
