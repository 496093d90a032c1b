import numpy as np
import pytest

from experiments.image_classification.imagenet import crop

_CENTRE = crop.CentreCropConfig()


def _column(values):
  return np.array(values, np.uint8)[:, None, None]


# Results of tf.image.resize(..., method="bicubic") of TensorFlow 2.21.
@pytest.mark.parametrize(
  "expected",
  [
    [2.941176652908325, 62.5, 211.76470947265625],
    [1.2408759593963623, 30.625, 105.625, 234.4525604248047],
    [0.0, 10.0, 40.0, 90.0, 160.0, 250.0],
    [
      -0.6588883399963379,
      2.941176652908325,
      13.618707656860352,
      33.599178314208984,
      62.5,
      100.29839324951172,
      146.9194793701172,
      211.76470947265625,
      255.92999267578125,
    ],
  ],
)
@pytest.mark.parametrize("axis", [0, 1])
def test_resize_equals_tensorflow_along_each_axis(expected, axis):
  image = _column([0, 10, 40, 90, 160, 250])
  height, width = len(expected), 1
  if axis:
    image, (height, width) = image.swapaxes(0, 1), (width, height)
  result = crop.resize_bicubic(image, height, width)
  assert result.shape == (height, width, 1)
  assert result.dtype == np.float32
  np.testing.assert_allclose(result.ravel(), expected, rtol=1e-6)


@pytest.mark.parametrize(
  "expected",
  [
    [
      [23.821550369, 121.484573364, 235.040985107, 45.1749114990],
      [88.901725769, 188.375, 44.875, 121.098266602],
      [153.981918335, 229.404617310, 85.904632568, 186.178436279],
    ],
    [
      [63.587638855, 45.087642670],
      [78.994483948, 63.414688110],
      [105.551513672, 84.913330078],
      [128.244384766, 67.532958984],
      [153.445800781, 72.662353516],
      [180.716308594, 104.110107422],
      [207.807601929, 131.307601929],
      [222.912368774, 146.412353516],
    ],
  ],
)
def test_resize_equals_tensorflow_in_two_dimensions(expected):
  rows, columns = np.arange(5)[:, None], np.arange(7)[None]
  image = ((rows * 37 + columns * 53) % 256).astype(np.uint8)[..., None]
  expected = np.array(expected)
  result = crop.resize_bicubic(image, *expected.shape)
  np.testing.assert_allclose(result[..., 0], expected, rtol=3e-6)


def test_resize_to_the_same_size_changes_nothing():
  image = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
  np.testing.assert_array_equal(crop.resize_bicubic(image, 5, 4), image)


def test_resize_is_independent_for_each_channel():
  image = np.random.default_rng(0).integers(0, 256, (9, 11, 3), np.uint8)
  result = crop.resize_bicubic(image, 4, 15)
  for channel in range(3):
    alone = crop.resize_bicubic(image[..., channel, None], 4, 15)
    np.testing.assert_array_equal(result[..., channel, None], alone)


def test_resize_keeps_a_constant_and_commutes_with_flips():
  constant = np.full((7, 5, 3), 77, np.uint8)
  np.testing.assert_allclose(
    crop.resize_bicubic(constant, 12, 3), 77, rtol=1e-6
  )
  image = np.random.default_rng(0).integers(0, 256, (6, 10, 3), np.uint8)
  result = crop.resize_bicubic(image, 7, 13)
  flipped = crop.resize_bicubic(image[::-1, ::-1], 7, 13)
  np.testing.assert_allclose(flipped[::-1, ::-1], result, atol=0.2)


@pytest.mark.parametrize(
  ("height", "width", "expected"),
  [
    (256, 256, (16, 16, 224, 224)),
    (375, 500, (24, 86, 328, 328)),  # 0.875 * 375 = 328.125
    (500, 375, (86, 24, 328, 328)),
    (1, 5, (0, 2, 1, 1)),
  ],
)
def test_centre_box(height, width, expected):
  assert crop.centre_box(height, width, _CENTRE) == expected


def _sample(height, width, number=4000, **kwargs):
  generator = np.random.default_rng(0)
  config = crop.RandomCropConfig(**kwargs)
  return np.array(
    [
      crop.random_box(height, width, generator, config, _CENTRE)
      for _ in range(number)
    ]
  )


@pytest.mark.parametrize(("height", "width"), [(375, 500), (300, 1000)])
def test_random_boxes_lie_within_the_image_and_the_ranges(height, width):
  top, left, rows, columns = _sample(height, width).T
  assert (top >= 0).all()
  assert (left >= 0).all()
  assert (top + rows <= height).all()
  assert (left + columns <= width).all()
  area = rows * columns / (height * width)
  assert 0.1 <= area.min() < 0.102
  aspect = columns / rows
  assert 0.745 < aspect.min() < 0.755
  assert 1.32 < aspect.max() < 1.34


def test_random_boxes_have_tensorflow_s_distribution():
  # Quartiles of 20,000 boxes from tf.image.sample_distorted_bounding_box.
  expected = [
    [16, 47, 196, 198],
    [43, 102, 258, 259],
    [91, 173, 316, 325],
  ]
  quartiles = np.percentile(_sample(375, 500), [25, 50, 75], axis=0)
  np.testing.assert_allclose(quartiles, expected, atol=8)


def test_no_fitting_box_gives_the_centre():
  boxes = _sample(10, 1000, number=20)  # a tenth of it is longer than 4/3
  np.testing.assert_array_equal(
    boxes, [crop.centre_box(10, 1000, _CENTRE)] * 20
  )


def test_a_sample_of_the_whole_image_gives_the_centre():
  boxes = _sample(64, 64, 20, min_area=1.0, min_aspect=1.0, max_aspect=1.0)
  np.testing.assert_array_equal(boxes, [(4, 4, 56, 56)] * 20)


@pytest.mark.parametrize(
  ("kwargs", "message"),
  [
    ({"min_area": 0.0}, r"min_area is 0\.0; expected \(0, 1\]"),
    ({"max_area": 1.5}, r"max_area is 1\.5; expected \[0\.08, 1\]"),
    ({"max_area": 0.05}, r"max_area is 0\.05; expected \[0\.08, 1\]"),
    ({"min_covered": 2.0}, r"min_covered is 2\.0; expected \[0, 1\.0\]"),
    ({"min_aspect": 0.0}, r"min_aspect is 0\.0; expected \(0, inf\)"),
    ({"min_aspect": 2.0}, r"max_aspect is 1\.3+; expected at least 2\.0"),
    ({"num_attempts": 0}, "num_attempts is 0; expected at least 1"),
  ],
)
def test_impossible_ranges_are_refused(kwargs, message):
  with pytest.raises(ValueError, match=message):
    crop.RandomCropConfig(**kwargs)


def test_impossible_centre_is_refused():
  with pytest.raises(ValueError, match=r"fraction is 1\.1; expected \(0, 1\]"):
    crop.CentreCropConfig(fraction=1.1)
