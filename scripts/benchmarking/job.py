"""One measurement: who computes what, and what came out."""

from collections.abc import Mapping
import dataclasses
import enum
import json
import resource
from typing import Any

import jax
import numpy as np

import perceiver
from perceiver import model as perceiver_model
from scripts.benchmarking import cases


class Who(enum.Enum):
  """Whose code computes.

  OURS is the library; REFERENCE its reference implementation, every array as
  wide as the formulas say; TRANSFORMERS the port of Hugging Face on PyTorch.
  """

  OURS = "ours"
  REFERENCE = "reference"
  TRANSFORMERS = "transformers"


class What(enum.Enum):
  """What is computed: outputs, or the parameters' gradient of their square."""

  FORWARD = "forward"
  GRADIENT = "gradient"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
  """What one process is to measure.

  Attributes:
    who: whose code.
    what: outputs or gradient.
    case: a name in `cases.CASES`.
    batch_size: examples at a time.
    size: of the inputs; the published one if None.
    precision: of the activations.
  """

  who: Who
  what: What
  case: str
  batch_size: int
  size: tuple[int, ...] | None = None
  precision: perceiver_model.Precision = perceiver_model.Precision.FLOAT32

  def model(self) -> perceiver.Model:
    """Returns our model for it."""
    return cases.CASES[self.case].model(
      self.size, self.precision, reference=self.who is Who.REFERENCE
    )

  def inputs(self) -> tuple[Any, ...]:
    """Returns arguments of `apply`, the same for everybody."""
    case = cases.CASES[self.case]
    return case.inputs(
      self.model().config, self.batch_size, np.random.default_rng(0)
    )

  def to_json(self) -> str:
    """Returns the job as a line of text."""
    values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
    return json.dumps(
      {n: x.value if isinstance(x, enum.Enum) else x for n, x in values.items()}
    )


def from_json(text: str) -> Job:
  """Returns the job that `Job.to_json` wrote."""
  values = json.loads(text)
  size = values["size"]
  return Job(
    who=Who(values["who"]),
    what=What(values["what"]),
    case=values["case"],
    batch_size=values["batch_size"],
    size=None if size is None else tuple(size),
    precision=perceiver_model.Precision(values["precision"]),
  )


def random_variables(model: perceiver.Model) -> perceiver.Variables:
  """Returns variables without a zero among them.

  Freshly initialised models of flow give zeros, which hides mistakes.
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
  """Returns all outputs in one row, modalities by name."""
  if isinstance(outputs, Mapping):
    return np.concatenate([flat(outputs[name]) for name in sorted(outputs)])
  return np.asarray(outputs, np.float32).reshape(-1)


def resident() -> int:
  """Returns the bytes of memory that this process holds now."""
  with open("/proc/self/statm") as file:
    return int(file.read().split()[1]) * resource.getpagesize()


def forget_peak() -> None:
  """Begins to look for the process's largest memory anew."""
  with open("/proc/self/clear_refs", "w") as file:
    file.write("5")


def peak() -> int:
  """Returns the most bytes that this process has held since then."""
  with open("/proc/self/status") as file:
    line = next(line for line in file if line.startswith("VmHWM"))
  return int(line.split()[1]) * 1024
