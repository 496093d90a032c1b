"""Random variables without zeros, made without compilation."""

import jax
import numpy as np

import perceiver


def variables(model: perceiver.Model, seed: int = 0) -> perceiver.Variables:
  """Returns random parameters, norms about 1, and a fresh batch-norm state."""
  generator = np.random.default_rng(seed)

  def parameter(path, leaf):
    x = generator.standard_normal(leaf.shape, np.float32)
    name = path[-1].key
    if name == "w":
      return x / np.sqrt(np.prod(leaf.shape[-2:-1])).astype(np.float32)
    return 1 + np.float32(0.1) * x if name == "scale" else np.float32(0.5) * x

  def statistic(path, leaf):
    one = "var_ema" in path[0].key and path[-1].key != "counter"
    return np.full(leaf.shape, int(one), leaf.dtype)

  params, state = model.shapes()
  return perceiver.Variables(
    jax.tree_util.tree_map_with_path(parameter, params),
    jax.tree_util.tree_map_with_path(statistic, state),
  )
