import math

import numpy as np
import pytest

from experiments.optical_flow.synthetic import motions
from experiments.optical_flow.synthetic import scenes

_HEIGHT, _WIDTH = 30, 40
_CENTRE = np.array([20.0, 15.0])
_ORIGIN = np.zeros(2)


def _translation(right, down):
  return motions.about(_ORIGIN, np.array([right, down], float))


def _smooth(height, width):
  """Returns colours that bilinear interpolation gives exactly."""
  y, x = np.indices((height, width))
  return np.stack([4 * x, 5 * y, x + 2 * y], axis=-1).astype(np.float32)


def _background(motion, **changes):
  """Returns a layer for frames that move by up to 20 pixels."""
  image = np.ones((_HEIGHT + 40, _WIDTH + 40, 4), np.float32)
  image[..., :3] = _smooth(_HEIGHT + 40, _WIDTH + 40)
  layer = {"image": image, "pose": _translation(-20, -20), "endless": True}
  return scenes.Layer(**{**layer, "motion": motion, **changes})


def _box(left, top, width, height, motion, grey=255.0):
  """Returns a box on pixels left to left + width - 1, and so on."""
  image = np.zeros((height + 2, width + 2, 4), np.float32)
  image[1:-1, 1:-1] = [grey, grey, grey, 1]
  return scenes.Layer(
    image=image, pose=_translation(left - 1, top - 1), motion=motion
  )


def _scene(*layers, **changes):
  return scenes.Scene(size=(_HEIGHT, _WIDTH), layers=layers, **changes)


def _example(scene, first=0):
  colours, owners = zip(*(scenes.render(scene, i) for i in (0, 1)))
  frames = np.rint(np.clip(colours, 0, 255)).astype(np.uint8)
  return scenes.example(scene, frames, np.stack(owners), "scene", first)


# ------------------------------------------------------------------------- flow


def test_a_translation_is_the_flow_of_all_pixels():
  example = _example(_scene(_background(_translation(3, -2))))
  np.testing.assert_array_equal(example.flow[..., 0], 3)
  np.testing.assert_array_equal(example.flow[..., 1], -2)
  assert example.valid.all()
  # Three columns leave to the right, two rows above.
  expected = np.zeros((_HEIGHT, _WIDTH), bool)
  expected[:2] = expected[:, -3:] = True
  np.testing.assert_array_equal(example.occluded, expected)
  np.testing.assert_array_equal(
    example.frames[1, :-2, 3:], example.frames[0, 2:, :-3]
  )


def test_a_rotation_has_its_flow():
  angle = math.radians(10)
  example = _example(
    _scene(_background(motions.about(_CENTRE, _ORIGIN, rotation=angle)))
  )
  y, x = np.indices((_HEIGHT, _WIDTH)) - np.array([15, 20])[:, None, None]
  cosine, sine = math.cos(angle), math.sin(angle)
  expected = [cosine * x - sine * y - x, sine * x + cosine * y - y]
  np.testing.assert_allclose(example.flow, np.stack(expected, -1), atol=1e-5)


def test_a_zoom_has_its_flow():
  example = _example(
    _scene(_background(motions.about(_CENTRE, _ORIGIN, zoom=1.25)))
  )
  y, x = np.indices((_HEIGHT, _WIDTH)) - np.array([15, 20])[:, None, None]
  expected = np.stack([x / 4, y / 4], axis=-1)
  np.testing.assert_allclose(example.flow, expected, atol=1e-5)


def test_a_thin_plate_has_the_flow_of_its_knots():
  displacements = np.array(
    [[0, 1, 0, 0, 2, 0, 0, 0, 0], [0, 0, 0, 0, -1, 3, 0, 0, 0]]
  )
  plate = motions.thin_plate(
    _translation(1, 0), _CENTRE, 12.0, displacements.astype(float)
  )
  flow = _example(_scene(_background(plate))).flow
  np.testing.assert_allclose(flow[15, 20], [3, -1], atol=1e-5)
  np.testing.assert_allclose(flow[3, 20], [2, 0], atol=1e-5)
  np.testing.assert_allclose(flow[15, 32], [1, 3], atol=1e-5)


