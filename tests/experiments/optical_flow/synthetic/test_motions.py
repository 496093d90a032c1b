import math

import numpy as np
import pytest

from experiments.optical_flow.synthetic import motions

_CENTRE = np.array([10.0, 20.0])
_STILL = motions.about(_CENTRE, np.zeros(2))


def _points(*points):
  return np.array(points, float).T


def _lattice(height, width):
  return np.indices((height, width))[::-1].reshape(2, -1).astype(float)


def test_a_translation_moves_all_points_alike():
  motion = motions.about(_CENTRE, np.array([3.0, -2.0]))
  points = _points((0, 0), (7, 5), (-100, 33))
  moved = motion.displacement(points)
  np.testing.assert_array_equal(moved, _points((3, -2), (3, -2), (3, -2)))
  np.testing.assert_array_equal(motion.inverse(points + moved), points)


def test_a_rotation_is_clockwise_in_the_image():
  motion = motions.about(_CENTRE, np.zeros(2), rotation=math.pi / 2)
  # Points to the right of the centre move below it.
  moved = motion.displacement(_points((14, 20), (10, 20), (10, 14)))
  np.testing.assert_allclose(moved, _points((-4, 4), (0, 0), (6, 6)))


def test_a_zoom_doubles_the_distance_from_its_centre():
  motion = motions.about(_CENTRE, np.array([1.0, 0.0]), zoom=2.0)
  moved = motion.displacement(_points((13, 20), (10, 20), (9, 15)))
  np.testing.assert_allclose(moved, _points((4, 0), (1, 0), (0, -5)))


def test_a_shear_moves_lower_points_to_the_right():
  motion = motions.about(_CENTRE, np.zeros(2), shear=0.5)
  moved = motion.displacement(_points((10, 24), (50, 20), (0, 18)))
  np.testing.assert_allclose(moved, _points((2, 0), (0, 0), (-1, 0)))


def test_affine_motions_are_inverted():
  motion = motions.about(
    _CENTRE, np.array([3.0, 4.0]), rotation=0.4, zoom=1.3, shear=-0.1
  )
  points = _lattice(5, 7)
  there = points + motion.displacement(points)
  np.testing.assert_allclose(motion.inverse(there), points, atol=1e-12)


def test_a_thin_plate_has_the_displacements_of_its_knots():
  displacements = np.array(
    [[1, 0, 0, 0, 2, 0, 0, 0, 0], [0, 0, -1, 0, 1, 0, 0, 0, 3]]
  )
  plate = motions.thin_plate(_STILL, _CENTRE, 30.0, displacements.astype(float))
  knots = _CENTRE[:, None] + 30 * (_lattice(3, 3) - 1)
  np.testing.assert_allclose(
    plate.displacement(knots), displacements, atol=1e-9
  )


def test_a_thin_plate_with_equal_displacements_is_a_translation():
  displacements = np.repeat([[2.0], [-3.0]], 16, axis=1)
  plate = motions.thin_plate(_STILL, _CENTRE, 8.0, displacements)
  moved = plate.displacement(_points((0, 0), (200, -30)))
  np.testing.assert_allclose(moved, _points((2, -3), (2, -3)), atol=1e-9)


def test_the_affine_motion_follows_the_bend():
  displacements = np.repeat([[2.0], [0.0]], 4, axis=1)
  zoom = motions.about(_CENTRE, np.zeros(2), zoom=2.0)
  plate = motions.thin_plate(zoom, _CENTRE, 5.0, displacements)
  moved = plate.displacement(_points((11, 20)))  # to 13, which is 3 away
  np.testing.assert_allclose(moved, _points((5, 0)), atol=1e-9)


def test_slopes_are_those_of_the_bend():
  displacements = np.random.default_rng(0).uniform(-1, 1, (2, 9))
  plate = motions.thin_plate(_STILL, _CENTRE, 20.0, displacements)
  point, step = _points((14.3, 9.1)), 1e-5
  slopes = [
    plate.bend(point + step * axis) - plate.bend(point - step * axis)
    for axis in (_points((1, 0)), _points((0, 1)))
  ]
  expected = np.sqrt(np.sum(np.square(slopes))) / (2 * step)
  assert plate.steepest(point) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("height", [24, 368])
