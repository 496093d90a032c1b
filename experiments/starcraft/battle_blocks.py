"""Battles that are simulated in blocks, of one compiled call each.

A block's battles are those of its number, in 32 bits whatever JAX's default:
rounding may depend on how many battles are computed at once.
"""

import abc
from collections.abc import Callable, Mapping
import dataclasses
import operator
import threading
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from experiments.training import evaluation

Array = jax.Array
Entries = TypeVar("Entries")

SIZE = 64  # battles of a block

_LOCK = threading.Lock()  # Threads would simulate the same block.


@dataclasses.dataclass(frozen=True)
class Transitions(abc.ABC):
  """Data source of transitions; example i depends on these and i alone.

  Blocks are simulated when the first of their transitions is read, and cached.

  Attributes:
    config: battles, and `num_transitions` taken from each.
    num_battles: number of battles.
    seed: seed of all battles.
  """

  config: Any
  num_battles: int
  seed: int

  @abc.abstractmethod
  def block(self, number: int) -> Mapping[str, np.ndarray]:
    """Returns a block, {name of the entry: [battles, transitions, ...]}."""

  def __len__(self) -> int:
    return self.num_battles * self.config.num_transitions

  def __getitem__(self, index: int) -> dict[str, np.ndarray]:
    index = operator.index(index)
    if not 0 <= index < len(self):
      raise IndexError(f"There are {len(self)} examples, and no {index}.")
    battle, transition = divmod(index, self.config.num_transitions)
    number, row = divmod(battle, SIZE)
    with _LOCK:
      arrays = self.block(number)
    return {name: array[row, transition] for name, array in arrays.items()}


def simulated(
  simulate: Callable[[Array], Mapping[str, Array]],
  dtypes: Mapping[str, Any],
  seed: int,
  number: int,
) -> dict[str, np.ndarray]:
  """Returns the entries of a block, simulated on the CPU.

  Args:
    simulate: random key -> {name of the entry: array}.
    dtypes: of the entries.
    seed: seed of all blocks.
    number: the block's.
  """
  cpu = jax.local_devices(backend="cpu")[0]
  with jax.enable_x64(False), jax.default_device(cpu):
    key = jax.random.fold_in(jax.random.key(seed), number)
    found = jax.device_get(simulate(key))
  return {name: np.asarray(x, dtypes[name]) for name, x in found.items()}


def widened(
  batch: Mapping[str, Any], dtypes: Mapping[str, Any], kind: type[Entries]
) -> Entries:
  """Returns the entries of a named tuple, in 32 bits.

  Args:
    batch: examples, with more entries or not.
    dtypes: of the entries in examples.
    kind: the class of the named tuple.
  """
  wide = {
    name: jnp.float32 if dtypes[name] is np.float32 else jnp.int32
    for name in kind._fields  # type: ignore[attr-defined]
  }
  return kind(*(jnp.asarray(batch[name], x) for name, x in wide.items()))


def sample_steps(
  key: Array,
  weights: Array,  # [steps, B]
  num_transitions: int,
) -> Array:  # [B, num_transitions] integers
  """Samples steps of each battle, spread over it, by their weights."""
  ends = jnp.cumsum(weights, axis=0)
  ends /= jnp.maximum(ends[-1], 1)  # Of an empty field, all are 0.
  shape = (weights.shape[1], num_transitions)
  quantile = jnp.arange(num_transitions) + jax.random.uniform(key, shape)
  quantile /= num_transitions
  quantile = jnp.minimum(quantile, np.nextafter(np.float32(1), np.float32(0)))
  steps = jnp.sum(ends[..., None] <= quantile, axis=0)  # [B, num_transitions]
  return jnp.minimum(steps, len(weights) - 1)


def unchanged(
  example: dict[str, np.ndarray], generator: np.random.Generator
) -> dict[str, np.ndarray]:
  """Returns the example: the transform of a split that is evaluated."""
  del generator
  return example


def points(
  play: Callable[[Array], Array],
  num_battles: int,
  seed: int,
  watch: evaluation.Watch = evaluation.UNWATCHED,
) -> np.ndarray:  # [num_battles]
  """Returns the points of battles.

  Args:
    play: random key -> points of a block of battles.
    num_battles: number of battles.
    seed: seed of all blocks.
    watch: follows it by blocks.
  """
  key = jax.random.key(seed)
  found = []
  for first in watch(range(0, num_battles, SIZE), num_battles, SIZE):
    with jax.enable_x64(False):
      block = play(jax.random.fold_in(key, first // SIZE))
    found.append(np.asarray(block)[: num_battles - first])
  return np.concatenate(found)
