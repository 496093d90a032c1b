"""Many layers of one kind as one loop over stacked parameters.

A network of 48 unrolled layers takes minutes to compile; a loop over stacked
parameters compiles one layer. The parameters of a stack have one leading axis
more, as long as the stack is deep, and stand under a module named "stack".
"""

from collections.abc import Callable
import enum
import re
from typing import Any

import haiku as hk
import jax

Array = jax.Array
# (key or None, activations) -> activations of the same shape
Layer = Callable[[Array | None, Array], Array]

_STACK = "stack"


class Remat(enum.Enum):
  """What of a layer's inside is computed again in the backward pass.

  NOTHING keeps all of it. ALL keeps the layer's inputs only: a third more
  operations, for memory that grows with N·D per layer. ATTENTION keeps the
  results of linear maps too, and computes attention, norms and activations
  again.
  """

  NOTHING = "nothing"
  ATTENTION = "attention"
  ALL = "all"


def num_stacked_axes(module_name: str) -> int:
  """Returns how many leading axes of a module's parameters count layers."""
  # Haiku calls the second stack of one module "stack_1".
  stack = re.compile(rf"{_STACK}(_\d+)?")
  return sum(map(bool, map(stack.fullmatch, module_name.split("/"))))


def bind(layer: Callable[[Array], Array], example: Array, name: str) -> Layer:
  """Makes the parameters of `layer` and returns it as a pure function.

  Args:
    layer: a function that calls Haiku modules, activations -> activations.
    example: an array of the shape and dtype of the activations.
    name: the module under which the parameters are found.

  Returns:
    A function of (key, activations) that may be called any number of times,
    also inside `jax.lax.scan`, and always uses the same parameters.
  """
  transformed = hk.transform(layer)
  params = _lift(transformed.init, example, name)
  return lambda key, x: transformed.apply(params, key, x)


def stack(
  layer: Callable[[Array], Array],
  length: int,
  example: Array,
  *,
  remat: Remat = Remat.NOTHING,
) -> Layer:
  """Makes `length` layers of the same kind, each with its own parameters.

  Args:
    layer: a function that calls Haiku modules, activations -> activations.
    length: the number of layers; with 0 the result is the identity.
    example: an array of the shape and dtype of the activations.
    remat: what the backward pass computes again instead of keeping it from
      the forward pass.

  Returns:
    A pure function of (key, activations) that runs through all layers.
  """
  if not length:
    return lambda key, x: x
  transformed = hk.transform(layer)

  def init(key: Array, x: Array) -> Any:
    keys = jax.random.split(key, length)
    return jax.vmap(transformed.init, in_axes=(0, None))(keys, x)

  params = _lift(init, example, _STACK)
  apply = _rematerialised(transformed.apply, remat)

  def run(key: Array | None, x: Array) -> Array:
    def step(carry: Array, layer_inputs: Any) -> tuple[Array, None]:
      layer_params, layer_key = layer_inputs
      return apply(layer_params, layer_key, carry), None

    return jax.lax.scan(step, x, (params, _split(key, length)))[0]

  return run


def _rematerialised(
  apply: Callable[..., Array], remat: Remat
) -> Callable[..., Array]:
  if remat is Remat.NOTHING:
    return apply
  policies = jax.checkpoint_policies
  # Products of attention have batch axes, those of linear maps have none.
  keep = policies.dots_with_no_batch_dims_saveable
  return jax.checkpoint(apply, policy=None if remat is Remat.ALL else keep)


def repeat(layer: Layer, times: int) -> Layer:
  """Returns `layer` applied `times` times in a row, as one loop."""
  if not times:  # JAX runs no empty loop where compilation is off
    return lambda key, x: x
  if times == 1:
    return layer

  def run(key: Array | None, x: Array) -> Array:
    def step(carry: Array, step_key: Array | None) -> tuple[Array, None]:
      return layer(step_key, carry), None

    return jax.lax.scan(step, x, _split(key, times), length=times)[0]

  return run


def chain(first: Layer, second: Layer) -> Layer:
  """Returns `first` followed by `second`."""

  def run(key: Array | None, x: Array) -> Array:
    keys = (None, None) if key is None else tuple(jax.random.split(key))
    return second(keys[1], first(keys[0], x))

  return run


def _lift(init: Callable[..., Any], example: Array, name: str) -> Any:
  """Makes or finds the parameters of `init` under the current module."""
  key = hk.next_rng_key() if hk.running_init() else None
  return hk.lift(init, name=name)(key, example)


def _split(key: Array | None, num: int) -> Array | None:
  return None if key is None else jax.random.split(key, num)
