"""Video files, written and read, of many rates."""

import fractions
import sys

import numpy as np
import pytest

from experiments.audio_video.clips import video_files
from experiments.audio_video.clips import video_writer
from experiments.data import files
from tests.helpers import tiny_clips

pytest.importorskip("av", reason='needs the extra "video"')


def brightness(found):
  return [float(frame.mean()) for frame in found.frames]


def decode(path, start=0.0, end=9.0, **changes):
  form = video_files.Format(**{"short_side": None, **changes})
  return video_files.decode(path, form, start, end)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
  path = tmp_path_factory.mktemp("videos") / "a.mp4"
  tiny_clips.write_video(path, channels=2)
  return path


def test_a_whole_file(video):
  found = decode(video)
  np.testing.assert_allclose(brightness(found), range(0, 100, 10), atol=3)
  assert found.frames[0].shape == (24, 32, 3)
  assert found.remarks == {
    "other number of channels": "audio of 2 channels: mixed to 1"
  }
  time = np.arange(19_200) / 48_000
  expected = 0.5 * np.sin(2 * np.pi * 500 * time)
  # The codec is lossy, and worst at the beginning.
  error = found.audio[1000:19_200, 0] - expected[1000:]
  assert np.sqrt(np.mean(error**2)) < 0.03


def test_a_part_in_another_form(video):
  found = decode(
    video,
    start=0.1,
    end=0.3,
    short_side=12,
    frame_rate=50.0,
    sample_rate=16_000,
    channels=2,
  )
  assert set(found.remarks) == {"other frame rate", "other sample rate"}
  assert found.frames[0].shape == (12, 16, 3)
  # Halfway between two frames the later one counts.
  np.testing.assert_allclose(
    brightness(found), [30, 30, 40, 40, 50, 50, 60, 60, 70, 70], atol=3
  )
  assert found.audio.shape == (3200, 2)
  time = 0.1 + np.arange(3200) / 16_000
  expected = 0.5 * np.sin(2 * np.pi * 500 * time)
  assert np.sqrt(np.mean((found.audio[:, 0] - expected) ** 2)) < 0.03


def test_frames_nearest_in_time():
  nearest = lambda frames, rate, start=0.0, end=9.0: "".join(
    video_files.nearest(frames, rate, (start, end), 0.1)
  )
  frames = [(0.0, "a"), (0.1, "b"), (0.2, "c")]
  assert nearest(frames, 10.0) == "abc"
  assert nearest(frames, 5.0) == "ac"
  gap = [(0.0, "a"), (0.3, "b"), (0.35, "c")]
  assert nearest(gap, 10.0) == "aabbc"
  assert nearest(gap, 10.0, 0.1, 0.3) == "ab"
  assert nearest(gap, 10.0, 0.14, 0.3) == "ab"  # 0.14 and 0.24 seconds
  assert nearest([], 10.0) == ""


def test_a_varying_rate(tmp_path):
  tiny_clips.write_irregular_video(tmp_path / "a.mkv", [0, 4, 8, 28, 32])
  found = decode(tmp_path / "a.mkv")
  assert "variable frame rate" in found.remarks
  expected = [0, 10, 20, 20, 20, 30, 30, 30, 40]
  np.testing.assert_allclose(brightness(found), expected, atol=3)


def test_time_stamps_that_step_back(tmp_path):
  import av

  for name, first in (("a.ts", 0), ("b.ts", 10)):
    with av.open(str(tmp_path / name), "w") as container:
      stream = container.add_stream("mpeg2video", rate=25)
      stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
      for number in range(first, first + 4):
        frame = tiny_clips.grey(number)
        frame = av.VideoFrame.from_ndarray(frame, format="rgb24")
        container.mux(stream.encode(frame))
      container.mux(stream.encode(None))
  joined = [(tmp_path / name).read_bytes() for name in ("a.ts", "b.ts")]
  (tmp_path / "c.ts").write_bytes(b"".join(joined))
  found = decode(tmp_path / "c.ts")
  assert "frames out of order" in found.remarks
  np.testing.assert_allclose(brightness(found), [0, 10, 20, 30], atol=4)


# -------------------------------------------------------- streams that change


def test_audio_that_turns_from_stereo_to_mono(tmp_path):
  ticks = range(0, 80, 4)
  frames = [(tick, tiny_clips.grey(i)) for i, tick in enumerate(ticks)]
  half = 1152 * 16  # samples, 0.384 seconds
  one = tiny_clips.tone(half, channels=1)
  audio = [(0, one.repeat(2, axis=1)), (38, one)]
  tiny_clips.write_changing_video(tmp_path / "a.mkv", frames, audio)
  found = decode(tmp_path / "a.mkv")
  assert "audio that changes" in found.remarks
  assert found.audio.shape[1] == 1
  error = found.audio[:17_000, 0] - one[:17_000, 0]
  assert np.sqrt(np.mean(error**2)) < 0.03
  loud = np.sqrt(np.mean(found.audio[20_000:35_000] ** 2))
  assert loud == pytest.approx(0.5 / np.sqrt(2), abs=0.01)
  wide = decode(tmp_path / "a.mkv", channels=2)
  assert wide.audio.shape == (len(found.audio), 2)


def test_gaps_in_the_audio_are_silent(tmp_path):
  frames = [(tick, tiny_clips.grey(0)) for tick in range(0, 100, 4)]
  run = tiny_clips.tone(1152 * 8)  # 0.192 seconds
  audio = [(10, run), (60, run)]
  tiny_clips.write_changing_video(tmp_path / "a.mkv", frames, audio)
  found = decode(tmp_path / "a.mkv")
  assert "1 gaps" in found.remarks["gaps in the audio"]
  loud = lambda start, end: float(
    np.abs(found.audio[round(48e3 * start) : round(48e3 * end)]).max()
  )
  assert loud(0, 0.08) == 0
  assert loud(0.14, 0.26) > 0.4
  assert loud(0.34, 0.57) == 0
  assert loud(0.65, 0.75) > 0.4
  assert len(found.audio) == pytest.approx(48e3 * 0.792, abs=2400)


