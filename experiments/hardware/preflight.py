"""A recipe's own steps, compiled for hardware that is not here."""

from collections.abc import Callable, Iterator, Mapping, Sequence
import contextlib
import dataclasses
import functools
import hashlib
import json
import pathlib
import time
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache
from jax.sharding import Mesh

from experiments.data import files
from experiments.hardware import accelerators
from experiments.hardware import program_text
from experiments.training import config as training_config
from experiments.training import evaluation
from experiments.training import latent_sizes
from experiments.training import memory
from experiments.training import optimizers
from experiments.training import sharding
from experiments.training import state
from experiments.training import tasks
from experiments.training import trainer
from perceiver import rematerialisation

_JAX_CACHE = "jax_enable_compilation_cache"
# Triton's matrix products are chosen by trying them on a device.
_OPTIONS = {"cuda": {"xla_gpu_enable_triton_gemm": False}}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compiled:
  """The compiler's account of a program. Bytes are those of one device.

  Attributes:
    reason: the compiler's, why it does not compile; empty if it does.
    arguments: bytes of parameters, optimizer state and batch.
    temporaries: bytes of all arrays in between and of results, at most.
    cycles: as the compiler expects; None where it counts none.
    undeclared: kernels that count no cycles.
    collectives: {kind: (number, bytes)}.
    seconds: how long it took to compile.
  """

  reason: str = ""
  arguments: int = 0
  temporaries: int = 0
  cycles: int | None = None
  undeclared: int = 0
  collectives: Mapping[str, Sequence[int]] = dataclasses.field(
    default_factory=dict
  )
  seconds: float = 0.0

  @property
  def memory(self) -> int:
    """Bytes of one device."""
    return self.arguments + self.temporaries


@dataclasses.dataclass(frozen=True, kw_only=True)
class Page:
  """All that is found out about a recipe on some hardware.

  Attributes:
    recipe: its name.
    accelerator: the hardware.
    batch_size: examples of a step, over all devices.
    accumulate: parts that they are computed in.
    fsdp: devices that share the parameters.
    remat: what is computed again for the gradient.
    num_steps: steps of the recipe; None if that depends on data that is not
      here.
    flops: operations of a step and device in the papers' convention: three
      times those of the model's output.
    training: the training step.
    evaluation: the evaluation step; None for tasks with a way of their own.
  """

  recipe: str
  accelerator: accelerators.Accelerator
  batch_size: int
  accumulate: int
  fsdp: int
  remat: str
  num_steps: int | None
  flops: float
  training: Compiled
  evaluation: Compiled | None

  def fits(self) -> bool:
    """Returns whether all of it compiles and fits into memory."""
    have = self.accelerator.memory
    programs = [p for p in (self.training, self.evaluation) if p is not None]
    return all(not p.reason and p.memory <= have for p in programs)

  def milliseconds(self) -> float | None:
    """Returns the compiler's estimate of a step; None where it has none."""
    clock, cycles = self.accelerator.clock, self.training.cycles
    return None if not clock or not cycles else 1e3 * cycles / clock


def check(
  experiment: trainer.Experiment,
  accelerator: accelerators.Accelerator,
  name: str,
  cache: pathlib.Path | None = None,
  devices: Sequence[Any] | None = None,
) -> Page:
  """Compiles a recipe's training and evaluation steps.

  Args:
    experiment: the recipe.
    accelerator: the hardware.
    name: of the recipe.
    cache: folder of the compiler's accounts, by program; None for none.
    devices: those of the hardware, or others in their place.

  Raises:
    accelerators.HardwareError: if the compiler is not installed.
    ValueError: if batch and devices do not fit together.
  """
  config = experiment.train
  mesh = sharding.make_training_mesh(
    config.parallel,
    config.batch_size,
    config.accumulate,
    devices or accelerators.devices(accelerator),
  )
  task = experiment.task()
  compile_ = functools.partial(_compile, accelerator=accelerator, cache=cache)
  return Page(
    recipe=name,
    accelerator=accelerator,
    batch_size=config.batch_size,
    accumulate=config.accumulate,
    fsdp=config.parallel.fsdp,
    remat=remat(experiment.model),
    num_steps=_num_steps(experiment, task),
    flops=3 * task.model.num_flops(config.batch_size) / mesh.size,
    training=compile_(_training_step(config, task, mesh)),
    evaluation=_evaluation(config, task, mesh, compile_),
  )


def remat(config: Any) -> str:
  """Returns the part of a model that its gradient computes again.

  Empty for a model without such a setting.
  """
  return ", ".join(sorted(set(_remats(config).values())))


def remat_options(experiment: trainer.Experiment, value: str) -> list[str]:
  """Returns the command line's options that set rematerialisation."""
  return [
    f"--model.{name.replace('_', '-')} {value}"
    for name in _remats(experiment.model)
  ]


def with_remat(config: Any, value: rematerialisation.Remat) -> Any:
  """Returns a model's configuration in which all processors follow `value`."""
  if isinstance(config, rematerialisation.Remat):
    return value
  if not dataclasses.is_dataclass(config):
    return config
  changes = {
    field.name: with_remat(getattr(config, field.name), value)
    for field in dataclasses.fields(config)
  }
  return dataclasses.replace(config, **changes)  # type: ignore[type-var]