_PLATE = motions.thin_plate(
  motions.about(_CENTRE, np.array([2.5, -1.5]), rotation=0.1, zoom=1.1),
  _CENTRE,
  20.0,
  np.random.default_rng(0).uniform(-3, 3, (2, 9)),
)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(
  "motion",
  [
    _translation(2.25, 3.5),
    motions.about(
      _CENTRE, np.array([1.0, 2.0]), rotation=0.2, zoom=0.9, shear=0.1
    ),
    _PLATE,
  ],
)
def test_the_flow_leads_to_the_same_colours(motion, first):
  scene = _scene(_background(motion))
  flow = scenes.flow(scene, np.zeros(scene.size, int), first)
  here, there = (scenes.render(scene, i)[0] for i in (first, 1 - first))
  y, x = np.indices(scene.size) + flow.transpose(2, 0, 1)[::-1]
  inside = (y >= 0) & (y <= _HEIGHT - 1) & (x >= 0) & (x <= _WIDTH - 1)
  assert inside.mean() > 0.6
  rows, columns = np.nonzero(inside)
  y, x = y[inside], x[inside]
  top, left = (np.floor(a).astype(int) for a in (y, x))
  bottom = np.minimum(top + 1, _HEIGHT - 1)
  right = np.minimum(left + 1, _WIDTH - 1)
  y, x = (y - top)[:, None], (x - left)[:, None]
  interpolated = (1 - y) * ((1 - x) * there[top, left] + x * there[top, right])
  interpolated += y * ((1 - x) * there[bottom, left] + x * there[bottom, right])
  # Affine motions of these colours are interpolated exactly; the thin plate is
  # not linear between pixels.
  tolerance = 0.5 if motion is _PLATE else 0.01
  np.testing.assert_allclose(interpolated, here[rows, columns], atol=tolerance)


def test_the_nearest_layer_that_covers_half_a_pixel_owns_it():
  still, right = _translation(0, 0), _translation(5, 0)
  half = _box(2, 2, 6, 6, right)
  half.image[1:-1, 1] *= 0.49
  half.image[1:-1, -2] *= 0.5
  near = _box(5, 5, 10, 4, _translation(0, 1))
  example = _example(_scene(_background(still), half, near))
  expected = np.zeros((_HEIGHT, _WIDTH, 2))
  expected[2:8, 3:8] = [5, 0]
  expected[5:9, 5:15] = [0, 1]
  np.testing.assert_array_equal(example.flow, expected)


def test_colours_are_mixed_where_layers_are_thin():
  box = _box(2, 2, 6, 6, _translation(0, 0), grey=200.0)
  box.image[...] *= 0.25
  image = np.full((9, 9, 4), 100, np.float32)
  image[..., 3] = 1
  scene = _scene(_background(_translation(0, 0), image=image), box)
  colours, owner = scenes.render(scene, 0)
  assert colours[4, 4] == pytest.approx([125, 125, 125])
  assert colours[20, 4] == pytest.approx([100, 100, 100])
  assert not owner.any()


# ------------------------------------------------------------------- occlusions


def test_pixels_that_a_box_moves_over_are_occluded():
  scene = _scene(
    _background(_translation(0, 0)), _box(10, 8, 10, 6, _translation(4, 0))
  )
  expected = np.zeros((_HEIGHT, _WIDTH), bool)
  expected[8:14, 20:24] = True
  np.testing.assert_array_equal(_example(scene).occluded, expected)
  # In backward order, those that it has uncovered.
  expected = np.zeros((_HEIGHT, _WIDTH), bool)
  expected[8:14, 10:14] = True
  np.testing.assert_array_equal(_example(scene, 1).occluded, expected)


def test_the_frame_ends_half_a_pixel_beyond_the_last_centre():
  for right, gone in ((0.49, 0), (0.51, 1), (1.49, 1), (1.51, 2)):
    example = _example(_scene(_background(_translation(right, 0))))
    expected = np.zeros((_HEIGHT, _WIDTH), bool)
    expected[:, _WIDTH - gone :] = True
    np.testing.assert_array_equal(example.occluded, expected)


