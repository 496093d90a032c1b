import numpy as np
from PIL import Image
import pytest

from experiments.data import files
from experiments.optical_flow.synthetic import textures


def _noise(size, longest, seed=0, shortest=3.0):
  generator = np.random.default_rng(seed)
  return textures.noise(generator, size, (shortest, longest))


def _power(field):
  """Mean power of octaves of wavelengths [2, 4), [4, 8), ... pixels."""
  spectrum = np.abs(np.fft.fft2(field)) ** 2
  rows, columns = (np.fft.fftfreq(n) for n in field.shape)
  octave = np.floor(-np.log2(np.hypot(rows[:, None], columns) + 1e-9))
  return [spectrum[octave == i].sum() / spectrum.sum() for i in range(1, 6)]


def test_noise_has_mean_0_and_deviation_1():
  field = _noise((53, 71), 20.0)
  assert field.shape == (53, 71)
  assert field.dtype == np.float32
  assert field.mean() == pytest.approx(0, abs=1e-4)
  assert field.std() == pytest.approx(1, abs=1e-4)


def test_noise_has_all_octaves_up_to_the_longest():
  several = np.mean([_power(_noise((128, 128), 16.0, i)) for i in range(10)], 0)
  # From 3 pixels on, to 16 and, weaker, beyond.
  assert np.all(several[:4] > 0.06)
  assert several[4] < several[3]
  narrow = np.mean([_power(_noise((128, 128), 4.0, i)) for i in range(10)], 0)
  assert narrow[0] > several[0]
  assert narrow[3] < several[3]


def test_noise_has_no_waves_below_the_shortest():
  for shortest in (3, 8):
    spectrum = np.abs(np.fft.fft2(_noise((96, 96), 16.0, shortest=shortest)))
    last = 96 // shortest
    assert spectrum[last + 1 : 48].max() < 1e-2
    assert spectrum[last - 1, 0] > 1


def test_small_crops_of_large_waves_have_contrast():
  for size in ((2, 2), (1, 9), (6, 6)):
    field = _noise(size, 64.0, shortest=30.0)
    assert field.shape == size
    assert field.std() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("kind", ["noise", "gradients", "stripes"])
def test_every_pattern_has_contrast_and_is_in_its_range(kind):
  shares = {"noise": 0.0, "gradients": 0.0, "stripes": 0.0, kind: 1.0}
  config = textures.TextureConfig(grain=0, **shares)
  contrast = []
  for seed in range(20):
    generator = np.random.default_rng(seed)
    texture = textures.sample(config, (), generator, (48, 64), 96)
    assert texture.shape == (48, 64, 3)
    assert texture.dtype == np.float32
    assert texture.min() >= 0
    assert texture.max() <= 255
    contrast.append(texture.std(axis=(0, 1)).max())
  assert np.median(contrast) > 15


def test_stripes_run_straight_and_gradients_are_smooth():
  steps = {}
  for kind in ("noise", "gradients", "stripes"):
    shares = {"noise": 0.0, "gradients": 0.0, "stripes": 0.0, kind: 1.0}
    config = textures.TextureConfig(grain=0, **shares)
    sampled = [
      textures.sample(config, (), np.random.default_rng(i), (48, 64), 96)
      for i in range(20)
    ]
    steps[kind] = np.median(
      [np.abs(np.diff(x, axis=0)).mean() / x.std() for x in sampled]
    )
    straight = sum(np.abs(np.diff(x, axis=0)).max() < 0.01 for x in sampled)
    assert (straight > 4) == (kind == "stripes")
  assert steps["gradients"] < 0.5 * steps["noise"]


def test_stripes_are_no_finer_than_configured():
  config = textures.TextureConfig(
    noise=0, gradients=0, grain=0, finest=8.0, largest=8 / 96
  )
  for seed in range(10):
    generator = np.random.default_rng(seed)
    texture = textures.sample(config, (), generator, (48, 64), 96)
    np.testing.assert_allclose(texture[:, :-8], texture[:, 8:], atol=1)