def _remats(config: Any, prefix: str = "") -> dict[str, str]:
  """Returns {dotted name: value} of all such settings in a configuration."""
  found: dict[str, str] = {}
  if not dataclasses.is_dataclass(config):
    return found
  for field in dataclasses.fields(config):
    value = getattr(config, field.name)
    if isinstance(value, rematerialisation.Remat):
      found[prefix + field.name] = value.value
    found |= _remats(value, f"{prefix}{field.name}.")
  return found


def _num_steps(experiment: Any, task: tasks.Task) -> int | None:
  """Returns the recipe's steps; None if its epochs are those of absent data."""
  config: trainer.TrainConfig = experiment.train
  if config.steps:
    return config.steps
  count = getattr(getattr(experiment, "data", None), "num_examples", None)
  try:
    count = count or len(task.train_split().source)
  except (FileNotFoundError, ValueError):
    return None
  return training_config.learning_rate(config, count)[1]


def _batch(
  config: trainer.TrainConfig, task: tasks.Task, mesh: Mesh, size: int
) -> dict[str, jax.ShapeDtypeStruct]:
  """Returns shapes and shardings of a batch, of which no data is needed."""
  if isinstance(task, tasks.HasShapes):
    shapes = tasks.batched(task.example_shapes(), size)
  else:
    shapes = tasks.batch_shapes(task.train_split(), size)
  place = sharding.batch_sharding(mesh)
  return {name: x.update(sharding=place) for name, x in shapes.items()}


def _training_step(
  config: trainer.TrainConfig, task: tasks.Task, mesh: Mesh
) -> Any:
  """Returns the lowered training step."""
  skips = config.non_finite is training_config.NonFinite.SKIP
  batch = _batch(config, task, mesh, config.batch_size)
  # The rate of a step is a number like any other.
  optimizer = optimizers.build(
    config.optimizer, lambda step: config.base_rate + 0.0 * step
  )
  task = latent_sizes.trained(task, config.latents)
  first = state.initializer(task, optimizer, batch, config.seed, skips=skips)
  target = state.abstract(first, mesh, config.parallel.min_sharded_size)
  step = state.make_step(task, optimizer, mesh, target, parts=config.accumulate)
  with config.matmul_precision.context():
    return step.lower(target, batch)  # type: ignore[attr-defined]


def _evaluation(
  config: trainer.TrainConfig,
  task: tasks.Task,
  mesh: Mesh,
  compile_: Callable[[Any], Compiled],
) -> Compiled | None:
  """Compiles the evaluation of a batch, where the trainer evaluates."""
  if isinstance(task, evaluation.HasEvaluator):
    return None
  size = sharding.round_up(mesh, config.evaluation_batch_size)
  batch = _batch(config, task, mesh, size)
  variables = sharding.with_shardings(
    jax.eval_shape(lambda: task.model.init(jax.random.key(0))),
    mesh,
    config.parallel.min_sharded_size,
  )
  sums = evaluation.sums_of_batch(task, mesh)
  with config.eval_matmul_precision.context():
    return compile_(sums.lower(variables, batch))  # type: ignore[attr-defined]


def _compile(
  lowered: Any,
  *,
  accelerator: accelerators.Accelerator,
  cache: pathlib.Path | None,
) -> Compiled:
  """Compiles a program, or reads the account of an equal one."""
  options = _OPTIONS.get(accelerator.platform)
  text = f"{options}{lowered.as_text()}"
  name = hashlib.sha256(text.encode()).hexdigest()[:32]
  path = cache and cache / f"{accelerator.name}-{jax.__version__}-{name}.json"
  if path and path.exists():
    return Compiled(**json.loads(files.read_bytes(path)))
  begun = time.monotonic()
  try:
    with _uncached():
      compiled = lowered.compile(options)
  except jax.errors.JaxRuntimeError as error:
    return Compiled(reason=str(error).strip().split("\n")[0])
  account = _account(compiled, accelerator, time.monotonic() - begun)
  if path:
    files.write_text(path, json.dumps(dataclasses.asdict(account)))
  return account


@contextlib.contextmanager
def _uncached() -> Iterator[None]:
  """Leaves JAX's own cache out: what it holds is loaded onto the devices."""
  was_enabled = getattr(jax.config, _JAX_CACHE)
  jax.config.update(_JAX_CACHE, False)
  compilation_cache.reset_cache()  # It had read the setting once.
  try:
    yield
  finally:
    jax.config.update(_JAX_CACHE, was_enabled)
    compilation_cache.reset_cache()


def _account(
  compiled: Any, accelerator: accelerators.Accelerator, seconds: float
) -> Compiled:
  text = program_text.Program(compiled.as_text())
  total = memory.required(compiled)
  arguments = compiled.memory_analysis().argument_size_in_bytes
  return Compiled(
    arguments=arguments,
    temporaries=total - arguments,
    cycles=text.cycles() if accelerator.clock else None,
    undeclared=len(text.undeclared),
    collectives=text.collectives(),
    seconds=seconds,
  )
