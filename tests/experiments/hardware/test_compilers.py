"""Mini recipes compiled for accelerators, where the compilers are installed."""

import jax
from jax.experimental.compilation_cache import compilation_cache
import pytest

from experiments.cli import registry
from experiments.hardware import accelerators
from experiments.hardware import preflight

# Bytes of temporaries at most, of one device.
CEILINGS = {
  ("imagenet", "tpu-v5e-4"): 10**9,
  ("digits", "tpu-v5e-4"): 10**9,
  ("imagenet", "h100-2"): 10**9,
  ("digits", "h100-2"): 10**9,
}


@pytest.fixture(autouse=True)
def uncached():
  """Programs for devices that are not here cannot be read from the cache."""
  jax.config.update("jax_enable_compilation_cache", False)
  compilation_cache.reset_cache()
  yield
  jax.config.update("jax_enable_compilation_cache", True)
  compilation_cache.reset_cache()


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
