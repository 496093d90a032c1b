import numpy as np
import pytest

from experiments.optical_flow.synthetic import shapes


def _box(left, top, right, bottom):
  return np.array(
    [[left, right, right, left], [top, top, bottom, bottom]], float
  )


def test_a_box_covers_its_area():
  covered = shapes.paint(_box(0, 0, 10, 6))
  assert covered.dtype == np.float32
  assert covered.sum() == pytest.approx(60, rel=0.1)
  assert covered.max() == 1
  assert covered.min() == 0


def test_a_hole_is_left_out():
  outline, hole = _box(0, 0, 20, 20), _box(5, 5, 15, 15)
  covered = shapes.paint(outline, hole)
  assert covered[13, 13] == 0
  assert covered[5, 13] == 1
  assert covered.sum() == pytest.approx(300, rel=0.1)


def test_blur_makes_edges_soft_and_keeps_the_area():
  sharp, soft = (shapes.paint(_box(0, 0, 20, 20), blur=b) for b in (0.0, 1.0))

  def between(covered):
    return int(np.sum((covered > 0.02) & (covered < 0.98)))

  assert between(sharp) < between(soft)
  assert soft.sum() == pytest.approx(sharp.sum(), rel=0.02)


def test_drawn_shapes_differ_and_are_empty_along_the_border():
  config = shapes.ShapeConfig()
  drawn = [
    shapes.draw(config, np.random.default_rng(i), height=96) for i in range(60)
  ]
  for covered in drawn:
    border = np.concatenate(
      [covered[0], covered[-1], covered[:, 0], covered[:, -1]]
    )
    assert border.max() == 0
    assert covered.max() > 0.9
    assert covered.min() == 0
    assert covered.max() <= 1
  areas = np.array([x.sum() for x in drawn]) / 96**2
  assert areas.min() < 0.02
  assert areas.max() > 0.25


def test_shapes_have_the_size_that_is_asked_for():
  config = shapes.ShapeConfig(
    min_radius=0.25, max_radius=0.25, irregular=0, flattened=1, holes=0,
    round_shapes=0, max_corners=100,
  )  # fmt: skip
  areas = [
    shapes.draw(config, np.random.default_rng(i), height=200).sum()
    for i in range(20)
  ]
  assert np.median(areas) == pytest.approx(np.pi * 50**2, rel=0.1)


def test_shapes_are_flattened_by_all_ratios_up_to_the_largest():
  config = shapes.ShapeConfig(
    min_radius=0.25, max_radius=0.25, irregular=0, flattened=4, holes=0
  )
  ratios = []
  for i in range(40):
    covered = shapes.draw(config, np.random.default_rng(i), height=120)
    points = np.argwhere(covered > 0.5)
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


def test_holes_are_as_frequent_as_asked_for():
  base = {"min_radius": 0.3, "max_radius": 0.3, "irregular": 0, "flattened": 1}
  for share in (0.0, 1.0):
    config = shapes.ShapeConfig(holes=share, **base)
    covered = shapes.draw(config, np.random.default_rng(0), height=100)
    middle = covered[covered.shape[0] // 2, covered.shape[1] // 2]
    assert middle == 1 - share


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"min_radius": 0.5}, r"ShapeConfig\.min_radius must be between .* 0\.5"),
    ({"max_corners": 2}, "max_corners must be between 3"),
    ({"edge_blur": 3.0}, "edge_blur must be between 0 and 1"),
    ({"irregular": 1.0}, "irregular must be"),
    ({"holes": -0.1}, "holes must be"),
  ],
)
def test_impossible_shapes_are_refused(changes, message):
  with pytest.raises(ValueError, match=message):
    shapes.ShapeConfig(**changes)