def test_thin_plates_are_inverted(height):
  config = motions.MotionConfig(thin_plates=1.0, bend=0.2)
  generator = np.random.default_rng(0)
  # Also beyond the frame, for points that move into it.
  points = height * (_lattice(9, 9) / 4 - 0.5)
  for _ in range(50):
    motion = motions.sample(
      config,
      generator,
      centre=generator.uniform(0, height, 2),
      radius=generator.uniform(0.1, 0.7) * height,
      height=height,
    )
    there = points + motion.displacement(points)
    np.testing.assert_allclose(motion.inverse(there), points, atol=1e-3)


def test_no_points_have_no_inverse():
  plate = motions.thin_plate(_STILL, _CENTRE, 5.0, np.zeros((2, 4)))
  assert plate.inverse(np.zeros((2, 0))).shape == (2, 0)


def test_large_displacements_are_reduced_until_nothing_folds():
  displacements = np.zeros((2, 9))
  displacements[0, 4] = 1000.0
  plate = motions.thin_plate(_STILL, _CENTRE, 10.0, displacements)
  centre = plate.displacement(_CENTRE[:, None])[0, 0]
  assert 1 < centre < 10
  line = np.stack([np.linspace(-20, 40, 200), np.full(200, 20.0)])
  assert np.all(np.diff(line[0] + plate.displacement(line)[0]) > 0)


def test_a_plate_that_folds_has_no_inverse():
  displacements = np.zeros((2, 9))
  displacements[0, 4] = 1.0
  plate = motions.thin_plate(_STILL, _CENTRE, 10.0, displacements)
  folded = motions.ThinPlate(
    plate.affine, plate.centre, plate.unit, 1e3 * plate.coefficients
  )
  with pytest.raises(ArithmeticError, match="folds"):
    folded.inverse(_lattice(40, 40))


def _sample(generator, **changes):
  none = {
    "translation": 0,
    "rotation": 0,
    "zoom": 1,
    "shear": 0,
    "thin_plates": 0,
  }
  return motions.sample(
    motions.MotionConfig(**{**none, **changes}),
    generator,
    centre=_CENTRE,
    radius=20.0,
    height=100,
  )


def test_sampled_motions_are_in_their_range_and_mostly_small():
  generator = np.random.default_rng(0)
  sampled = [_sample(generator, translation=0.1) for _ in range(400)]
  lengths = np.array(
    [np.hypot(*x.displacement(_CENTRE[:, None])) for x in sampled]
  )
  assert 9.5 < lengths.max() <= 10
  # The median of u² is a quarter.
  assert np.median(lengths) == pytest.approx(2.5, abs=0.5)


@pytest.mark.parametrize(
  "change", [{"rotation": 30}, {"zoom": 1.5}, {"shear": 0.2}]
)
def test_sampled_motions_have_both_signs(change):
  generator = np.random.default_rng(0)
  beside = _CENTRE[:, None] + np.array([[0.0], [10.0]])
  moved = np.array(
    [_sample(generator, **change).displacement(beside) for _ in range(200)]
  )[..., 0]
  # The rotation by 30° takes (0, 10) to (∓5, 8.66), the zoom to (0, 15) or
  # (0, 6.67), the shear to (±2, 10).
  axis, low, high = {
    "rotation": (0, -5, 5),
    "zoom": (1, -10 / 3, 5),
    "shear": (0, -2, 2),
  }[next(iter(change))]
  assert low <= moved[:, axis].min() < 0.8 * low
  assert 0.8 * high < moved[:, axis].max() <= high


def test_thin_plates_have_their_share():
  generator = np.random.default_rng(0)
  sampled = [_sample(generator, thin_plates=0.25) for _ in range(400)]
  bent = sum(isinstance(x, motions.ThinPlate) for x in sampled)
  assert bent == pytest.approx(100, abs=25)


@pytest.mark.parametrize(
  ("field", "value", "message"),
  [
    ("zoom", 0.5, r"MotionConfig: zoom is 0\.5; expected \[1, 4\]"),
    ("translation", -1.0, "translation is -1.0; expected"),
    ("thin_plates", 1.5, "thin_plates is 1.5; expected"),
    ("knots", 1, r"knots is 1; expected \[2, 8\]"),
    ("rotation", math.nan, "rotation is nan; expected"),
  ],
)
def test_impossible_motions_are_refused(field, value, message):
  with pytest.raises(ValueError, match=message):
    motions.MotionConfig(**{field: value})
