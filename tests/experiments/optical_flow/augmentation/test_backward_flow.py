import numpy as np

from experiments.optical_flow import examples
from experiments.optical_flow.augmentation import backward_flow


def _example(flow, valid=None, occluded=None):
  flow = np.array(flow, np.float32)
  shape = flow.shape[:2]
  frames = np.zeros((2, *shape, 3), np.uint8)
  frames[1] = 9
  if valid is None:
    valid = np.ones(shape, bool)
  flow[~np.array(valid)] = 0
  return examples.FlowExample(
    name="x",
    frames=frames,
    flow=flow,
    valid=np.array(valid),
    occluded=None if occluded is None else np.array(occluded),
  )


# A row of five pixels, whose flow ends at 0, 2, 2, 4 and 9.
_ROW = [[[0, 0], [1, 0], [0, 0], [1, 0], [5, 0]]]


def test_flows_that_end_on_a_pixel_are_averaged():
  back = backward_flow.approximate(_example(_ROW))
  assert back.valid.tolist() == [[True, False, True, False, True]]
  assert back.flow.tolist() == [
    [[0, 0], [0, 0], [-0.5, 0], [0, 0], [-1, 0]],
  ]
  assert back.occluded is None
  assert back.name == "x_backward"
  assert back.frames[0].min() == 9
  assert back.frames[1].max() == 0


def test_flows_end_on_the_nearest_pixel():
  flow = np.zeros((3, 3, 2))
  flow[0, 0] = [1.4, 1.6]
  valid = np.zeros((3, 3), bool)
  valid[0, 0] = True
  back = backward_flow.approximate(_example(flow, valid))
  assert np.argwhere(back.valid).tolist() == [[2, 1]]
  np.testing.assert_allclose(back.flow[2, 1], [-1.4, -1.6], rtol=1e-6)


def test_invalid_flow_is_not_used():
  valid = [[True, False, True, True, True]]
  back = backward_flow.approximate(_example(_ROW, valid))
  assert back.flow[0, 2].tolist() == [0, 0]
  assert back.valid.tolist() == [[True, False, True, False, True]]


def test_flow_of_occluded_pixels_is_not_used():
  occluded = [[False, False, True, False, True]]
  back = backward_flow.approximate(_example(_ROW, occluded=occluded))
  assert back.flow[0, 2].tolist() == [-1, 0]


def test_flow_out_of_the_frame_is_dropped_on_all_sides():
  for step in ([-9, 0], [9, 0], [0, -9], [0, 9], [-2.6, 0]):
    back = backward_flow.approximate(_example([[step] * 2] * 2))
    assert not back.valid.any()
    assert not back.flow.any()


def test_the_backward_flow_of_whole_pixels_is_exact():
  generator = np.random.default_rng(0)
  flow = np.broadcast_to([2, -1], (6, 7, 2))
  valid = generator.uniform(size=(6, 7)) < 0.7
  back = backward_flow.approximate(_example(flow, valid))
  expected = np.zeros((6, 7), bool)
  expected[:5, 2:] = valid[1:, :5]
  np.testing.assert_array_equal(back.valid, expected)
  np.testing.assert_array_equal(
    back.flow, np.where(expected[..., None], [-2, 1], 0)
  )
