"""Writing of video files with PyAV, an optional dependency."""

import fractions
import pathlib

import numpy as np

from experiments.audio_video.clips import video_files
from experiments.data import files


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
  av = video_files.load_av()
  height, width = frames.shape[1:3]
  even = ((0, 0), (0, height % 2), (0, width % 2), (0, 0))
  frames = np.pad(frames, even, mode="edge")
  try:
    with (
      files.writing(path) as temporary,
      av.open(str(temporary), "w") as container,
    ):
      rate = fractions.Fraction(frame_rate).limit_denominator(1001)
      # The codec that browsers play, where FFmpeg was built with it.
      known = "libx264" in av.codecs_available
      video = container.add_stream("libx264" if known else "mpeg4", rate=rate)
      video.height, video.width = frames.shape[1:3]
      video.pix_fmt, video.bit_rate = "yuv420p", 4_000_000
      # All streams are added before the first is encoded.
      if audio is not None:
        layout = "mono" if audio.shape[1] == 1 else "stereo"
        track = container.add_stream("aac", rate=sample_rate, layout=layout)
      for array in frames:
        frame = av.VideoFrame.from_ndarray(array, format="rgb24")
        container.mux(video.encode(frame))
      container.mux(video.encode(None))
      if audio is not None:
        planes = np.ascontiguousarray(audio.T.astype(np.float32))
        frame = av.AudioFrame.from_ndarray(planes, "fltp", layout)
        frame.sample_rate, frame.pts = sample_rate, 0
        frame.time_base = fractions.Fraction(1, sample_rate)
        container.mux([*track.encode(frame), *track.encode(None)])
  except av.FFmpegError as error:
    raise files.InputError(f"{path} cannot be encoded: {error}") from error
