"""Mini recipes compiled for accelerators, where the compilers are installed."""

import pytest

from experiments.cli import registry
from experiments.hardware import accelerators
from experiments.hardware import preflight

pytestmark = pytest.mark.optimized

# Bytes of temporaries at most, of one device: a fifth more than was seen with
# jax 0.10.2.
CEILINGS = {
  ("imagenet", "tpu-v5e-4"): 37e6,
  ("digits", "tpu-v5e-4"): 20e6,
  ("imagenet", "h100-2"): 47e6,
  ("digits", "h100-2"): 11e6,
  # Masks and rotations, with which the compiler has failed.
  ("time_series", "h100-2"): 13e6,
  ("copy", "h100-2"): 54e6,
}


@pytest.mark.parametrize(("name", "hardware"), CEILINGS)
def test_a_small_recipe_fits(name, hardware):
  accelerator = accelerators.find(hardware)
  if not accelerators.has_compiler(accelerator):
    pytest.skip("no compiler for it")
  accelerators.prepare()
  experiment = registry.choose(name, mini=True).experiment
  page = preflight.check(experiment, accelerator, name)
  assert not page.training.reason
  assert not page.evaluation.reason
  assert page.training.temporaries < CEILINGS[name, hardware]
  if accelerator.clock:
    assert page.training.cycles > 0
    assert not page.training.undeclared
