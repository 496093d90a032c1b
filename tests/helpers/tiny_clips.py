"""Tiny clips of video and audio, and files of them."""

import fractions

import numpy as np

from experiments.audio_video.clips import clips
from experiments.audio_video.clips import synthetic
from experiments.audio_video.clips import video_files

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
  """Writes a video that brightens by 10 from frame to frame, with a tone."""
  count = round(seconds * rate)
  frames = np.zeros((count, 24, 32, 3), np.uint8)
  frames += (10 * np.arange(count, dtype=np.uint8))[:, None, None, None]
  time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
  tone = 0.5 * np.sin(2 * np.pi * 500 * time)[:, None].repeat(channels, axis=1)
  path.parent.mkdir(parents=True, exist_ok=True)
  video_files.write(path, frames, rate, tone if audio else None, SAMPLE_RATE)


def write_irregular_video(path, ticks):
  """Writes frames, brighter by 10 each, at times in hundredths of a second."""
  import av

  with av.open(str(path), "w") as container:
    stream = container.add_stream("mpeg4", rate=25)
    stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
    stream.codec_context.time_base = fractions.Fraction(1, 100)
    for number, tick in enumerate(ticks):
      grey = np.full((24, 32, 3), 10 * number, np.uint8)
      frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
      frame.pts, frame.time_base = tick, fractions.Fraction(1, 100)
      container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
