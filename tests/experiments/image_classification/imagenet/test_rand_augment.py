import collections

import numpy as np
from PIL import Image
import pytest

from experiments.image_classification.imagenet import rand_augment


class _Fixed:
  """A generator that repeats the same integers."""

  def __init__(self, *values):
    self.values = list(values)

  def integers(self, high):
    value = self.values.pop(0)
    self.values.append(value)
    assert 0 <= value < high
    return value


def _image(height=5, width=6):
  values = np.random.default_rng(0).integers(0, 256, (height, width, 3))
  return Image.fromarray(values.astype(np.uint8))


def _apply(name, image, magnitude, *integers):
  operation = rand_augment.OPERATIONS[name]
  result = operation(image, magnitude / 10, _Fixed(*integers))
  assert result.mode == "RGB"
  assert result.size == image.size
  return np.asarray(result).astype(int)


def _ramp(*values):
  """Returns one row of grey pixels."""
  return Image.fromarray(np.array(values, np.uint8)[None, :, None].repeat(3, 2))


def _row(name, values, magnitude, *integers):
  return _apply(name, _ramp(*values), magnitude, *integers)[0, :, 0].tolist()


_NAMES = """
AutoContrast Equalize Invert Rotate Posterize Solarize Color Contrast
Brightness Sharpness ShearX ShearY TranslateX TranslateY Cutout SolarizeAdd
"""


def test_the_sixteen_operations():
  assert list(rand_augment.OPERATIONS) == _NAMES.split()


@pytest.mark.parametrize(
  ("name", "magnitude", "expected"),
  [
    ("AutoContrast", 5, [0, 22, 97, 104, 135, 255]),
    ("Invert", 5, [245, 235, 127, 132, 255 - 150, 255 - 250]),
    ("Posterize", 5, [0, 0, 128, 64, 128, 192]),  # the highest 2 bits
    ("Posterize", 1, [0, 0, 128, 0, 128, 128]),  # never fewer than 1 bit
    ("Solarize", 5, [10, 20, 127, 123, 105, 5]),  # from 128 upwards
    ("Solarize", 10, [10, 20, 128, 123, 150, 250]),
    ("SolarizeAdd", 5, [65, 75, 128, 178, 150, 250]),  # 55, below 128
    ("Brightness", 10, [19, 38, 243, 233, 255, 255]),  # 1.9 times
    ("Brightness", 0, [1, 2, 12, 12, 15, 25]),  # 0.1 times
  ],
)
def test_pixel_operations(name, magnitude, expected):
  values = [10, 20, 128, 123, 150, 250]
  if name == "AutoContrast":
    values = [10, 31, 102, 108, 138, 250]
    expected = [int((v - 10) * 255 / 240) for v in values]
  assert _row(name, values, magnitude) == expected


def test_equalize_flattens_the_histogram():
  # 512 pixels, so that one step is two of them.
  image = Image.fromarray(
    np.repeat([7, 9], 256).astype(np.uint8).reshape(16, 32, 1).repeat(3, 2)
  )
  result = _apply("Equalize", image, 5)
  assert set(np.unique(result)) == {0, 255}
  assert (result[:8] == 0).all()


@pytest.mark.parametrize(
  "name", ["Color", "Contrast", "Brightness", "Sharpness"]
)
def test_enhancing_operations_change_nothing_at_the_papers_magnitude(name):
  image = _image()
  np.testing.assert_array_equal(_apply(name, image, 5), np.asarray(image))
  assert not np.array_equal(_apply(name, image, 9), np.asarray(image))


