"""Segments of clips, and their augmentation."""

import numpy as np
import pytest

from experiments.audio_video.clips import sampling
from tests.helpers import tiny_clips


def test_a_segment_has_its_own_audio():
  segment = sampling.segment(tiny_clips.clip(), 1, 2)
  assert [frame[0, 0, 0] for frame in segment.frames] == [10, 20]
  np.testing.assert_allclose(segment.audio[:, 0], np.arange(4, 12) / 1000)
  assert segment.labels == (2,)


def test_a_clip_that_is_too_short_is_padded():
  segment = sampling.segment(tiny_clips.clip(), 3, 4)
  assert [frame[0, 0, 0] for frame in segment.frames] == [30, 40, 40, 40]
  np.testing.assert_allclose(
    segment.audio[:, 0], [*np.arange(12, 20) / 1000, *[0] * 8]
  )


def test_segments_outside_the_clip_are_refused():
  with pytest.raises(ValueError, match="frame 5 of 5"):
    sampling.segment(tiny_clips.clip(), 5, 1)


def test_rates_that_do_not_fit_are_refused():
  clip = tiny_clips.clip()._replace(sample_rate=101)
  with pytest.raises(ValueError, match="101 samples and 25 frames"):
    sampling.segment(clip, 0, 1)


def test_regular_starts():
  assert sampling.regular_starts(250, 32, 16)[:3] == [0, 15, 29]
  assert sampling.regular_starts(250, 32, 16)[-1] == 218
  assert sampling.regular_starts(10, 4, 1) == [3]
  assert sampling.regular_starts(3, 4, 3) == [0, 0, 0]


def test_random_starts_reach_both_ends():
  generator = np.random.default_rng(0)
  found = {sampling.random_start(5, 3, generator) for _ in range(50)}
  assert found == {0, 1, 2}
  assert sampling.random_start(2, 3, generator) == 0


def noise(num_frames=3, size=(20, 30)):
  generator = np.random.default_rng(1)
  return generator.integers(0, 256, (num_frames, *size, 3), dtype=np.uint8)


def test_nothing_changes_without_augmentation():
  for size in ((24, 24), (16, 20)):
    frames = noise(size=size)
    generator = np.random.default_rng(0)
    same = sampling.augment(frames, size, generator, sampling.NO_AUGMENTATION)
    np.testing.assert_array_equal(same, frames)


def test_the_central_crop():
  frames = noise(size=(20, 40))
  np.testing.assert_array_equal(
    sampling.centre_crop(frames, (20, 20)), frames[:, :, 10:30]
  )
  assert sampling.centre_crop(frames, (8, 12)).shape == (3, 8, 12, 3)


def test_all_frames_are_augmented_alike():
  frames = np.repeat(noise(1), 4, axis=0)
  config = sampling.AugmentationConfig()
  for seed in range(5):
    found = sampling.augment(
      frames, (12, 16), np.random.default_rng(seed), config
    )
    assert found.shape == (4, 12, 16, 3)
    np.testing.assert_array_equal(found, np.repeat(found[:1], 4, axis=0))
  again = sampling.augment(frames, (12, 16), np.random.default_rng(4), config)
  np.testing.assert_array_equal(again, found)


def test_half_of_the_clips_are_flipped():
  frames = np.zeros((1, 8, 8, 3), np.uint8)
  frames[:, :, 4:] = 200
  only_flip = sampling.AugmentationConfig(
    min_area=1.0,
    max_aspect=1.0,
    brightness=0.0,
    contrast=0.0,
    saturation=0.0,
  )
  generator = np.random.default_rng(0)
  found = [
    sampling.augment(frames, (8, 8), generator, only_flip)[0, 0, 0, 0]
    for _ in range(200)
  ]
  assert set(found) == {0, 200}
  assert 70 < found.count(200) < 130


def test_crops_keep_to_the_frame_and_to_their_ranges():
  generator = np.random.default_rng(0)
  config = sampling.AugmentationConfig(min_area=0.3, max_aspect=1.5)
  areas = []
  for _ in range(300):
    left, top, right, bottom = sampling.random_box(
      (30, 40), (8, 16), generator, config
    )
    assert 0 <= left < right <= 40
    assert 0 <= top < bottom <= 30
    assert 2 / 1.5 <= (right - left) / (bottom - top) <= 2 * 1.5
    areas.append((right - left) * (bottom - top) / 1200)
  assert 0.3 <= min(areas) < 0.35
  assert max(areas) > 0.85


def test_boxes_that_do_not_fit_become_the_central_crop():
  config = sampling.AugmentationConfig(min_area=1.0, max_aspect=1.0)
  box = sampling.random_box((10, 40), (5, 5), np.random.default_rng(0), config)
  assert box == (15, 0, 25, 10)


def one_change(**changes):
  settings = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, **changes}
  return sampling.AugmentationConfig(flip=False, **settings)


def test_colours():
  frames = np.zeros((1, 1, 2, 3), np.uint8)
  frames[0, 0, 0], frames[0, 0, 1] = (100, 100, 100), (200, 100, 0)
  generator = np.random.default_rng(0)
  moved = sampling.recolour(frames, generator, one_change(brightness=0.1))
  change = moved.astype(int) - frames
  assert len(set(change.flat[:5])) == 1
  assert change[0, 0, 0, 0] != 0
  greyer = sampling.recolour(frames, generator, one_change(saturation=1.0))
  np.testing.assert_array_equal(greyer[0, 0, 0], [100, 100, 100])
  assert (greyer[0, 0, 1] != [200, 100, 0]).any()
  flatter = sampling.recolour(frames, generator, one_change(contrast=0.5))
  assert (flatter != frames).any()


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"min_area": 0.0}, "min_area is 0.0"),
    ({"max_aspect": 0.9}, "max_aspect is 0.9"),
    ({"contrast": 1.5}, "contrast is 1.5"),
  ],
)
def test_impossible_amounts(changes, message):
  with pytest.raises(ValueError, match=message):
    sampling.AugmentationConfig(**changes)
