"""The settings of a training and the length they come to."""

import pytest

from experiments.training import config as training_config
from experiments.training import schedules


def _config(**kwargs):
  kwargs = {"batch_size": 8, "steps": 12, "base_rate": 0.02, **kwargs}
  return training_config.TrainConfig(**kwargs)


def test_length_in_epochs():
  config = _config(steps=None, epochs=2.5)
  _, num_steps = training_config.learning_rate(config, 50)
  assert num_steps == 15  # 2.5 epochs of 6.25 steps, rounded down


def test_the_paper_s_length():
  config = training_config.TrainConfig(
    batch_size=1024,
    epochs=110,
    base_rate=5e-4,
    scale_rate_with_batch=True,
    schedule=schedules.ConstantThenCosine(),
  )
  rate, num_steps = training_config.learning_rate(config, 1_281_167)
  assert num_steps == 137_625
  assert float(rate(0)) == pytest.approx(2e-3)


@pytest.mark.parametrize(
  ("kwargs", "message"),
  [
    ({"steps": None}, "exactly one"),
    ({"epochs": 1}, "exactly one"),
    ({"steps": 0}, "steps is 0; expected at least 1"),
    ({"log_every": 0}, "log_every is 0; expected at least 1"),
    ({"keep": -1}, "keep is -1; expected at least 1"),
  ],
)
def test_impossible_settings_are_refused(kwargs, message):
  with pytest.raises(ValueError, match=message):
    _config(**kwargs)


def test_less_than_a_batch_is_no_training():
  config = _config(steps=None, epochs=0.1)
  with pytest.raises(training_config.LengthError, match="less than one batch"):
    training_config.learning_rate(config, 48)


@pytest.mark.parametrize(
  "settings", [{"warmup_steps": 20}, {"warmup_epochs": 4.0}]
)
def test_options_that_belong_together_are_named(settings):
  config = _config(steps=20, schedule=schedules.WarmupCosine(**settings))
  with pytest.raises(training_config.LengthError) as caught:
    training_config.learning_rate(config, 5 * config.batch_size)
  for option in ("steps", "epochs", "schedule.warmup-steps"):
    assert f"--train.{option}" in str(caught.value)
