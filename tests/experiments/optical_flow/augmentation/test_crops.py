"""Scaled, cropped and flipped flow is exact."""

import numpy as np
import pytest

from experiments.optical_flow import examples
from experiments.optical_flow.augmentation import crops


def example(flow, valid=None):
  """Returns an example with a flow, and frames whose red is the column."""
  height, width = flow.shape[:2]
  columns = np.broadcast_to(np.arange(width, dtype=np.uint8), (height, width))
  rows = np.broadcast_to(
    np.arange(height, dtype=np.uint8)[:, None], (height, width)
  )
  frame = np.stack([columns, rows, rows + columns], axis=-1)
  return examples.FlowExample(
    name="slope",
    frames=np.stack([frame, frame + np.uint8(100)]),
    flow=flow.astype(np.float32),
    valid=np.ones((height, width), bool) if valid is None else valid,
  )


def slope(height=8, width=12):
  """Returns flow 2 + x / 2 to the right and y / 4 - 1 downwards."""
  y, x = np.indices((height, width))
  return np.stack([2 + x / 2, y / 4 - 1], axis=-1)


def test_the_whole_frame_is_unchanged():
  before = example(slope())
  after = crops.apply(before, crops.Crop(), (8, 12))
  np.testing.assert_array_equal(after.frames, before.frames)
  np.testing.assert_array_equal(after.flow, before.flow)
  assert after.valid.all()
  assert after.name == "slope"


def test_a_crop_is_a_slice():
  before = example(slope())
  after = crops.apply(before, crops.Crop(start=(2, 5)), (4, 6))
  np.testing.assert_array_equal(after.frames, before.frames[:, 2:6, 5:11])
  np.testing.assert_array_equal(after.flow, before.flow[2:6, 5:11])


def test_a_horizontal_flip_negates_the_flow_to_the_right():
  before = example(slope())
  after = crops.apply(before, crops.Crop(horizontal_flip=True), (8, 12))
  np.testing.assert_array_equal(after.frames, before.frames[:, :, ::-1])
  # The rightmost pixel, x = 11, went 7.5 to the right and is first now.
  np.testing.assert_array_equal(after.flow[0, 0], [-7.5, -1])
  np.testing.assert_array_equal(after.flow[7, 11], [-2, 0.75])


def test_a_vertical_flip_negates_the_flow_downwards():
  before = example(slope())
  after = crops.apply(before, crops.Crop(vertical_flip=True), (8, 12))
  np.testing.assert_array_equal(after.frames, before.frames[:, ::-1])
  np.testing.assert_array_equal(after.flow[0, 0], [2, -0.75])
  np.testing.assert_array_equal(after.flow[7, 11], [7.5, 1])


def test_twice_the_size_is_twice_the_flow():
  before = example(slope())
  after = crops.apply(before, crops.Crop(scale=(2.0, 2.0)), (16, 24))
  # Pixel 5 of the new frame lies at (5 + 1/2) / 2 - 1/2 = 2.25 of the old one.
  inside = after.flow[1:-1, 1:-1]
  y, x = (np.indices((16, 24))[:, 1:-1, 1:-1] + 0.5) / 2 - 0.5
  np.testing.assert_allclose(inside[..., 0], 2 * (2 + x / 2), atol=1e-5)
  np.testing.assert_allclose(inside[..., 1], 2 * (y / 4 - 1), atol=1e-5)
  assert after.frames[0, 8, 5, 0] == 2  # red is the column


def test_height_and_width_scale_their_own_components():
  before = example(np.broadcast_to([3.0, 5.0], (8, 12, 2)))
  after = crops.apply(before, crops.Crop(scale=(1.0, 1.5)), (8, 18))
  np.testing.assert_allclose(
    after.flow, np.broadcast_to([4.5, 5.0], (8, 18, 2)), rtol=1e-6
  )


def test_the_start_is_counted_after_scaling():
  before = example(slope())
  whole = crops.apply(before, crops.Crop(scale=(2.0, 2.0)), (16, 24))
  part = crops.apply(
    before, crops.Crop(scale=(2.0, 2.0), start=(3, 7)), (10, 11)
  )
  np.testing.assert_allclose(part.flow, whole.flow[3:13, 7:18], atol=1e-5)
  np.testing.assert_array_equal(part.frames, whole.frames[:, 3:13, 7:18])


@pytest.mark.parametrize("scale", [1.0, 2.0, 0.5])
def test_invalid_flow_is_not_interpolated(scale):
  flow = np.zeros((8, 12, 2))
  valid = np.zeros((8, 12), bool)
  valid[2:6, 4:8] = True
  flow[valid] = [3, -2]
  size = (int(8 * scale), int(12 * scale))
  after = crops.apply(
    example(flow, valid), crops.Crop(scale=(scale, scale)), size
  )
  assert after.valid.sum() == 16 * scale**2
  np.testing.assert_allclose(
    after.flow[after.valid],
    np.broadcast_to([3 * scale, -2 * scale], (after.valid.sum(), 2)),
    rtol=1e-5,
  )
  assert not after.flow[~after.valid].any()


def test_values_of_invalid_flow_change_nothing():
  valid = np.arange(96).reshape(8, 12) % 3 > 0
  flow = slope() * valid[..., None]
  crop = crops.Crop(scale=(1.3, 1.7), start=(1, 2), horizontal_flip=True)
  one = crops.apply(example(flow, valid), crop, (8, 12))
  flow[~valid] = 1e6
  other = crops.apply(example(flow, valid), crop, (8, 12))
  np.testing.assert_array_equal(one.flow, other.flow)
  np.testing.assert_array_equal(one.valid, other.valid)
