"""A job of the benchmark: implementation, computation, model and inputs."""

from collections.abc import Mapping
import dataclasses
import enum
import resource
from typing import Any

import jax
import numpy as np

import perceiver
from perceiver import model as perceiver_model
from scripts.benchmarking import cases


class Implementation(enum.Enum):
  """The code that computes.

  OURS is the library; REFERENCE its reference implementation, every array as
  wide as the formulas say; TRANSFORMERS the port of Hugging Face on PyTorch.
  """

  OURS = "ours"
  REFERENCE = "reference"
  TRANSFORMERS = "transformers"


class Computation(enum.Enum):
  """Outputs, or the gradient of their mean square for the parameters."""

  FORWARD = "forward"
  GRADIENT = "gradient"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
  """One measurement, made by a process of its own.

  Attributes:
    implementation: the code.
    computation: outputs or gradient.
    case: a name in `cases.CASES`.
    batch_size: examples at a time.
    size: of the inputs; the published one if None.
    precision: of the activations.
  """

  implementation: Implementation
  computation: Computation
  case: str
  batch_size: int
  size: tuple[int, ...] | None = None
  precision: perceiver_model.Precision = perceiver_model.Precision.FLOAT32

  def model(self) -> perceiver.Model:
    """Returns our model of the case."""
    return cases.CASES[self.case].model(
      self.size,
      self.precision,
      reference=self.implementation is Implementation.REFERENCE,
    )

  def inputs(self) -> tuple[Any, ...]:
    """Returns arguments of `apply`, the same for all implementations."""
    case = cases.CASES[self.case]
    return case.inputs(
      self.model().config, self.batch_size, np.random.default_rng(0)
    )


def random_variables(model: perceiver.Model) -> perceiver.Variables:
  """Returns random variables, none of them zero.

  The outputs of a freshly initialised flow model are zeros, which hide errors.
  """
  generator = np.random.default_rng(0)

  def parameter(path: Any, leaf: Any) -> np.ndarray:
    x = generator.standard_normal(leaf.shape, np.float32)
    name = path[-1].key
    if name == "w":
      return x / np.sqrt(np.prod(leaf.shape[-2:-1])).astype(np.float32)
    return 1 + np.float32(0.1) * x if name == "scale" else np.float32(0.1) * x

  def statistic(path: Any, leaf: Any) -> np.ndarray:
    one = "var_ema" in path[0].key and path[-1].key != "counter"
    return np.full(leaf.shape, int(one), leaf.dtype)

  params, state = model.shapes()
  return perceiver.Variables(
    jax.tree_util.tree_map_with_path(parameter, params),
    jax.tree_util.tree_map_with_path(statistic, state),
  )


def flat(outputs: Any) -> np.ndarray:
  """Returns all outputs as one vector, modalities in order of their names."""
  if isinstance(outputs, Mapping):
    return np.concatenate([flat(outputs[name]) for name in sorted(outputs)])
  return np.asarray(outputs, np.float32).reshape(-1)


def sample(outputs: np.ndarray, length: int = 4096) -> np.ndarray:
  """Returns about `length` evenly spaced outputs, to compare with others'."""
  return outputs[:: max(1, len(outputs) // length)]


def resident() -> int:
  """Returns the bytes of memory that this process holds now."""
  with open("/proc/self/statm") as file:
    return int(file.read().split()[1]) * resource.getpagesize()


def forget_peak() -> None:
  """Resets the maximum that `peak` returns."""
  with open("/proc/self/clear_refs", "w") as file:
    file.write("5")


def peak() -> int:
  """Returns the maximum of `resident` since the last `forget_peak`."""
  with open("/proc/self/status") as file:
    line = next(line for line in file if line.startswith("VmHWM"))
  return int(line.split()[1]) * 1024
