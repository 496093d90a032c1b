"""Metrics of optical flow, compared with literals."""

import numpy as np
import pytest

from experiments.optical_flow import examples
from experiments.optical_flow import flow_metrics


def example(flow, valid=None, occluded=None):
  flow = np.float32(flow)
  size = flow.shape[:2]
  return examples.FlowExample(
    name="a",
    frames=np.zeros((2, *size, 3), np.uint8),
    flow=flow,
    valid=np.ones(size, bool) if valid is None else np.array(valid),
    occluded=None if occluded is None else np.array(occluded),
  )


def test_the_end_point_error():
  truth = np.float32([[(1, 2), (0, 0)], [(-3, 4), (5, 5)]])
  flow = np.float32([[(1, 2), (3, 4)], [(-3, 2.5), (5, 5)]])
  error = flow_metrics.end_point_error(flow, truth)
  np.testing.assert_allclose(error, [[0, 5], [1.5, 0]])


def test_outliers_have_errors_of_three_pixels_and_five_percent():
  truth = np.float32([[(0, 0), (0, 0), (100, 0), (100, 0), (60, 0), (0, 61)]])
  flow = truth.copy()
  flow[0, :, 0] += [3, 3.01, 4.9, 5.1, 3, 3.04]
  expected = [[False, True, False, True, False, False]]
  assert flow_metrics.outliers(flow, truth).tolist() == expected


def test_one_example():
  truth = [[(0, 0), (0, 8), (30, 0), (0, 50), (9, 9)]]
  flow = np.float32([[(0.5, 0), (2, 8), (30, 4), (0, 44), (0, 0)]])
  metrics = flow_metrics.FlowMetrics()
  valid = [[True, True, True, True, False]]
  occluded = [[False, True, False, True, True]]
  metrics.add(flow, example(truth, valid, occluded))
  # Errors: 0.5, 2, 4, 6 pixels; the last pixel does not count.
  assert metrics.results() == pytest.approx(
    {
      "epe": 12.5 / 4,
      "epe_by_image": 12.5 / 4,
      "fl_all": 2 / 4,  # 4 of 30, and 6 of 50
      "within_1px": 1 / 4,
      "within_3px": 2 / 4,
      "within_5px": 3 / 4,
      "epe_s0-10": 2.5 / 2,
      "epe_s10-40": 4,
      "epe_s40+": 6,
      "epe_occluded": 8 / 2,
      "epe_visible": 4.5 / 2,
    }
  )
  assert (metrics.num_examples, metrics.num_pixels) == (1, 4)


def test_all_pixels_have_equal_weights():
  metrics = flow_metrics.FlowMetrics()
  one, three = np.zeros((1, 1, 2)), np.zeros((1, 3, 2))
  metrics.add(one, example([[(0, 4)]]))
  metrics.add(three, example([[(8, 0), (0, 8), (0, 8)]]))
  found = metrics.results()
  assert found["epe"] == pytest.approx((4 + 24) / 4)
  assert found["epe_by_image"] == pytest.approx((4 + 8) / 2)


@pytest.mark.parametrize(
  ("speed", "name"),
  [
    (0, "s0-10"),
    (9.99, "s0-10"),
    (10, "s10-40"),
    (39.99, "s10-40"),
    (40, "s40+"),
    (700, "s40+"),
  ],
)
def test_pixels_by_speed(speed, name):
  metrics = flow_metrics.FlowMetrics()
  metrics.add(np.float32([[(speed, 1)]]), example([[(speed, 0)]]))
  kinds = {key for key in metrics.results() if key.startswith("epe_s")}
  assert kinds == {f"epe_{name}"}


def test_limits_are_exclusive():
  metrics = flow_metrics.FlowMetrics()
  flow = np.float32([[(1, 0), (3, 0), (5, 0), (0.99, 0)]])
  metrics.add(flow, example(np.zeros((1, 4, 2))))
  found = metrics.results()
  assert found["within_1px"] == 1 / 4
  assert found["within_3px"] == 2 / 4
  assert found["within_5px"] == 3 / 4


def test_means_over_no_pixels_are_left_out():
  metrics = flow_metrics.FlowMetrics()
  assert metrics.results() == {}
  metrics.add(np.zeros((1, 1, 2)), example([[(1, 0)]], [[False]]))
  assert metrics.results() == {}
  assert (metrics.num_examples, metrics.num_pixels) == (1, 0)
  metrics.add(np.zeros((1, 1, 2)), example([[(1, 0)]]))
  assert "epe_occluded" not in metrics.results()
  metrics.add(np.zeros((1, 1, 2)), example([[(1, 0)]], None, [[True]]))
  assert metrics.results()["epe_occluded"] == 1
  assert "epe_visible" not in metrics.results()


def test_invalid_pixels_change_nothing():
  generator = np.random.default_rng(0)
  truth = generator.normal(0, 20, (6, 7, 2)).astype(np.float32)
  flow = generator.normal(0, 20, (6, 7, 2)).astype(np.float32)
  valid = generator.random((6, 7)) < 0.5
  found = []
  for value in (0, 1e6):
    metrics = flow_metrics.FlowMetrics()
    metrics.add(np.where(valid[..., None], flow, value), example(truth, valid))
    found.append(metrics.results())
  assert found[0] == found[1]


@pytest.mark.parametrize(
  ("flow", "message"),
  [
    (np.zeros((1, 2, 2)), r"a: .* shape \(1, 2, 2\); expected \(1, 1, 2\)"),
    (np.full((1, 1, 2), np.nan), "a: the estimated flow is not finite"),
  ],
)
def test_impossible_estimates_are_refused(flow, message):
  with pytest.raises(ValueError, match=message):
    flow_metrics.FlowMetrics().add(flow, example([[(0, 0)]]))
