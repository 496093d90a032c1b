import numpy as np
import pytest

from experiments.optical_flow.synthetic import shapes


def _box(left, top, right, bottom):
  return np.array(
    [[left, right, right, left], [top, top, bottom, bottom]], float
  )


def test_a_box_covers_its_area():
  coverage = shapes.rasterise(_box(0, 0, 10, 6))
  assert coverage.dtype == np.float32
  assert coverage.sum() == pytest.approx(60, rel=0.1)
  assert coverage.max() == 1
  assert coverage.min() == 0


def test_a_hole_is_left_out():
  outline, hole = _box(0, 0, 20, 20), _box(5, 5, 15, 15)
  coverage = shapes.rasterise(outline, hole)
  assert coverage[13, 13] == 0
  assert coverage[5, 13] == 1
  assert coverage.sum() == pytest.approx(300, rel=0.1)


def test_blur_makes_edges_soft_and_keeps_the_area():
  sharp, soft = (
    shapes.rasterise(_box(0, 0, 20, 20), blur=b) for b in (0.0, 1.0)
  )

  def between(coverage):
    return int(np.sum((coverage > 0.02) & (coverage < 0.98)))

  assert between(sharp) < between(soft)
  assert soft.sum() == pytest.approx(sharp.sum(), rel=0.02)


def test_sampled_shapes_differ_and_are_empty_along_the_border():
  config = shapes.ShapeConfig()
  sampled = [
    shapes.sample(config, np.random.default_rng(i), height=96)
    for i in range(60)
  ]
  for coverage in sampled:
    border = np.concatenate(
      [coverage[0], coverage[-1], coverage[:, 0], coverage[:, -1]]
    )
    assert border.max() == 0
    assert coverage.max() > 0.9
    assert coverage.min() == 0
    assert coverage.max() <= 1
  areas = np.array([x.sum() for x in sampled]) / 96**2
  assert areas.min() < 0.02
  assert areas.max() > 0.25


def test_shapes_have_the_configured_size():
  config = shapes.ShapeConfig(
    min_radius=0.25, max_radius=0.25, irregular=0, flattened=1, holes=0,
    round_shapes=0, max_corners=100,
  )  # fmt: skip
  areas = [
    shapes.sample(config, np.random.default_rng(i), height=200).sum()
    for i in range(20)
  ]
  assert np.median(areas) == pytest.approx(np.pi * 50**2, rel=0.1)


def test_shapes_are_flattened_by_all_ratios_up_to_the_largest():
  config = shapes.ShapeConfig(
    min_radius=0.25, max_radius=0.25, irregular=0, flattened=4, holes=0
  )
  ratios = []
  for i in range(40):
    coverage = shapes.sample(config, np.random.default_rng(i), height=120)
    points = np.argwhere(coverage > 0.5)
    small, large = np.linalg.eigvalsh(np.cov(points.T))
    ratios.append(np.sqrt(large / small))
  assert min(ratios) < 1.4
  assert 3 < max(ratios) < 5.5
  assert 1.5 < np.median(ratios) < 2.7


def test_round_shapes_pass_through_their_corners():
  corners = np.array([[1.0, 0.0, -1.0], [0.0, 2.0, 0.0]])
  curve = shapes._rounded(corners)
  assert curve.shape == (2, 36)
  np.testing.assert_allclose(curve[:, ::12], corners)
  # Between two corners, symmetric about their middle.
  assert curve[0, 30] == pytest.approx(0)
  assert curve[1, 30] < -0.2


def test_holes_have_their_share():
  base = {"min_radius": 0.3, "max_radius": 0.3, "irregular": 0, "flattened": 1}
  for share in (0.0, 1.0):
    config = shapes.ShapeConfig(holes=share, **base)
    coverage = shapes.sample(config, np.random.default_rng(0), height=100)
    middle = coverage[coverage.shape[0] // 2, coverage.shape[1] // 2]
    assert middle == 1 - share


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    (
      {"min_radius": 0.5},
      r"ShapeConfig: min_radius is 0\.5; expected \[0",
    ),
    ({"max_corners": 2}, r"max_corners is 2; expected \[3, 100\]"),
    ({"edge_blur": 3.0}, r"edge_blur is 3.0; expected \[0, 1\]"),
    ({"irregular": 1.0}, "irregular is 1.0"),
    ({"holes": -0.1}, "holes is -0.1"),
  ],
)
def test_impossible_shapes_are_refused(changes, message):
  with pytest.raises(ValueError, match=message):
    shapes.ShapeConfig(**changes)