@pytest.mark.parametrize("first", [0, 1])
def test_occlusions_equal_those_of_boxes_in_integer_pixels(first):
  """Compares with sets of pixels, for boxes that move by whole pixels."""
  generator = np.random.default_rng(3)
  steps = [(2, -1)]
  boxes = []
  for _ in range(6):
    left, top, width, height = generator.integers(
      (0, 0, 4, 4), (35, 25, 20, 15)
    )
    steps.append(tuple(generator.integers(-8, 9, 2).tolist()))
    boxes.append((int(left), int(top), int(width), int(height)))
  layers = [_box(*b, _translation(*w)) for b, w in zip(boxes, steps[1:])]
  scene = _scene(_background(_translation(*steps[0])), *layers)

  owners = []
  for frame in (0, 1):
    owner = np.zeros((_HEIGHT, _WIDTH), int)
    for number, (left, top, width, height) in enumerate(boxes, 1):
      right, down = (frame * step for step in steps[number])
      for y in range(top + down, top + down + height):
        for x in range(left + right, left + right + width):
          if 0 <= y < _HEIGHT and 0 <= x < _WIDTH:
            owner[y, x] = number
    owners.append(owner)
  example = _example(scene, first)
  sign = -1 if first else 1
  for y in range(_HEIGHT):
    for x in range(_WIDTH):
      number = owners[first][y, x]
      right, down = (sign * step for step in steps[number])
      assert example.flow[y, x].tolist() == [right, down]
      there = (y + down, x + right)
      visible = (
        0 <= there[0] < _HEIGHT
        and 0 <= there[1] < _WIDTH
        and owners[1 - first][there] == number
      )
      assert example.occluded[y, x] == (not visible)
  assert 0.1 < example.occluded.mean() < 0.9


# ------------------------------------------------------------ blur, and borders


def test_motion_blur_is_along_the_motion_and_changes_no_flow():
  black = np.zeros((9, 9, 4), np.float32)
  black[..., 3] = 1
  layers = (
    _background(_translation(0, 0), image=black),
    _box(15, 10, 8, 8, _translation(8, 0)),
  )
  sharp, blurred = (_scene(*layers, shutter=s) for s in (0.0, 0.5))
  for frame, left in ((0, 15), (1, 23)):
    colours, owner = scenes.render(blurred, frame)
    row = colours[14, :, 0]
    # Exposed for half of eight pixels: two on either side of each edge.
    assert np.all(row[: left - 3] == 0)
    assert np.all(row[left + 11 :] == 0)
    assert np.all(row[left + 3 : left + 5] == 255)
    assert 0 < row[left - 1] < row[left] < row[left + 1] < 255
    assert row.sum() == pytest.approx(8 * 255, rel=1e-4)
    assert np.all(colours[8] == 0)
    np.testing.assert_array_equal(owner, scenes.render(sharp, frame)[1])
  np.testing.assert_array_equal(_example(blurred).flow, _example(sharp).flow)
  np.testing.assert_array_equal(
    _example(blurred).occluded, _example(sharp).occluded
  )


def test_the_blur_of_the_second_frame_follows_the_motion_too():
  black = np.zeros((9, 9, 4), np.float32)
  black[..., 3] = 1
  scene = _scene(
    _background(_translation(0, 0), image=black),
    _box(15, 4, 8, 8, _translation(0, 8)),
    shutter=0.5,
  )
  colours, _ = scenes.render(scene, 1)
  assert 0 < colours[11, 18, 0] < colours[12, 18, 0] < 255
  assert colours[16, 13, 0] == 0


def test_an_endless_image_is_reflected():
  image = np.ones((2, 3, 4), np.float32)
  image[..., 0] = [[0, 10, 20], [1, 11, 21]]
  layer = _background(_translation(0, 0), image=image, pose=_translation(0, 0))
  colours, _ = scenes.render(_scene(layer), 0)
  assert colours[0, :8, 0].tolist() == [0, 10, 20, 10, 0, 10, 20, 10]
  assert colours[:4, 1, 0].tolist() == [10, 11, 10, 11]
  left = _background(_translation(0, 0), image=image, pose=_translation(3, 0))
  colours, _ = scenes.render(_scene(left), 0)
  assert colours[0, :4, 0].tolist() == [10, 20, 10, 0]


def test_layers_beyond_the_frame_are_not_visible():
  beside = _box(-30, -30, 8, 8, _translation(0, 0))
  behind = _box(60, 5, 8, 8, _translation(-45, 0))
  still = _background(_translation(0, 0))
  example = _example(_scene(still, beside, behind))
  assert not example.flow.any()
  np.testing.assert_array_equal(
    np.argwhere(example.occluded)[[0, -1]], [[5, 15], [12, 22]]
  )


def test_points_are_rendered_independently():
  layer = _background(_PLATE)
  points = np.random.default_rng(0).uniform(0, 30, (2, 10_000))
  values, covered = layer.render(points, 1, 0.7)
  parts = [layer.render(x, 1, 0.7) for x in np.split(points, 100, axis=1)]
  np.testing.assert_allclose(
    np.concatenate([part[0] for part in parts]), values, atol=1e-3
  )
  np.testing.assert_array_equal(
    np.concatenate([part[1] for part in parts]), covered
  )
