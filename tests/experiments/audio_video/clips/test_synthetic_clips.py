"""Synthetic clips: properties that depend on the class, and others."""

import colorsys
import pickle

import numpy as np
import pytest

from experiments.audio_video.clips import clips
from experiments.audio_video.clips import events
from experiments.audio_video.clips import synthetic
from tests.helpers import tiny_clips


def pitch(audio):
  """Returns the strongest frequency, cycles per sample."""
  spectrum = np.abs(np.fft.rfft(audio, 8 * len(audio)))
  return int(np.argmax(spectrum)) / (8 * len(audio))


def test_a_clip_depends_on_seed_and_number_alone():
  one, other = (
    tiny_clips.made(),
    tiny_clips.made(num_examples=7),
  )
  np.testing.assert_array_equal(one[3].frames, other[3].frames)
  np.testing.assert_array_equal(one[3].audio, other[3].audio)
  assert (one[3].frames != one[4].frames).any()
  changed = tiny_clips.made(seed=1)[3]
  assert (one[3].frames != changed.frames).any()
  copy = pickle.loads(pickle.dumps(one))
  np.testing.assert_array_equal(copy[3].audio, one[3].audio)


def test_shapes_and_ranges():
  clip = tiny_clips.made(channels=2)[0]
  assert clip.frames.shape == (6, 16, 20, 3)
  assert clip.frames.dtype == np.uint8
  assert clip.audio.shape == (6 * 64, 2)
  assert clip.audio.dtype == np.float32
  assert np.abs(clip.audio).max() <= 1
  assert clips.samples_per_frame(clip) == 64
  assert clip.has_audio


def test_classes_have_pitches():
  source = tiny_clips.made(num_frames=16, num_examples=60, num_classes=5)
  for i in range(20):
    clip = source[i]
    (label,) = clip.labels
    expected = 0.01 * 10 ** (label / 4)
    assert pitch(clip.audio[:, 0]) == pytest.approx(expected, rel=0.1)
  assert {source[i].labels for i in range(60)} == {(n,) for n in range(5)}


def test_classes_have_colours():
  source = tiny_clips.made(size=(32, 32), num_classes=6)
  for i in range(10):
    clip = source[i]
    lit = clip.frames.max(axis=-1) > 190  # brighter than any background
    assert lit.any()
    colour = clip.frames[lit].mean(axis=0) / 255
    hue = colorsys.rgb_to_hsv(*colour)[0]
    away = abs(hue - clip.labels[0] / 6)
    assert min(away, 1 - away) < 0.08


def test_classes_of_one_modality():
  settings = {"num_classes": 3, "audio_only": 1, "video_only": 1}
  source = tiny_clips.made(size=(32, 32), **settings)
  for i in range(20):
    clip = source[i]
    (label,) = clip.labels
    assert (clip.frames > 190).any() == (label != 0)
    assert clip.audio.any() == (label != 1)


def test_several_events_distractors_and_noise():
  source = tiny_clips.made(num_classes=4, events=(0, 3))
  counts = {len(source[i].labels) for i in range(20)}
  assert counts == {0, 1, 2, 3}
  assert all(
    list(source[i].labels) == sorted(set(source[i].labels)) for i in range(20)
  )
  silent = tiny_clips.made(num_classes=1, events=(0, 0))
  assert not silent[0].audio.any()
  hissing = tiny_clips.made(num_classes=1, events=(0, 0), distractors=3)
  assert hissing[0].labels == ()
  assert any(hissing[i].audio.any() for i in range(5))
  noisy = tiny_clips.made(num_classes=1, events=(0, 0), noise=0.1)
  assert noisy[0].audio.std() == pytest.approx(0.1, rel=0.2)


def test_names_of_classes_differ_and_tell_how_they_are_recognised():
  source = tiny_clips.made(num_classes=20, audio_only=2, sample_rate=8000)
  assert source.class_names[0] == "tone of 80 Hz (0)"
  assert source.class_names[10] == "cyan diamond (10)"
  assert len(set(source.class_names)) == 20