def test_frames_that_change_their_size(tmp_path):
  sizes = [(24, 32), (24, 32), (48, 64), (36, 36)]
  frames = [(4 * i, tiny_clips.grey(i, x)) for i, x in enumerate(sizes)]
  tiny_clips.write_changing_video(tmp_path / "a.mkv", frames)
  found = decode(tmp_path / "a.mkv")
  assert {frame.shape for frame in found.frames} == {(24, 32, 3)}
  assert "frames of several sizes" in found.remarks
  np.testing.assert_allclose(brightness(found), [0, 10, 20, 30], atol=3)


def test_whatever_pyav_raises_names_the_file(video, monkeypatch):
  def fail(*arguments, **options):
    raise ZeroDivisionError

  monkeypatch.setattr(video_files, "nearest", fail)
  message = r"a\.mp4: it cannot be decoded: ZeroDivisionError"
  with pytest.raises(files.InputError, match=message):
    decode(video)


# --------------------------------------------------------------------- display


CORNERS = np.zeros((24, 32, 3), np.uint8)
CORNERS[:12] = 200
CORNERS[:, :16] //= 2  # quarters of 100, 200, 0 and 0


@pytest.mark.parametrize(
  ("matrix", "expected"),
  [
    ((1, 0, 0, 1), [[100, 200], [0, 0]]),
    ((0, 1, -1, 0), [[0, 100], [0, 200]]),  # to the right
    ((-1, 0, 0, -1), [[0, 0], [200, 100]]),
    ((0, -1, 1, 0), [[200, 0], [100, 0]]),  # to the left
    ((-1, 0, 0, 1), [[200, 100], [0, 0]]),  # mirrored
  ],
)
def test_the_display_matrix(tmp_path, matrix, expected):
  video_writer.write(tmp_path / "a.mp4", np.stack([CORNERS] * 2), 25.0)
  tiny_clips.turn_video(tmp_path / "a.mp4", *matrix)
  found = decode(tmp_path / "a.mp4", short_side=12)
  shape = (12, 16, 3) if matrix[0] else (16, 12, 3)
  assert {frame.shape for frame in found.frames} == {shape}
  height, width = shape[:2]
  rows, columns = [height // 4, -(height // 4)], [width // 4, -(width // 4)]
  quarters = found.frames[0][np.ix_(rows, columns)][..., 0]
  np.testing.assert_allclose(quarters, expected, atol=12)
  assert ("turned" in found.remarks) == (matrix != (1, 0, 0, 1))


def test_wide_pixels(tmp_path):
  import av

  with av.open(str(tmp_path / "a.mkv"), "w") as container:
    stream = container.add_stream("mpeg4", rate=25)
    stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
    stream.sample_aspect_ratio = fractions.Fraction(2, 1)
    frame = av.VideoFrame.from_ndarray(CORNERS, format="rgb24")
    container.mux([*stream.encode(frame), *stream.encode(None)])
  assert decode(tmp_path / "a.mkv").frames[0].shape == (24, 64, 3)


def test_the_best_video_is_taken(tmp_path):
  import av

  with av.open(str(tmp_path / "a.mkv"), "w") as container:
    streams = []
    for width, height in ((32, 24), (64, 48)):
      stream = container.add_stream("mpeg4", rate=25)
      stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
      streams.append(stream)
    for stream in streams:
      image = tiny_clips.grey(9, (stream.height, stream.width))
      frame = av.VideoFrame.from_ndarray(image, format="rgb24")
      container.mux([*stream.encode(frame), *stream.encode(None)])
  assert decode(tmp_path / "a.mkv").frames[0].shape == (48, 64, 3)


def test_a_file_without_audio(tmp_path):
  tiny_clips.write_video(tmp_path / "a.mp4", audio=False, rate=10.0)
  found = decode(tmp_path / "a.mp4", frame_rate=20.0)
  assert found.audio is None
  assert len(found.frames) == 8
  np.testing.assert_allclose(brightness(found)[:4], [0, 10, 10, 20], atol=3)


def test_odd_sizes_are_rounded_up(tmp_path):
  frames = np.full((2, 15, 17, 3), 90, np.uint8)
  video_writer.write(tmp_path / "a.mp4", frames, 25.0)
  assert decode(tmp_path / "a.mp4").frames[0].shape == (16, 18, 3)


@pytest.mark.parametrize(
  ("content", "message"),
  [(b"no video at all", "cannot be decoded"), (None, "cannot be decoded")],
)
def test_damaged_and_missing_files(tmp_path, content, message):
  if content is not None:
    (tmp_path / "a.mp4").write_bytes(content)
  with pytest.raises(files.InputError, match=message):
    decode(tmp_path / "a.mp4")


def test_a_start_behind_the_end(video):
  with pytest.raises(files.InputError, match="no frames after 3 seconds"):
    decode(video, start=3.0, end=4.0)
  with pytest.raises(files.InputError, match="from 1 to 1 seconds is empty"):
    decode(video, start=1.0, end=1.0)


def test_impossible_formats_are_refused():
  with pytest.raises(ValueError, match="short_side is -1; expected at least 1"):
    video_files.Format(short_side=-1)


def test_without_pyav(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, "av", None)
  with pytest.raises(files.InputError, match=r"need PyAV.*\[video\]"):
    decode(tmp_path / "a.mp4")
