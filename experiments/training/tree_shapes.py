"""Shapes of the arrays in a tree, by their paths."""

from typing import Any

import jax


def shapes(tree: Any) -> dict[str, tuple[int, ...]]:
  """Returns {path: shape} of the arrays in a tree or in its description."""
  leaves = jax.tree_util.tree_leaves_with_path(
    tree, is_leaf=lambda x: hasattr(x, "shape")
  )
  name = lambda path: " / ".join(_key_name(key) for key in path)
  return {
    name(path): _shape(leaf) for path, leaf in leaves if hasattr(leaf, "shape")
  }


def _shape(leaf: Any) -> tuple[int, ...]:
  dtype = getattr(leaf, "dtype", None)
  if dtype is not None and jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key):
    leaf = jax.eval_shape(jax.random.key_data, leaf)  # as Orbax stores it
  return tuple(leaf.shape)


def _key_name(key: Any) -> str:
  for attribute in ("key", "name", "idx"):
    if hasattr(key, attribute):
      return str(getattr(key, attribute))
  return str(key)
