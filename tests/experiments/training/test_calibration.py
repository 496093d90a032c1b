"""Calibration of classifiers, and temperatures that mend it."""

import numpy as np
import pytest

from experiments import evaluate
from experiments.data import files
from experiments.training import calibration


def sampled(temperature=1.0, count=20_000, num_classes=5, seed=0):
  """Returns logits, and labels sampled from those over a temperature."""
  generator = np.random.default_rng(seed)
  logits = 3 * generator.normal(size=(count, num_classes))
  noise = generator.gumbel(size=logits.shape)
  return logits, (logits / temperature + noise).argmax(-1)


def test_the_error_of_bins_is_that_of_the_paper():
  # Two bins: sure of 0.9 and right 1 of 2, sure of 0.6 and right 1 of 1.
  probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
  found = calibration.expected_error(
    np.log(probabilities), np.array([0, 1, 1]), num_bins=4
  )
  assert found == pytest.approx((2 * 0.4 + 1 * 0.4) / 3)
  # In one bin errors of both signs make up for each other.
  found = calibration.expected_error(
    np.log(probabilities), np.array([0, 1, 1]), num_bins=1
  )
  assert found == pytest.approx(abs(0.8 - 2 / 3))


def test_ends_of_bins():
  certain = np.array([[800.0, 0.0], [0.0, 0.0]])  # p of 1 and of exactly 1/2
  found = calibration.expected_error(certain, np.array([1, 0]), num_bins=2)
  # In one bin they would make up for each other, and 0.25 would remain.
  assert found == pytest.approx((1 + 0.5) / 2)


def test_sampled_answers_are_calibrated():
  logits, labels = sampled()
  assert calibration.expected_error(logits, labels) < 0.01
  assert calibration.fit_temperature(logits, labels) == pytest.approx(1, 0.03)


@pytest.mark.parametrize("temperature", [0.3, 2.5])
def test_the_temperature_is_found(temperature):
  logits, labels = sampled(temperature)
  found = calibration.fit_temperature(logits, labels)
  assert found == pytest.approx(temperature, 0.05)
  # It has the least cross-entropy of all.
  nats = lambda t: calibration.cross_entropy(logits / t, labels)
  assert nats(found) < min(nats(1.05 * found), nats(found / 1.05))
  # Scaled logits have the scaled temperature.
  assert calibration.fit_temperature(7 * logits, labels) == pytest.approx(
    7 * found, 1e-6
  )


def test_temperatures_without_a_bound_stay_finite():
  logits = np.array([[9.0, 0.0], [0.0, 9.0]])
  for labels in ([0, 1], [1, 0]):
    found = calibration.fit_temperature(logits, np.array(labels))
    assert 9e-4 < found < 1.1e3


def test_the_rest_is_what_was_not_fitted():
  logits, labels = sampled(2.5, 1000)
  labels[:100] = -1  # unknown
  found = calibration.calibrate(logits, labels, 0.25)
  assert (found.num_fitted, found.num_rest) == (225, 675)
  assert found.error[1] < found.error[0]
  assert found.nats[1] < found.nats[0]
  assert "fitted on 225 examples; on the other 675" in found.table().caption
  assert "end of its range" not in found.table().caption
  with pytest.raises(files.InputError, match="leave 0"):
    calibration.calibrate(logits[:102], labels[:102], 0.1)


def test_without_a_wrong_answer_no_temperature_is_determined():
  logits = np.tile([[9.0, 0.0], [0.0, 9.0]], (10, 1))
  found = calibration.calibrate(logits, np.tile([0, 1], 10), 0.5)
  assert "temperature 0.001 (an end of its range" in found.table().caption
  assert "-0.0000" not in str(found.table())


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5])
def test_impossible_shares_are_refused(share):
  with pytest.raises(ValueError, match=r"--calibrate is .*; expected \(0, 1\)"):
    evaluate.Evaluate(experiment="digits", calibrate=share)


def test_fewer_latents_are_not_calibrated():
  options = {"experiment": "digits", "calibrate": 0.5}
  for latents in ({"latents": "all"}, {"choose_latents": True, "within": 1.0}):
    with pytest.raises(ValueError, match="--calibrate goes without --latents"):
      evaluate.Evaluate(**options, **latents)
