"""Changes that augmentation makes, and those that it does not."""

import dataclasses

import numpy as np
import pytest

from experiments.optical_flow import examples
from experiments.optical_flow.augmentation import augment
from tests.helpers import tiny_flow

CONFIG = augment.AugmentationConfig(box_sides=(3, 5), crop_margin=2)
# Bases for one kind of change at a time.
NOTHING = dataclasses.replace(
  CONFIG,
  brightness=0.0,
  contrast=0.0,
  saturation=0.0,
  hue=0.0,
  asymmetric_rate=0.0,
  spatial_rate=0.0,
  eraser_rate=0.0,
)
TWICE_AS_LARGE = dataclasses.replace(
  NOTHING,
  spatial_rate=1.0,
  stretch_rate=0.0,
  log_scale=(1.0, 1.0),
  horizontal_flip_rate=0.0,
  vertical_flip_rate=0.0,
)


def augmented(config, seed=0, *, index=1, size=tiny_flow.SIZE, strength=1.0):
  example = tiny_flow.Translations()[index]
  return example, augment.augment(
    example,
    np.random.default_rng(seed),
    size=size,
    config=config,
    strength=strength,
  )


def test_no_strength_changes_nothing():
  for seed in range(10):
    before, after = augmented(CONFIG, seed, strength=0.0)
    np.testing.assert_array_equal(after.frames, before.frames)
    np.testing.assert_array_equal(after.flow, before.flow)
    assert after.valid.all()


def test_all_randomness_comes_from_the_generator():
  checksum = lambda seed: augmented(CONFIG, seed)[1].frames.tobytes()
  assert checksum(3) == checksum(3)
  assert len({checksum(seed) for seed in range(20)}) == 20


def test_crops_go_to_both_edges():
  found = set()
  for seed in range(200):
    before, after = augmented(NOTHING, seed, size=(15, 20))
    for top in range(2):
      for left in range(5):
        part = before.frames[:, top : top + 15, left : left + 20]
        if np.array_equal(part, after.frames):
          found.add((top, left))
  assert found == {(y, x) for y in range(2) for x in range(5)}


def test_small_frames_are_enlarged():
  _, after = augmented(NOTHING, size=(32, 48))
  np.testing.assert_allclose(
    after.flow, np.broadcast_to([2.0, -2.0], (32, 48, 2)), rtol=1e-6
  )


def test_flow_follows_scale_and_flips():
  config = dataclasses.replace(
    TWICE_AS_LARGE, horizontal_flip_rate=0.5, vertical_flip_rate=0.5
  )
  found = set()
  for seed in range(40):
    _, after = augmented(config, seed)
    assert np.ptp(after.flow, axis=(0, 1)).max() < 1e-4
    found.add(tuple(np.round(after.flow[0, 0], 4).tolist()))
  # 1 to the right and 1 up, twice as large, flipped in every way.
  assert found == {(2, -2), (-2, -2), (2, 2), (-2, 2)}


def test_stretch_stays_in_its_range():
  config = dataclasses.replace(
    TWICE_AS_LARGE, stretch_rate=1.0, log_stretch=0.5
  )
  flows = np.array(
    [augmented(config, seed)[1].flow[0, 0] for seed in range(60)]
  )
  found = np.log2(np.abs(flows))
  assert found.min() > 0.5
  assert found.max() < 1.5
  assert np.ptp(found[:, 0] - found[:, 1]) > 0.8


def test_half_the_strength_is_half_the_range():
  examples = [
    augmented(TWICE_AS_LARGE, seed, strength=0.5)[1] for seed in range(40)
  ]
  found = {round(float(example.flow[0, 0, 0]), 3) for example in examples}
  assert found == {1.0, 1.414}  # half of the pairs, by the root of 2


