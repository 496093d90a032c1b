"""Video files, written and read, of many rates."""

import sys

import numpy as np
import pytest

from experiments.audio_video.clips import video_files
from experiments.data import files
from tests.helpers import tiny_clips

pytest.importorskip("av", reason='needs the extra "video"')


def brightness(found):
  return [float(frame.mean()) for frame in found.frames]


def decode(path, **changes):
  return video_files.decode(path, video_files.DecodeConfig(**changes))


@pytest.fixture(scope="module")
def video(tmp_path_factory):
  path = tmp_path_factory.mktemp("videos") / "a.mp4"
  tiny_clips.write_video(path, channels=2)
  return path


def test_a_whole_file(video):
  found = decode(video)
  np.testing.assert_allclose(brightness(found), range(0, 100, 10), atol=3)
  np.testing.assert_allclose(found.times, np.arange(10) / 25)
  assert found.frames[0].shape == (24, 32, 3)
  assert (found.frame_rate, found.is_regular) == (25, True)
  assert (found.sample_rate, found.source_rate) == (48_000, 48_000)
  assert found.source_channels == 2
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
  np.testing.assert_allclose(found.times, np.arange(5, 15) / 50)
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
  whole = video_files.DecodeConfig()
  frames = [(0.0, "a"), (0.1, "b"), (0.2, "c")]
  regular = list(video_files.nearest(frames, 10.0, 0.1, whole))
  assert regular == frames
  fewer = list(video_files.nearest(frames, 5.0, 0.1, whole))
  assert fewer == [(0.0, "a"), (0.2, "c")]
  gap = [(0.0, "a"), (0.3, "b"), (0.35, "c")]
  found = [name for _, name in video_files.nearest(gap, 10.0, 0.1, whole)]
  assert found == ["a", "a", "b", "b", "c"]
  late = video_files.DecodeConfig(start=0.1, end=0.3)
  found = list(video_files.nearest(gap, 10.0, 0.1, late))
  assert found == [(0.1, "a"), (0.2, "b")]
  assert not list(video_files.nearest([], 10.0, 0.1, whole))


def test_a_varying_rate(tmp_path):
  tiny_clips.write_irregular_video(tmp_path / "a.mkv", [0, 4, 8, 28, 32])
  found = decode(tmp_path / "a.mkv", frame_rate=25.0)
  assert not found.is_regular
  expected = [0, 10, 20, 20, 20, 30, 30, 30, 40]
  assert len(found.frames) >= len(expected)
  np.testing.assert_allclose(brightness(found)[:9], expected, atol=3)


def test_a_file_without_audio(tmp_path):
  tiny_clips.write_video(tmp_path / "a.mp4", audio=False, rate=10.0)
  found = decode(tmp_path / "a.mp4", frame_rate=20.0)
  assert (found.audio, found.sample_rate) == (None, 0)
  assert len(found.frames) == 8
  np.testing.assert_allclose(brightness(found)[:4], [0, 10, 10, 20], atol=3)


def test_odd_sizes_are_rounded_up(tmp_path):
  frames = np.full((2, 15, 17, 3), 90, np.uint8)
  video_files.write(tmp_path / "a.mp4", frames, 25.0)
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
  with pytest.raises(ValueError, match="start is 1"):
    video_files.DecodeConfig(start=1.0, end=1.0)


def test_without_pyav(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, "av", None)
  with pytest.raises(files.InputError, match='the extra "video"'):
    decode(tmp_path / "a.mp4")