def test_ends_of_the_source():
  source = tiny_clips.made(num_examples=2)
  assert len(source) == 2
  assert source.class_names[:3] == (
    "red disc (0)",
    "orange square (1)",
    "yellow diamond (2)",
  )
  with pytest.raises(IndexError):
    source[2]


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"num_examples": 0}, r"num_examples is 0; expected \[1, "),
    ({"channels": 3}, r"channels is 3; expected \[1, 2\]"),
    ({"size": (0, 4)}, r"size is \(0, 4\); expected at least 1"),
    ({"sample_rate": 1601}, "a multiple of the 25 frames"),
    ({"events": (2, 1)}, "two rising numbers"),
    ({"num_classes": 3, "events": (1, 4)}, "between 0 and 3"),
    ({"num_classes": 3, "audio_only": 2, "video_only": 2}, "video_only"),
  ],
)
def test_impossible_configurations(changes, message):
  with pytest.raises(ValueError, match=message):
    synthetic.SyntheticConfig(**changes)


# ---------------------------------------------------------------------- events


def event(**changes):
  settings = {
    "shape": 1,
    "colour": (1.0, 0.0, 0.5),
    "motion": 0,
    "pitch": 0.25,
    "size": 0.25,
    "centre": (0.5, 0.5),
    "reach": 0.25,
    "phase": 0.0,
    "tone_phase": np.pi / 2,
    "loudness": 0.5,
    **changes,
  }
  return events.Event(**settings)


def test_motions():
  # A turn takes two thirds of a second.
  times = np.array([0.0, 1 / 6, 1 / 3])
  side = event().position(times)
  np.testing.assert_allclose(side, [[0.5, 0.75], [0.5, 0.5], [0.5, 0.25]])
  up = event(motion=1).position(times)
  np.testing.assert_allclose(up, [[0.5, 0.5], [0.75, 0.5], [0.5, 0.5]])
  circle = event(motion=2).position(times)
  np.testing.assert_allclose(circle, [[0.5, 0.75], [0.75, 0.5], [0.5, 0.25]])


def test_a_square_is_painted_at_its_position():
  canvas = np.zeros((1, 20, 20, 3))
  events.paint(canvas, event(centre=(0.5, 0.25)), np.zeros(1))
  inside = canvas[0, :, :, 0] == 1
  rows, columns = np.nonzero(inside)
  # Of size 0.85 · 0.25 · 20 = 4.25 pixels around (10, 10).
  assert (rows.min(), rows.max()) == (6, 13)
  assert (columns.min(), columns.max()) == (6, 13)
  np.testing.assert_array_equal(canvas[0, 10, 10], [1, 0, 0.5])


@pytest.mark.parametrize(("shape", "area"), [(0, 3.14), (1, 2.89), (2, 2.88)])
def test_areas_of_shapes(shape, area):
  canvas = np.zeros((1, 200, 200, 3))
  events.paint(canvas, event(shape=shape, reach=0.0), np.zeros(1))
  covered = canvas[..., 0].sum() / (0.25 * 200) ** 2
  assert covered == pytest.approx(area, rel=0.03)


def test_a_ring_has_a_hole():
  canvas = np.zeros((1, 40, 40, 3))
  events.paint(canvas, event(shape=3, reach=0.0), np.zeros(1))
  assert canvas[0, 20, 20, 0] == 0
  assert canvas[0, 20, 27, 0] == 1


def test_loudness_follows_the_position():
  # At the right end, in the middle and at the left end.
  times = np.array([0.0, 0.0, 1 / 6, 0.0, 1 / 3])
  audio = events.synthesise(event(), times, 1, np.random.default_rng(0))
  np.testing.assert_allclose(
    audio[[0, 2, 4], 0], [0.5, -0.5 * 0.6, 0.5 * 0.2], atol=1e-12
  )


def test_stereo_is_panned_by_position():
  times = np.array([0.0, 0.0, 0.0, 0.0, 1 / 3])
  left, right = events.synthesise(event(), times, 2, np.random.default_rng(0)).T
  assert right[0] > left[0] > 0
  assert left[4] > right[4] > 0
