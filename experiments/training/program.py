"""What a run computes, known before anything is computed."""

from collections.abc import Callable
import contextlib
import functools
import math
import pathlib

import jax
from jax.sharding import Mesh

from experiments.cluster import machine
from experiments.data import loader
from experiments.runs import progress
from experiments.runs import provenance
from experiments.training import config as training_config
from experiments.training import evaluation
from experiments.training import latent_sizes
from experiments.training import memory
from experiments.training import optimizers
from experiments.training import pretrained
from experiments.training import profiling
from experiments.training import sharding
from experiments.training import state
from experiments.training import tasks


class Program:
  """A run's length, its first state and its compiled step.

  Attributes:
    split: the examples to learn from.
    rate: the learning rate as a function of the step.
    num_steps: the length of the run.
    skips: whether steps without a number are left out and counted.
    start: the checkpoint whose arrays the first state takes, if any.
    target: shapes and shardings of the state.
  """

  def __init__(
    self,
    config: training_config.TrainConfig,
    task: tasks.Task,
    mesh: Mesh,
    start: pretrained.Start | None = None,
  ) -> None:
    """Builds shapes only.

    Raises:
      training_config.LengthError: if the training is too short.
      latent_sizes.NotOfferedError: if the task cannot be trained for several
        numbers of latents.
    """
    self._trained = latent_sizes.trained(task, config.latents)
    self.split = task.train_split()
    self.rate, self.num_steps = training_config.learning_rate(
      config, len(self.split.source)
    )
    self._config, self._task, self._mesh = config, task, mesh
    self.start = start
    self._optimizer = optimizers.build(config.optimizer, self.rate)
    self._batch = tasks.batch_shapes(self.split, config.batch_size)
    self.skips = config.non_finite is training_config.NonFinite.SKIP
    self.target = self.shapes(self.skips)

  def shapes(self, skips: bool) -> state.TrainState:
    """Returns shapes and shardings of a state that counts skipped steps."""
    size = self._config.parallel.min_sharded_size
    return state.abstract(self._initial(skips), self._mesh, size)

  def first_state(self) -> state.TrainState:
    """Computes the state before the first step."""
    first = state.create(self._initial(self.skips), self.target)
    if self.start is None:
      return first
    return first._replace(variables=self.start.put_into(first.variables))

  def _initial(self, skips: bool) -> Callable[[], state.TrainState]:
    return state.initializer(
      self._trained,
      self._optimizer,
      self._batch,
      self._config.seed,
      skips=skips,
    )

  @functools.cached_property
  def eval_split(self) -> loader.Split:
    """The examples to evaluate on."""
    return self._task.eval_split()

  def metrics(self) -> list[str]:
    """Returns the names of an evaluation's metrics, found by tracing it.

    None are known before it of a task with an evaluator of its own.
    """
    if isinstance(self._task, evaluation.HasEvaluator):
      return []
    size = self._config.evaluation_batch_size
    sums = jax.eval_shape(
      evaluation.sums_of_batch(self._task, self._mesh),
      self.target.variables,
      tasks.batch_shapes(self.eval_split, size),
    )
    return [name for name in sums if name != "weight"]

  @functools.cached_property
  def step(self) -> Callable[..., tuple[state.TrainState, jax.Array]]:
    """The compiled step, from state and batch to next state and loss.

    Raises:
      memory.MemoryLimitError: if the devices have not enough memory.
    """
    function = state.make_step(
      self._trained,
      self._optimizer,
      self._mesh,
      self.target,
      parts=self._config.accumulate,
    )
    place = sharding.batch_sharding(self._mesh)
    batch = {
      name: jax.ShapeDtypeStruct(
        x.shape, jax.dtypes.canonicalize_dtype(x.dtype), sharding=place
      )
      for name, x in self._batch.items()
    }
    if not sharding.process_index():
      progress.write("compiling the step, which may take a minute …")
    with self._config.matmul_precision.context():
      return memory.compile_within(function, self.target, batch)

  def profiled_step(
    self, workdir: pathlib.Path
  ) -> contextlib.AbstractContextManager[
    Callable[..., tuple[state.TrainState, jax.Array]]
  ]:
    """Gives the compiled step, some of whose calls are profiled."""
    return profiling.profiled(self.step, self._config.profile, workdir)

  def announce(self, workdir: pathlib.Path) -> None:
    """Shows what is about to happen."""
    config, mesh = self._config, sharding.describe(self._mesh)
    params = jax.tree.leaves(self.target.variables.params)
    model = getattr(self._task.model, "config", self._task.model)
    evaluation = f"every {config.eval_every} steps" if config.eval_every else ""
    lines = (
      f"run: {self.num_steps:,} steps of {config.batch_size} examples, in "
      f"{workdir}",
      f"model: {type(model).__name__}, "
      f"{sum(math.prod(x.shape) for x in params):,} parameters",
      f"devices: {math.prod(mesh['mesh'].values())} × {mesh['kind']}",
      f"loss every {config.log_every} steps, checkpoint every "
      f"{config.checkpoint_every}, evaluation {evaluation or 'at the end'}",
    )
    warnings = (
      machine.unused_accelerator(mesh["platform"]),
      provenance.describe_move(workdir, mesh),
    )
    if not sharding.process_index():
      progress.write("\n".join([*lines, *filter(None, warnings)]))
