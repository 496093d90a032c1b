"""The optimizers of the papers: LAMB (You et al., 2019) and Adam.

Order, as released: clip the global norm, Adam's direction, plus decayed
weights, times the trust ratio (LAMB), times the learning rate.
"""

from collections.abc import Callable
import dataclasses
import re
from typing import Any

import jax
import jax.numpy as jnp
import optax

from perceiver import bounds

Array = jax.Array
Params = Any  # {module name: {parameter name: array}}

_BIASES = ("b", "bias")
_POSITIONS = "embeddings"
# Haiku calls the second stack of one module "stack_1".
_STACK = re.compile(r"stack(_\d+)?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adam:
  """Adam with weight decay apart from the gradient (AdamW).

  Defaults are the ImageNet recipe's (Perceiver IO, A.1).

  Attributes:
    b1: decay of the running mean of gradients.
    b2: decay of the running mean of squared gradients.
    eps: added to the root of the latter.
    weight_decay: added to the direction, times the parameter. Biases and
      normalisation parameters are exempt.
    clip_norm: largest global gradient norm; None for no clipping.
    decay_positions: whether learned positions, latents and queries decay.
  """

  b1: float = 0.9
  b2: float = 0.999
  eps: float = 1e-6
  weight_decay: float = 0.1
  clip_norm: float | None = 10.0
  decay_positions: bool = True

  def __post_init__(self) -> None:
    bounds.check_ranges(self, b1="[0, 1)", b2="[0, 1)", clip_norm="(0, inf)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lamb(Adam):
  """Adam whose step is scaled, layer by layer, to the parameter's own norm."""


Optimizer = Lamb | Adam


def build(
  config: Optimizer, schedule: optax.Schedule
) -> optax.GradientTransformation:
  """Makes the whole chain from gradient to update.

  Args:
    config: which optimizer.
    schedule: learning rate of the step, counted from 0.

  Returns:
    A transformation whose updates are to be added to the parameters.
  """
  clip = optax.identity()  # The state is the same with and without it.
  if config.clip_norm is not None:
    clip = optax.clip_by_global_norm(config.clip_norm)
  chain = [clip]
  chain.append(optax.scale_by_adam(config.b1, config.b2, config.eps))
  mask = lambda params: decay_mask(
    params, decay_positions=config.decay_positions
  )
  chain.append(optax.add_decayed_weights(config.weight_decay, mask))
  if isinstance(config, Lamb):
    chain.append(scale_by_layer_trust_ratio())
  chain.append(optax.scale_by_learning_rate(schedule))
  return optax.chain(*chain)


def num_stacked_axes(module_name: str) -> int:
  """Returns the number of leading axes of a module's parameters for layers."""
  return len(list(filter(_STACK.fullmatch, module_name.split("/"))))


def decay_mask(params: Params, *, decay_positions: bool) -> Any:
  """Returns a tree like `params`, True where weight decay applies."""

  def decays(module: str, name: str) -> bool:
    if module.split("/")[-1].endswith("norm") or name in _BIASES:
      return False
    return decay_positions or name != _POSITIONS

  return {
    module: {name: decays(module, name) for name in entries}
    for module, entries in params.items()
  }


def scale_by_layer_trust_ratio(
  num_layer_axes: Callable[[str], int] = num_stacked_axes,
) -> optax.GradientTransformation:
  """Scales each layer's update to the norm of that layer's parameter.

  A parameter that stands for a stack of layers has one ratio per layer, so
  stacking does not change what is learned. Where either norm is zero the
  update stays as it is.

  Args:
    num_layer_axes: number of leading axes of a module's parameters that
      count layers; each of those layers has its own trust ratio.
  """

  def update(updates: Params, state: Any, params: Params | None) -> Any:
    if params is None:
      raise ValueError(optax.NO_PARAMS_MSG)
    scaled = {
      module: {
        name: value
        * _trust_ratio(params[module][name], value, num_layer_axes(module))
        for name, value in entries.items()
      }
      for module, entries in updates.items()
    }
    return scaled, state

  return optax.GradientTransformation(lambda _: optax.EmptyState(), update)


def _trust_ratio(param: Array, update: Array, stacked: int) -> Array:
  """Returns |param| / |update| per layer, shaped to multiply `update`."""
  axes = tuple(range(stacked, param.ndim))
  norm = lambda x: jnp.sqrt(jnp.sum(x * x, axis=axes, keepdims=True))
  above, below = norm(param), norm(update)
  usable = (above > 0) & (below > 0)
  return jnp.where(usable, above / jnp.where(usable, below, 1), 1)