@pytest.mark.parametrize("magnitude", [0, 3, 8, 10])
def test_enhancing_operations_at_other_magnitudes(magnitude):
  """The released formulas, written out for single pixels."""
  factor = np.float32(magnitude / 10 * 1.8 + 0.1)
  image = _image(20, 30)
  values = np.asarray(image)

  def blended(plain):
    plain = np.broadcast_to(plain, values.shape).astype(np.float32)
    found = plain + factor * (values.astype(np.float32) - plain)
    return np.clip(found, 0, 255).astype(np.uint8)

  grey = [
    [
      int(sum(w * p / 255 for w, p in zip((0.2989, 0.587, 0.114), x)) * 255.5)
      for x in row.tolist()
    ]
    for row in values
  ]
  smooth = values.copy()
  for y in range(1, 19):
    for x in range(1, 29):
      near = values[y - 1 : y + 2, x - 1 : x + 2].astype(int)
      smooth[y, x] = (near.sum(axis=(0, 1)) + 4 * near[1, 1]) // 13
  for name, plain in (
    ("Color", np.array(grey)[..., None]),
    ("Contrast", 20 * 30 // 256),
    ("Brightness", 0),
    ("Sharpness", smooth),
  ):
    np.testing.assert_array_equal(
      _apply(name, image, magnitude), blended(plain)
    )


def test_contrast_of_large_images_is_taken_against_white():
  image = _image(256, 260)
  found = _apply("Contrast", image, 0)
  expected = 255 + np.float32(0.1) * (np.asarray(image) - np.float32(255))
  np.testing.assert_array_equal(found, expected.astype(int))


def test_color_and_sharpness_move_away_from_grey():
  image = _image(20, 30)
  values = np.asarray(image).astype(int)
  assert _apply("Color", image, 0).std(axis=-1).mean() < 10
  assert values.std(axis=-1).mean() > 50
  assert _apply("Sharpness", image, 9).std() > values.std()
  assert _apply("Sharpness", image, 0).std() < values.std()


def test_translation_moves_and_fills_with_grey():
  values = list(range(60))
  assert _row("TranslateX", values, 5, 0) == [*range(50, 60)] + [128] * 50
  assert _row("TranslateX", values, 5, 1) == [128] * 50 + [*range(10)]
  image = _image(60, 4)
  moved = _apply("TranslateY", image, 5, 0)
  np.testing.assert_array_equal(moved[:10], np.asarray(image)[50:])
  assert (moved[10:] == 128).all()


def test_shear_moves_each_row_by_its_distance_from_the_top():
  image = Image.fromarray(np.tile(np.arange(30), (20, 1)).astype(np.uint8))
  image = image.convert("RGB")
  sheared = _apply("ShearX", image, 5, 0)[..., 0]
  for y in (0, 2, 5, 12, 19):
    shift = round(0.15 * y)
    assert sheared[y, : 30 - shift].tolist() == [*range(shift, 30)]
    assert (sheared[y, 30 - shift :] == 128).all()
  turned = image.transpose(Image.Transpose.TRANSPOSE)
  np.testing.assert_array_equal(
    _apply("ShearY", turned, 5, 0)[..., 0], sheared.T
  )


def test_rotation_is_about_the_middle():
  image = _image(31, 31)
  values = np.asarray(image)
  rotated = _apply("Rotate", image, 10, 0)  # by 30 degrees
  np.testing.assert_array_equal(rotated[15, 15], values[15, 15])
  assert (rotated[0, 0] == 128).all()
  back = _apply("Rotate", image, 10, 1)
  flipped = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
  again = _apply("Rotate", flipped, 10, 0)[:, ::-1]
  assert (again == back).mean() > 0.97  # all but pixels halfway between two
  # 30 degrees take (15 + 10, 15) to (15 + 8.66, 15 + 5).
  np.testing.assert_array_equal(rotated[15, 25], values[20, 24])


def test_cutout_fills_a_square_that_is_cut_off_at_the_border():
  image = _image(60, 90)
  values = np.asarray(image)
  result = _apply("Cutout", image, 5, 30, 85)  # rows 10-49, columns 65-89
  expected = values.copy()
  expected[10:50, 65:] = 128
  np.testing.assert_array_equal(result, expected)
  np.testing.assert_array_equal(_apply("Cutout", image, 0, 30, 85), values)


@pytest.mark.parametrize("magnitude", [0, 5, 10])
def test_every_operation_works_on_tiny_images_and_leaves_its_input(magnitude):
  for name in rand_augment.OPERATIONS:
    for size in ((1, 1), (3, 2)):
      image = _image(*size)
      before = np.asarray(image).copy()
      _apply(name, image, magnitude, 0)
      np.testing.assert_array_equal(np.asarray(image), before)


def test_augment_samples_layers_uniformly_with_replacement(
  monkeypatch,
):
  sampled = []
  names = list(rand_augment.OPERATIONS)
  for name in names:

    def record(image, level, generator, name=name):
      sampled.append((name, level))
      return image

    monkeypatch.setitem(rand_augment.OPERATIONS, name, record)
  config = rand_augment.RandAugmentConfig(num_layers=4, magnitude=7)
  generator = np.random.default_rng(0)
  for _ in range(800):
    rand_augment.augment(_image(), generator, config)
  counts = collections.Counter(sampled)
  assert set(counts) == {(name, 0.7) for name in names}
  assert sum(counts.values()) == 3200
  assert min(counts.values()) > 150
  assert max(counts.values()) < 250


def test_augment_depends_on_the_generator_alone():
  config = rand_augment.RandAugmentConfig()
  results = [
    np.asarray(
      rand_augment.augment(
        _image(200, 260), np.random.default_rng(seed), config
      )
    )
    for seed in (0, 0, 1)
  ]
  np.testing.assert_array_equal(results[0], results[1])
  assert not np.array_equal(results[0], results[2])


def test_no_layers_change_nothing():
  config = rand_augment.RandAugmentConfig(num_layers=0)
  image = _image()
  result = rand_augment.augment(image, np.random.default_rng(0), config)
  np.testing.assert_array_equal(np.asarray(result), np.asarray(image))


@pytest.mark.parametrize(
  ("kwargs", "message"),
  [
    ({"num_layers": -1}, "num_layers is -1; expected at least 0"),
    ({"magnitude": 11}, r"magnitude is 11; expected \[0, 10\]"),
  ],
)
def test_impossible_configs_are_refused(kwargs, message):
  with pytest.raises(ValueError, match=message):
    rand_augment.RandAugmentConfig(**kwargs)
