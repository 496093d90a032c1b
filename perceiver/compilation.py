"""Methods of a model as pure functions, compiled on first use."""

from collections.abc import Callable
import functools
from typing import Any

import haiku as hk
import jax

from perceiver import bounds
from perceiver.attention import reference as attention_reference


@functools.lru_cache(maxsize=256)
def transformed(
  config: Any, method: str, reference: bool
) -> hk.TransformedWithState:
  """Returns a method of a model in Haiku's form, with a flag `is_training`."""

  def run(is_training: bool, *args: Any, **kwargs: Any) -> Any:
    with attention_reference.implementation(reference):
      return getattr(config.network(is_training), method)(*args, **kwargs)

  return hk.transform_with_state(run)


@functools.lru_cache(maxsize=256)
def compiled(
  config: Any, method: str, is_training: bool, reference: bool
) -> Callable[..., tuple[Any, Any]]:
  """Returns a method, of params, state, rng and inputs, with its new state."""
  module = transformed(config, method, reference)

  def run(params: Any, state: Any, rng: Any, *args: Any, **kwargs: Any) -> Any:
    return module.apply(params, state, rng, is_training, *args, **kwargs)

  apply = jax.jit(run)

  def checked(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
    for array in jax.tree.leaves((args[3:], kwargs)):
      bounds.check_indices("Model", array)
    return apply(*args, **kwargs)

  return checked
