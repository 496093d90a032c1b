"""Learning rates against literals and the released schedules."""

import numpy as np
import pytest

from experiments.training import schedules
from tests.helpers import folders

GOLDENS = folders.GOLDENS / "deepmind"
STEPS_PER_EPOCH = 1_281_167 / 1024
BASE_RATE = 5e-4


def _values(config, at, base_rate=1.0, total_steps=100, steps_per_epoch=10):
  schedule = schedules.build(config, base_rate, total_steps, steps_per_epoch)
  return [float(schedule(step)) for step in at]


def test_constant():
  assert _values(schedules.Constant(), [0, 50, 99], 0.5) == [0.5, 0.5, 0.5]


def test_constant_then_cosine():
  config = schedules.ConstantThenCosine(constant_fraction=0.5, end_value=0.1)
  found = _values(config, [0, 49, 50, 75, 100, 120], 2.0)
  np.testing.assert_allclose(found, [2, 2, 2, 1.1, 0.2, 0.2], rtol=1e-6)


def test_warmup_cosine():
  config = schedules.WarmupCosine(warmup_steps=20, init_value=0.5)
  found = _values(config, [0, 10, 20, 60, 100], 2.0)
  np.testing.assert_allclose(found, [1, 1.5, 2, 1, 0], atol=1e-6)


def test_warmup_in_epochs_is_the_same_as_in_steps():
  in_epochs = schedules.WarmupCosine(warmup_epochs=1.5)
  in_steps = schedules.WarmupCosine(warmup_steps=15)
  at = range(0, 100, 7)
  assert _values(in_epochs, at) == _values(in_steps, at)


def test_steps():
  config = schedules.Steps(boundaries=(0.5, 0.9), decay=0.1)
  found = _values(config, [0, 49, 51, 89, 91])
  np.testing.assert_allclose(found, [1, 1, 0.1, 0.1, 0.01], rtol=1e-6)


@pytest.mark.parametrize(
  ("name", "config"),
  [
    ("steps", schedules.Steps()),
    ("constant_cosine", schedules.ConstantThenCosine()),
    ("cosine", schedules.WarmupCosine(warmup_epochs=5)),
  ],
)
def test_released_schedules(name, config):
  golden = np.load(GOLDENS / "optimizer_lamb.npz")
  peak = BASE_RATE * 1024 / 256
  found = _values(
    config,
    golden["schedule_steps_at"].tolist(),
    peak,
    110 * STEPS_PER_EPOCH,
    STEPS_PER_EPOCH,
  )
  np.testing.assert_array_equal(
    np.float32(found), np.float32(golden[f"schedule_{name}"])
  )


def test_impossible_schedules_are_refused():
  with pytest.raises(ValueError, match="exactly one"):
    schedules.WarmupCosine()
  with pytest.raises(ValueError, match="exactly one"):
    schedules.WarmupCosine(warmup_steps=1, warmup_epochs=1)
  with pytest.raises(ValueError, match="increasing"):
    schedules.Steps(boundaries=(0.5, 0.2))
  with pytest.raises(ValueError, match="constant_fraction"):
    schedules.ConstantThenCosine(constant_fraction=1)
  with pytest.raises(ValueError, match="expected less than the training's 100"):
    _values(schedules.WarmupCosine(warmup_steps=100), [0])
