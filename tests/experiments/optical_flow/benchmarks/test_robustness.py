"""The test of robustness, on functions with known changes."""

import numpy as np
import pytest

from experiments.data import files
from experiments.optical_flow import colours
from experiments.optical_flow import examples
from experiments.optical_flow.benchmarks import noise
from experiments.optical_flow.benchmarks import robustness


def example(name="a", size=(210, 220), grey=100):
  return examples.FlowExample(
    name=name,
    frames=np.full((2, *size, 3), grey, np.uint8),
    flow=np.zeros((*size, 2), np.float32),
    valid=np.zeros(size, bool),
  )


def test_mean_squared_errors_of_images():
  reference = np.zeros((250, 300, 3), np.uint8)
  image = reference.copy()
  image[0, 0] = [10, 0, 200]
  image[99, 99] = [3, 4, 0]
  # The sum over three channels, not their mean.
  assert robustness.mse(image, reference) == (100 + 40_000 + 25) / 75_000
  assert robustness.mse_wo_patch(image, reference) == 40_125 / 65_000
  assert robustness.mse(reference, image) == robustness.mse(image, reference)


def test_the_excluded_pixels_are_a_cross():
  reference = np.zeros((250, 300, 3), np.uint8)
  for row, column, counts in (
    (150, 150, False),
    (150, 0, False),
    (0, 150, False),
    (100, 299, False),
    (200, 299, False),
    (249, 100, False),
    (249, 200, False),
    (99, 299, True),
    (201, 299, True),
    (249, 99, True),
    (249, 201, True),
  ):
    image = reference.copy()
    image[row, column] = 1
    expected = 3 / (250 * 300 - 10_000) if counts else 0
    assert robustness.mse_wo_patch(image, reference) == expected
    assert image[row, column].tolist() == [1, 1, 1]


def test_a_constant_flow_does_not_change():
  table = robustness.evaluate(
    lambda frames: np.full((*frames.shape[1:3], 2), 3.5), [example()] * 2
  )
  assert table == robustness.RobustnessTable(
    num_pairs=2, patch_mse=0, gaussian_mse=0, patch_epe=0, gaussian_epe=0
  )


def test_numbers_of_each_noise():
  """Each kind of noise has its own flow, that of clean frames is zero."""
  calls = []

  def flow_of(frames):
    """Returns a flow for each kind of noise."""
    assert frames.dtype == np.uint8
    flow = np.zeros((*frames.shape[1:3], 2))
    noisy = np.any(frames != 100)
    if not noisy:
      calls.append("clean")
    elif np.all(frames[:, :100] == 100):
      calls.append("patch")
      flow[:50, :50] = [3, 4]
      flow[100:200, 100:200] = 1000  # the patch, which is excluded
    elif np.array_equal(frames[0], frames[1]):
      calls.append("published")
      flow[:, :, 0] = 24  # green and blue are gone
    else:
      calls.append("corrected")
      flow[:] = [6, 8]
    return flow

  table = robustness.evaluate(flow_of, [example()])
  assert calls == ["clean", "patch", "published", "corrected"]
  outside = 210 * 220 - 10_000
  images = colours.hsv(np.float64([[(3, 4), (0, 0)]])).astype(int)
  change = np.sum((images[0, 0] - images[0, 1]) ** 2)
  assert change > 0
  assert table.patch_mse == pytest.approx(2500 * change / outside)
  assert table.patch_epe == pytest.approx(2500 * 5 / outside)
  assert table.gaussian_mse == pytest.approx(2 * 255**2)
  assert table.gaussian_epe == pytest.approx(10)


def test_the_noise_depends_on_the_seed():
  def run(seed):
    calls = []

    def flow_of(frames):
      calls.append(frames.copy())
      return np.zeros((*frames.shape[1:3], 2))

    source = [example(size=(200, width)) for width in (205, 205, 210)]
    robustness.evaluate(flow_of, source, seed=seed)
    return calls

  first, again, other = run(0), run(0), run(1)
  for x, y in zip(first, again):
    np.testing.assert_array_equal(x, y)
  assert [np.array_equal(x, y) for x, y in zip(first, other)] == [
    *(True, False, False, False),
  ] * 3
  # The patch is sampled once, the corrected noise for every pair.
  np.testing.assert_array_equal(first[1], first[5])
  assert np.any(first[3] != first[7])
  # The published noise is one sample, stretched to each size.
  published = noise.sample(np.random.default_rng([0, 1]))
  for index, position in ((0, 2), (1, 6), (2, 10)):
    clean = first[4 * index]
    np.testing.assert_array_equal(
      first[position], noise.corrupt_gaussian_published(clean, published)
    )


def test_means_of_images_have_equal_weights():
  flow_of = lambda frames: np.full(
    (*frames.shape[1:3], 2), [4.0 * (frames.std() > 1), 0]
  )
  still = lambda frames: np.zeros((*frames.shape[1:3], 2))
  large = (300, 400)
  source = [example("a"), example("b", large)]
  whole = robustness.evaluate(flow_of, source)
  assert whole.gaussian_epe == 4
  mixed = lambda frames: (flow_of if frames.shape[1] < 300 else still)(frames)
  half = robustness.evaluate(mixed, source)
  assert half.gaussian_epe == pytest.approx(2)
  assert half.gaussian_mse == pytest.approx(whole.gaussian_mse / 2)
  assert half.num_pairs == 2


def test_the_table_has_the_published_numbers():
  table = robustness.RobustnessTable(
    num_pairs=1,
    patch_mse=1.234,
    gaussian_mse=56.789,
    patch_epe=0.125,
    gaussian_epe=3.5,
  )
  found = table.table()
  assert found.rows == (
    ("RAFT", "5.88", "486.60", "–", "–"),
    ("GMA", "3.14", "612.88", "–", "–"),
    ("Perceiver IO", "46.65", "6086.99", "–", "–"),
    ("this model", "1.23", "56.79", "0.12", "3.50"),
  )
  assert "the mean of 1 pair of frames" in found.caption


@pytest.mark.parametrize(
  ("flow", "message"),
  [
    (np.zeros((210, 219, 2)), r"b: the flow has shape \(210, 219, 2\)"),
    (np.full((210, 220, 2), np.nan), "b: .* or is not finite"),
  ],
)
def test_impossible_flow_is_refused(flow, message):
  with pytest.raises(files.InputError, match=message):
    robustness.evaluate(lambda frames: flow, [example("b")])


def test_frames_that_are_too_small_are_refused():
  still = lambda frames: np.zeros((*frames.shape[1:3], 2))
  with pytest.raises(files.InputError, match="199 × 300 pixels, too few"):
    robustness.evaluate(still, [example(size=(199, 300))])
  with pytest.raises(files.InputError, match="no pair of frames"):
    robustness.evaluate(still, [])
