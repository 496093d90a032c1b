"""Tiny clips of video and audio, and files of them."""

import fractions

import numpy as np
import pytest

from experiments.audio_video.clips import clips
from experiments.audio_video.clips import synthetic
from experiments.audio_video.clips import video_writer

FRAME_RATE, SAMPLE_RATE = 25.0, 48_000


def clip(num_frames=5, samples_per_frame=4, labels=(2,)):
  """Returns a clip with pixels of 10·t in frame t; sample s is s / 1000."""
  frames = np.zeros((num_frames, 4, 6, 3), np.uint8)
  frames += np.arange(0, 10 * num_frames, 10, dtype=np.uint8)[
    :, None, None, None
  ]
  audio = np.arange(num_frames * samples_per_frame, dtype=np.float32) / 1000
  return clips.Clip(
    frames=frames,
    audio=audio[:, None],
    frame_rate=FRAME_RATE,
    sample_rate=round(FRAME_RATE * samples_per_frame),
    labels=labels,
    name="counted",
  )


def made(**changes):
  """Returns tiny synthetic clips."""
  settings = {
    "num_examples": 20,
    "num_frames": 6,
    "size": (16, 20),
    "sample_rate": 1600,
    **changes,
  }
  return synthetic.SyntheticClips(synthetic.SyntheticConfig(**settings))


def write_video(path, *, seconds=0.4, audio=True, rate=FRAME_RATE, channels=1):
  """Writes a video that brightens by 10 from frame to frame, with a tone.

  A test that needs one is skipped without the extra that writes it.
  """
  pytest.importorskip("av", reason='needs the extra "video"')
  count = round(seconds * rate)
  frames = np.zeros((count, 24, 32, 3), np.uint8)
  frames += (10 * np.arange(count, dtype=np.uint8))[:, None, None, None]
  time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
  tone = 0.5 * np.sin(2 * np.pi * 500 * time)[:, None].repeat(channels, axis=1)
  path.parent.mkdir(parents=True, exist_ok=True)
  video_writer.write(path, frames, rate, tone if audio else None, SAMPLE_RATE)


# Hundredths of a second: the unit of times in what follows.
_TICK = fractions.Fraction(1, 100)


def write_changing_video(path, frames, audio=()):
  """Writes a video whose frames and audio change their format midway.

  Args:
    path: ends in .mkv.
    frames: (time in hundredths of a second, frame [H, W, 3] of any size).
    audio: (time in hundredths of a second, samples [S, channels]), a run of one
      format each.
  """
  import av

  with av.open(str(path), "w") as container:
    video = container.add_stream("mjpeg", rate=25)
    video.width, video.height, video.pix_fmt = 32, 24, "yuvj420p"
    sound = container.add_stream("mp2", rate=SAMPLE_RATE) if audio else None
    for tick, array in frames:
      height, width = array.shape[:2]
      frame = av.VideoFrame.from_ndarray(array, format="rgb24")
      frame = frame.reformat(format="yuvj420p")
      frame.pts, frame.time_base = tick, _TICK
      coder = av.CodecContext.create("mjpeg", "w")
      coder.width, coder.height, coder.pix_fmt = width, height, "yuvj420p"
      coder.time_base = _TICK
      _mux(container, video, [*coder.encode(frame), *coder.encode(None)])
    for tick, samples in audio:
      layout = "mono" if samples.shape[1] == 1 else "stereo"
      coder = av.CodecContext.create("mp2", "w")
      coder.sample_rate, coder.layout, coder.format = SAMPLE_RATE, layout, "s16"
      coder.time_base, coder.bit_rate = (
        fractions.Fraction(1, SAMPLE_RATE),
        192000,
      )
      for start in range(0, len(samples) - 1151, 1152):
        block = np.rint(32767 * samples[start : start + 1152]).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(
          block.reshape(1, -1), format="s16", layout=layout
        )
        frame.sample_rate = SAMPLE_RATE
        frame.pts = start + tick * SAMPLE_RATE // 100
        frame.time_base = coder.time_base
        _mux(container, sound, coder.encode(frame))
      _mux(container, sound, coder.encode(None))


def _mux(container, stream, packets):
  for packet in packets:
    packet.stream = stream
    container.mux(packet)


def grey(number, size=(24, 32)):
  """Returns a frame, brighter by 10 than the one before."""
  return np.full((*size, 3), 10 * number, np.uint8)


def write_irregular_video(path, ticks):
  """Writes frames, brighter by 10 each, at times in hundredths of a second."""
  frames = [(tick, grey(number)) for number, tick in enumerate(ticks)]
  write_changing_video(path, frames)


def tone(samples, channels=1):  # [S, channels]
  """Returns a tone of 500 Hz, an octave below in a second channel."""
  time = np.arange(samples)[:, None] / SAMPLE_RATE
  pitches = np.array([500, 250])[:channels]
  return 0.5 * np.sin(2 * np.pi * pitches * time)


_CODECS = {".aiff": "pcm_s16be", ".wav": "pcm_s16le"}


def write_audio(path, samples, rate=SAMPLE_RATE):  # [S]
  """Writes one channel of audio, without loss, by the suffix of the file."""
  import av

  block = np.rint(32767 * np.asarray(samples)).astype(np.int16).reshape(1, -1)
  frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
  frame.sample_rate = rate
  with av.open(str(path), "w") as container:
    codec = _CODECS.get(path.suffix, "flac")
    stream = container.add_stream(codec, rate=rate, layout="mono")
    stream.codec_context.open()
    resampler = av.AudioResampler(
      stream.format, "mono", rate, frame_size=stream.frame_size or 1024
    )
    for part in (*resampler.resample(frame), *resampler.resample(None), None):
      container.mux([x for x in stream.encode(part) if x.size])


_ONE = 2**16
_UPRIGHT = (_ONE, 0, 0, 0, _ONE, 0, 0, 0, 2**30)


def turn_video(path, a, b, c, d):
  """Sets the display matrix of an .mp4 file: column and row on the display.

  They are a·column + c·row and b·column + d·row.
  """
  matrix = (a * _ONE, b * _ONE, 0, c * _ONE, d * _ONE, 0, 0, 0, 2**30)
  content = path.read_bytes()
  encode = lambda numbers: b"".join(
    number.to_bytes(4, "big", signed=True) for number in numbers
  )
  at = content.index(encode(_UPRIGHT), content.index(b"tkhd"))
  path.write_bytes(content[:at] + encode(matrix) + content[at + 36 :])
