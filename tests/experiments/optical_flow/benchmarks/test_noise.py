"""Noise as it was published, and corrected."""

import numpy as np
import pytest

from experiments.data import files
from experiments.optical_flow.benchmarks import noise


def test_salt_and_pepper():
  patch = noise.salt_and_pepper(np.random.default_rng(0))
  assert patch.shape == (100, 100, 3)
  assert patch.dtype == np.uint8
  assert set(np.unique(patch)) == {0, 255}
  assert np.all(patch == patch[..., :1])  # grey
  assert abs(np.mean(patch) / 255 - 0.5) < 0.02


def test_the_published_noise():
  sampled = noise.sample(np.random.default_rng(0))
  assert sampled.shape == (380, 1250, 3)
  assert abs(np.mean(sampled)) < 1e-3
  assert np.std(sampled) == pytest.approx(0.05, rel=0.01)


def test_the_position_of_the_patch():
  frames = np.full((2, 230, 210, 3), 7, np.uint8)
  patch = np.arange(30_000, dtype=np.int64).reshape(100, 100, 3) % 5 + 100
  found = noise.corrupt_patch(frames, patch.astype(np.uint8))
  changed = np.argwhere(np.any(found != frames, axis=(0, 3)))
  assert changed.min(axis=0).tolist() == [100, 100]
  assert changed.max(axis=0).tolist() == [199, 199]
  assert len(changed) == 10_000
  for frame in found:
    np.testing.assert_array_equal(frame[100:200, 100:200], patch)
  assert np.all(frames == 7)


@pytest.mark.parametrize("size", [(199, 300), (300, 199), (20, 20)])
def test_frames_smaller_than_the_patch_are_refused(size):
  frames = np.zeros((2, *size, 3), np.uint8)
  patch = np.zeros((100, 100, 3), np.uint8)
  message = f"{size[0]} × {size[1]} pixels, too few for the patch"
  with pytest.raises(files.InputError, match=message):
    noise.corrupt_patch(frames, patch)
  noise.corrupt_patch(np.zeros((2, 200, 200, 3), np.uint8), patch)


def test_published_noise_wraps_around():
  frames = np.array([0, 10, 100, 250, 255], np.uint8)
  frames = np.broadcast_to(frames[:, None], (2, 2, 5, 3))
  added = np.array([-12.3, -10.9, -12.7, 8, -0.4]) / 255
  sampled = np.broadcast_to(added[:, None], (2, 5, 3))
  found = noise.corrupt_gaussian_published(frames, sampled)
  # −12.3 → −12 → 244; −0.9 → 0; 87.3 → 87; 258 → 255; 254.6 → 254.
  assert found.dtype == np.uint8
  expected = np.broadcast_to([[244], [0], [87], [255], [254]], found.shape)
  np.testing.assert_array_equal(found, expected)


def test_published_noise_is_the_same_in_both_frames():
  frames = np.full((2, 38, 125, 3), 128, np.uint8)
  sampled = noise.sample(np.random.default_rng(0))
  found = noise.corrupt_gaussian_published(frames, sampled).astype(int)
  np.testing.assert_array_equal(found[0], found[1])
  assert 4 < np.std(found - 128) < 13


def test_shares_of_dark_pixels_that_wrap_around():
  """A third at grey 5, a fifth at 10, a twentieth at 20, and none at 40."""
  sampled = noise.sample(np.random.default_rng(0))
  shares = {}
  for grey in (5, 10, 20, 60):
    frames = np.full((2, 380, 1250, 3), grey, np.uint8)
    found = noise.corrupt_gaussian_published(frames[:1], sampled)
    shares[grey] = np.mean(found > 128)
  assert shares[5] == pytest.approx(0.32, abs=0.02)
  assert shares[10] == pytest.approx(0.19, abs=0.02)
  assert shares[20] == pytest.approx(0.05, abs=0.01)
  assert shares[60] < 1e-4


def test_corrected_noise():
  frames = np.full((2, 40, 50, 3), 5, np.uint8)
  found = noise.corrupt_gaussian(frames, np.random.default_rng(0))
  again = noise.corrupt_gaussian(frames, np.random.default_rng(0))
  np.testing.assert_array_equal(found, again)
  assert found.dtype == np.uint8
  assert found.max() < 80  # nothing wraps around
  assert np.mean(found == 0) == pytest.approx(0.36, abs=0.02)
  assert np.mean(found[0] == found[1]) < 0.3  # and frames differ
  middle = np.full((2, 40, 50, 3), 128, np.uint8)
  found = noise.corrupt_gaussian(middle, np.random.default_rng(0)).astype(int)
  assert np.std(found - 128) == pytest.approx(255 * 0.05, rel=0.03)
  assert abs(np.mean(found - 128)) < 0.3
  bright = np.full((2, 40, 50, 3), 255, np.uint8)
  assert noise.corrupt_gaussian(bright, np.random.default_rng(0)).min() > 180


def test_stretching():
  image = np.float64([[[0], [8]], [[4], [4]]])  # [2, 2, 1]
  wide = noise.stretch(image, 2, 4)[..., 0]
  assert wide.tolist() == [[0, 2, 6, 8], [4, 4, 4, 4]]
  high = noise.stretch(image, 4, 2)[..., 0]
  assert high.tolist() == [[0, 8], [1, 7], [3, 5], [4, 4]]
  assert noise.stretch(image, 1, 1).tolist() == [[[4]]]
  assert noise.stretch(image, 2, 2).tolist() == image.tolist()
  assert noise.stretch(image[:1, :1], 2, 3).tolist() == [[[0]] * 3] * 2


def test_stretching_is_opencvs():
  cv2 = pytest.importorskip("cv2", reason='needs the extra "video"')
  image = np.random.default_rng(0).normal(size=(38, 125, 3))
  for size in ((37, 124), (20, 200), (76, 50)):
    expected = cv2.resize(image, size[::-1])
    np.testing.assert_allclose(
      noise.stretch(image, *size), expected, atol=1e-12
    )
