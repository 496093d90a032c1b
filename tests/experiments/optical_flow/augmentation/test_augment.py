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
  horizontal_flip_rate=0.0,
  vertical_flip_rate=0.0,
  eraser_rate=0.0,
)
TWICE_AS_LARGE = dataclasses.replace(
  NOTHING,
  spatial_rate=1.0,
  stretch_rate=0.0,
  log_scale=(1.0, 1.0),
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


def test_flips_are_independent_of_one_another_and_of_scaling():
  """AutoFlow's rates: 0.5 and 0.1, also where nothing is scaled."""
  for scaled in (0.0, 1.0):
    config = dataclasses.replace(NOTHING, spatial_rate=scaled)
    config = dataclasses.replace(
      config, horizontal_flip_rate=0.5, vertical_flip_rate=0.1
    )
    flows = np.array(
      [
        augmented(config, seed, size=(4, 4))[1].flow[0, 0]
        for seed in range(600)
      ]
    )
    left, down = flows[:, 0] < 0, flows[:, 1] > 0
    assert np.mean(left) == pytest.approx(0.5, abs=0.07)
    assert np.mean(down) == pytest.approx(0.1, abs=0.04)
    assert np.mean(left & down) == pytest.approx(0.05, abs=0.03)


def test_saturation_and_hue_are_those_of_opencv():
  """With values beyond white, as brightness makes them."""
  cv2 = pytest.importorskip("cv2", reason='needs the extra "video"')
  generator = np.random.default_rng(0)
  pixels = generator.uniform(0, 300, (40, 50, 3)).astype(np.float32)
  pixels[:4] = pixels[:4, :, :1]  # greys
  pixels[4] = 0
  for saturation, shift in ((0.6, 0.159), (1.4, -0.1), (1.0, 0.5), (0.0, 0.2)):
    hsv = cv2.cvtColor(pixels / 300, cv2.COLOR_RGB2HSV)  # degrees, 0-1, 0-1
    hsv[..., 0] = (hsv[..., 0] + 360 * shift) % 360
    hsv[..., 1] = np.clip(hsv[..., 1] * saturation, 0, 1)
    expected = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 300
    found = augment.adjust_saturation_and_hue(
      pixels, np.float32(saturation), np.float32(shift)
    )
    np.testing.assert_allclose(found, expected, atol=2e-2)


def test_contrast_is_around_the_mean_of_each_channel():
  config = dataclasses.replace(NOTHING, contrast=1.0)
  generator = np.random.default_rng(1)
  frames = generator.integers(100, 156, (2, 8, 8, 3), np.uint8)
  frames[..., 1] -= 60
  example = examples.FlowExample(
    name="noise",
    frames=frames,
    flow=np.zeros((8, 8, 2), np.float32),
    valid=np.ones((8, 8), bool),
  )
  contrasts = []
  for seed in range(5):
    generator = np.random.default_rng(seed)
    found = augment.augment(example, generator, size=(8, 8), config=config)
    deviations = found.frames.std(axis=(0, 1, 2)) / frames.std(axis=(0, 1, 2))
    contrasts.append(deviations[0])
    np.testing.assert_allclose(deviations, deviations[0], rtol=0.05, atol=0.02)
    mean = found.frames.mean(axis=(0, 1, 2))
    np.testing.assert_allclose(mean, frames.mean(axis=(0, 1, 2)), atol=0.5)
  assert np.ptp(contrasts) > 0.3


def test_boxes_are_erased_before_scale_and_crop():
  """Enlarged twice, a box has twice the sides; in some crops there is none."""
  config = dataclasses.replace(
    TWICE_AS_LARGE, eraser_rate=1.0, max_boxes=1, box_sides=(5, 5)
  )
  frame = tiny_flow.Translations()[1].frames[1]
  mean = np.rint(frame.mean(axis=(0, 1)))
  areas = []
  for seed in range(60):
    _, after = augmented(config, seed)
    areas.append(int(np.all(after.frames[1] == mean, axis=-1).sum()))
  assert max(areas) > 5 * 5
  assert min(areas) == 0


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