def test_grain_adds_detail():
  plain, grainy = (
    textures.sample(
      textures.TextureConfig(noise=0, stripes=0, grain=grain),
      (),
      np.random.default_rng(1),
      (48, 64),
      96,
    )
    for grain in (0, 60)
  )
  detail = [np.abs(np.diff(x, axis=1)).mean() for x in (plain, grainy)]
  assert detail[1] > detail[0] + 2


# ---------------------------------------------------------------- from a folder


@pytest.fixture
def folder(tmp_path):
  ramp = np.arange(200, dtype=np.uint8)
  image = np.zeros((100, 200, 3), np.uint8)
  image[..., 0], image[..., 1], image[..., 2] = ramp, ramp[:100, None], 50
  Image.fromarray(image).save(tmp_path / "ramp.png")  # 100 × 200
  return tmp_path


def _crop(path, size, seed=0):
  return textures.crop(path, np.random.default_rng(seed), size)


def test_crops_of_an_image_have_random_scales_and_flips(folder):
  crops = [_crop(folder / "ramp.png", (20, 30), i) for i in range(30)]
  across = np.array([np.diff(x[..., 0], axis=1).mean() for x in crops])
  down = np.array([np.diff(x[..., 1], axis=0).mean() for x in crops])
  assert np.all(down > 0)
  np.testing.assert_allclose(np.abs(across), down, rtol=0.1)
  assert 5 < np.sum(across < 0) < 25
  # From one image pixel per pixel to five, where the crop is as high as it.
  assert down.min() == pytest.approx(1, abs=0.15)
  assert 3.5 < down.max() < 5.1


def test_small_images_are_enlarged(folder):
  crop = _crop(folder / "ramp.png", (400, 300))
  assert crop.shape == (400, 300, 3)
  for channel, axis in ((0, 1), (1, 0)):
    slope = abs(np.diff(crop[..., channel], axis=axis).mean())
    assert slope == pytest.approx(0.25, abs=0.02)


def test_the_folder_has_its_share_of_textures(folder):
  config = textures.TextureConfig(folder=folder, folder_share=0.5)
  images = textures.list_folder(config)
  assert [p.name for p in images] == ["ramp.png"]
  blue = [
    textures.sample(config, images, np.random.default_rng(i), (8, 9), 96)[
      ..., 2
    ]
    for i in range(60)
  ]
  count = sum(bool(np.all(np.abs(x - 50) < 0.5)) for x in blue)
  assert 20 < count < 40


def test_no_folder_has_no_images():
  assert textures.list_folder(textures.TextureConfig()) == ()


def test_a_folder_that_is_missing_or_empty_is_named(tmp_path):
  config = textures.TextureConfig(folder=tmp_path / "nowhere")
  with pytest.raises(FileNotFoundError, match="nowhere"):
    textures.list_folder(config)
  config = textures.TextureConfig(folder=tmp_path)
  with pytest.raises(files.InputError, match="has no images"):
    textures.list_folder(config)


def test_a_damaged_image_is_named(tmp_path):
  (tmp_path / "bad.jpg").write_bytes(b"not an image")
  with pytest.raises(files.InputError, match=r"bad\.jpg is not a readable"):
    _crop(tmp_path / "bad.jpg", (8, 8))


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"noise": -1.0}, "TextureConfig: noise is -1.0"),
    (
      {"noise": 0.0, "gradients": 0.0, "stripes": 0.0},
      "one of them more than 0",
    ),
    ({"noise": float("inf")}, r"noise is inf; expected at least 0"),
    ({"largest": 0.0}, "largest is 0.0"),
    ({"finest": 1.0}, r"finest is 1.0; expected \[2, 1000\]"),
    ({"folder_share": 2.0}, "folder_share is 2.0"),
    ({"grain": 300.0}, "grain is 300.0"),
  ],
)
def test_impossible_textures_are_refused(changes, message):
  with pytest.raises(ValueError, match=message):
    textures.TextureConfig(**changes)