def test_colours_of_both_frames_change_alike():
  config = dataclasses.replace(NOTHING, brightness=0.4)
  example = examples.FlowExample(
    name="grey",
    frames=np.full((2, 4, 4, 3), 100, np.uint8),
    flow=np.zeros((4, 4, 2), np.float32),
    valid=np.ones((4, 4), bool),
  )

  def levels(config):
    found = [
      augment.augment(
        example, np.random.default_rng(seed), size=(4, 4), config=config
      ).frames[:, 0, 0, 0]
      for seed in range(40)
    ]
    return np.array(found, int)

  together = levels(config)
  assert np.array_equal(together[:, 0], together[:, 1])
  assert together.min() >= 60
  assert together.max() <= 140
  assert np.ptp(together) > 60
  apart = levels(dataclasses.replace(config, asymmetric_rate=1.0))
  assert np.mean(apart[:, 0] != apart[:, 1]) > 0.9


def colours(pixels, **changes):
  settings = {
    "brightness": 1.0,
    "contrast": 1.0,
    "saturation": 1.0,
    "hue_shift": 0.0,
    "mean": np.array([10.0, 20.0, 30.0]),
    **changes,
  }
  matrix, offset = augment.colour_map(**settings)
  return np.array(pixels, np.float64) @ matrix + offset


def test_colour_maps():
  pixel = [100.0, 50.0, 25.0]
  np.testing.assert_allclose(colours(pixel), pixel, rtol=1e-5)
  np.testing.assert_allclose(
    colours(pixel, brightness=0.5), [50, 25, 12.5], rtol=1e-5
  )
  # The mean's grey is 0.299 · 10 + 0.587 · 20 + 0.114 · 30 = 18.15.
  np.testing.assert_allclose(
    colours(pixel, contrast=0.5), [59.075, 34.075, 21.575], rtol=1e-4
  )
  # The pixel's own is 62.1.
  np.testing.assert_allclose(
    colours(pixel, saturation=0.0), [62.1] * 3, rtol=1e-4
  )
  np.testing.assert_allclose(
    colours(pixel, brightness=2.0, contrast=0.5),
    np.add([100, 50, 25], 18.15),
    rtol=1e-4,
  )


def test_a_shift_of_hue_keeps_grey_and_luma():
  np.testing.assert_allclose(
    colours([80, 80, 80], hue_shift=0.3), [80, 80, 80], rtol=1e-3
  )
  luma = np.array([0.299, 0.587, 0.114])
  shifted = colours([100, 50, 25], hue_shift=0.3)
  np.testing.assert_allclose(shifted @ luma, 62.1, rtol=1e-3)
  back = colours(shifted, hue_shift=-0.3)
  np.testing.assert_allclose(back, [100, 50, 25], rtol=1e-3)
  assert np.abs(shifted - [100, 50, 25]).max() > 10


def test_the_eraser_fills_boxes_of_the_second_frame():
  config = dataclasses.replace(NOTHING, eraser_rate=1.0, max_boxes=1)
  for seed in range(20):
    before, after = augmented(config, seed)
    np.testing.assert_array_equal(after.frames[0], before.frames[0])
    changed = (after.frames[1] != before.frames[1]).any(axis=-1)
    rows, columns = np.nonzero(changed)
    assert np.ptp(rows) < 5
    assert np.ptp(columns) < 5
    mean = np.rint(before.frames[1].mean(axis=(0, 1)))
    np.testing.assert_array_equal(
      after.frames[1][changed], np.broadcast_to(mean, (changed.sum(), 3))
    )
    np.testing.assert_array_equal(after.flow, before.flow)


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"eraser_rate": 1.5}, r"eraser_rate is 1.5; expected \[0, 1\]"),
    ({"contrast": -0.1}, r"contrast is -0.1; expected \[0, 1\]"),
    ({"log_scale": (1.0, 0.5)}, r"log_scale is \(1.0, 0.5\)"),
    ({"max_boxes": 0}, "max_boxes is 0; expected at least 1"),
  ],
)
def test_impossible_settings_are_refused(changes, message):
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(CONFIG, **changes)
