"""Baselines of optical flow."""

import sys

import numpy as np
import pytest
from scipy import ndimage

from experiments.data import files
from experiments.optical_flow.benchmarks import baselines


def moving_frames(right, down, size=(48, 64)):
  """Returns two frames of a smooth texture that moves by whole pixels."""
  noise = np.random.default_rng(0).random((size[0] + 20, size[1] + 20, 3))
  smooth = ndimage.gaussian_filter(noise, (2, 2, 0))
  smooth -= smooth.min()
  texture = (255 * smooth / smooth.max()).astype(np.uint8)
  crop = lambda y, x: texture[y : y + size[0], x : x + size[1]]
  return np.stack([crop(10, 10), crop(10 - down, 10 - right)])


def test_zero():
  flow = baselines.zero(np.ones((2, 5, 7, 3), np.uint8))
  assert flow.shape == (5, 7, 2)
  assert flow.dtype == np.float32
  assert not flow.any()


@pytest.mark.parametrize("name", ["dis", "farneback"])
@pytest.mark.parametrize("motion", [(3, -2), (0, 1)])
def test_a_translation_is_found(name, motion):
  flow = baselines.BASELINES[name](moving_frames(*motion))
  assert flow.shape == (48, 64, 2)
  assert flow.dtype == np.float32
  inside = flow[12:-12, 12:-12]
  np.testing.assert_allclose(inside - np.float32(motion), 0, atol=0.15)


@pytest.mark.parametrize("name", ["dis", "farneback"])
def test_red_counts_more_than_blue(name):
  """Grey is 0.3 of red and 0.1 of blue."""
  red, blue = (np.zeros((2, 48, 64, 3), np.uint8) for _ in range(2))
  moving, still = moving_frames(3, 0)[..., 0], moving_frames(0, 0)[..., 1]
  red[..., 0], red[..., 2] = moving, still
  blue[..., 2], blue[..., 0] = moving, still
  u = lambda frames: baselines.BASELINES[name](frames)[12:-12, 12:-12, 0]
  assert np.median(u(red)) > 2
  assert np.median(u(blue)) < 1


@pytest.mark.parametrize("name", ["zero", "dis", "farneback"])
@pytest.mark.parametrize("size", [(16, 16), (17, 131), (35, 19)])
def test_odd_and_small_frames(name, size):
  flow = baselines.BASELINES[name](moving_frames(1, 0, size))
  assert flow.shape == (*size, 2)
  assert np.all(np.isfinite(flow))


def test_dis_refuses_tiny_frames():
  """On frames of 12 × 40 pixels, OpenCV 5.0 ends the whole process."""
  for size in ((15, 40), (40, 15), (12, 40)):
    frames = np.zeros((2, *size, 3), np.uint8)
    message = f"these have {size[0]} × {size[1]}"
    with pytest.raises(files.InputError, match=message):
      baselines.dis(frames)


@pytest.mark.parametrize("name", ["dis", "farneback"])
def test_without_opencv(monkeypatch, name):
  monkeypatch.setitem(sys.modules, "cv2", None)
  frames = np.zeros((2, 20, 20, 3), np.uint8)
  with pytest.raises(files.InputError, match=r"need OpenCV.*\[video\]"):
    baselines.BASELINES[name](frames)
  assert not baselines.zero(frames).any()
