"""Schedules and optimizer of the released Perceiver AR."""

import jax
import numpy as np
import pytest

from experiments.generation import recipes
from experiments.training import optimizers
from experiments.training import schedules
from tests.helpers import fill
from tests.helpers import perceiver_ar_goldens as goldens

_STEPS = 1_000_000


@pytest.mark.parametrize("warmup", [0, 1000, 10_000])
@pytest.mark.parametrize("kind", ["constant", "cosine"])
def test_schedules_are_the_released_ones(kind, warmup):
  """The cosine begins after the warm-up, and so ends as much later."""
  arrays = goldens.arrays("schedules")
  config = schedules.Constant()
  if kind == "cosine":
    config = schedules.WarmupCosine(warmup_steps=warmup)
  elif warmup:
    config = schedules.WarmupConstant(warmup_steps=warmup)
  rate = schedules.build(config, 3e-4, _STEPS + warmup, 1.0)
  found = [rate(int(step)) for step in arrays["steps"]]
  np.testing.assert_allclose(
    found, arrays[f"{kind}_{warmup}"], rtol=1e-5, atol=1e-9
  )


def test_updates_are_the_released_ones():
  arrays = goldens.arrays("optimizer")
  rate = schedules.build(
    schedules.WarmupConstant(warmup_steps=2), 0.01, 10, 1.0
  )
  chain = optimizers.build(recipes.ADAM, rate)
  shapes = {
    tuple(key.split("|")[1:]): array.shape
    for key, array in arrays.items()
    if key.startswith("0|")
  }
  trained = {k: s for k, s in shapes.items() if k[0] != "embed_1"}
  tree = lambda make: {
    module: {k[1]: make(k) for k in trained if k[0] == module}
    for module in {k[0] for k in trained}
  }
  params = tree(lambda k: np.array(arrays[f"0|{k[0]}|{k[1]}"]))
  state = chain.init(params)
  for step, factor in enumerate((20, 0.01, 1, 20)):
    gradients = tree(
      lambda k, step=step, factor=factor: (
        factor * fill.array(trained[k], goldens.SALT, "grad", str(step), *k)
      )
    )
    updates, state = chain.update(gradients, state, params)
    params = jax.tree.map(np.add, params, updates)
    for module, entries in params.items():
      for name, array in entries.items():
        expected = arrays[f"{step}|{module}|{name}"]
        np.testing.assert_allclose(array, expected, atol=1e-5)
