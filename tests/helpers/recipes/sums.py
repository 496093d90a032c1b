"""An experiment that takes no time: a small network learns a sum.

It has all that the trainer must take care of: dropout, model state, parameters
that decay and that do not, and a split that no batch size divides.
"""

import dataclasses
import os
import pathlib
import time
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.data import loader
from experiments.training import losses as training_losses
from experiments.training import optimizers
from experiments.training import schedules
from experiments.training import tasks
from experiments.training import trainer
import perceiver

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
  channels: int = 8

  def network(self, is_training: bool = False) -> "Network":
    return Network(self, is_training, name="tiny")

  def example(self, batch_size: int = 1) -> tuple[jax.ShapeDtypeStruct]:
    return (jax.ShapeDtypeStruct((batch_size, 4), jnp.float32),)


@dataclasses.dataclass
class Network(hk.Module):
  config: ModelConfig
  is_training: bool = False
  name: str | None = None

  def __call__(self, x: Array) -> Array:  # [B, 4] -> [B, 2]
    mean = hk.get_state("mean", [4], init=jnp.zeros)
    if self.is_training:
      hk.set_state("mean", 0.9 * mean + 0.1 * x.mean(0))
    h = jax.nn.relu(hk.Linear(self.config.channels, name="hidden")(x - mean))
    h = hk.LayerNorm(-1, True, True, name="hidden_norm")(h)
    if self.is_training and (key := hk.maybe_next_rng_key()) is not None:
      h *= jax.random.bernoulli(key, 0.9, h.shape)
    return hk.Linear(2, name="output")(h)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """Sizes of the splits.

  Attributes:
    num_train: examples to learn from.
    num_eval: examples to evaluate on.
    poisoned: whether an input is infinite.
    data_dir: unused.
  """

  num_train: int = 48
  num_eval: int = 21
  poisoned: bool = False
  data_dir: pathlib.Path | None = None


class Source:
  """Points in four dimensions; the label is whether their sum is positive."""

  def __init__(self, seed: int, size: int, poisoned: bool) -> None:
    rng = np.random.default_rng(seed)
    self._inputs = rng.standard_normal((size, 4), np.float32)
    self._poisoned = poisoned

  def __len__(self) -> int:
    return len(self._inputs)

  def __getitem__(self, index: Any) -> dict[str, np.ndarray]:
    inputs = self._inputs[index]
    label = np.int32(inputs.sum() > 0)
    if self._poisoned and index == 0:
      inputs = inputs * np.float32("inf")
    return {"inputs": inputs, "labels": label}


def _noisy(
  example: Any, generator: np.random.Generator
) -> dict[str, np.ndarray]:
  time.sleep(float(os.environ.get("TINY_SECONDS_PER_EXAMPLE", 0)))
  noise = 0.1 * generator.standard_normal(4, np.float32)
  return {**example, "inputs": example["inputs"] + noise}


@dataclasses.dataclass(frozen=True)
class Task:
  model: perceiver.Model
  data: DataConfig

  def train_split(self) -> loader.Split:
    source = Source(0, self.data.num_train, self.data.poisoned)
    return loader.Split(source, _noisy, "tiny train")

  def eval_split(self) -> loader.Split:
    source = Source(1, self.data.num_eval, False)
    return loader.Split(source, lambda example, _: example, "tiny eval")

  def losses(
    self,
    variables: Any,
    batch: tasks.Batch,
    *,
    rng: Array | None,
    is_training: bool,
  ) -> tasks.Losses:
    logits, state = self.model.apply_and_update(
      variables, batch["inputs"], rng=rng, is_training=is_training
    )
    targets = jax.nn.one_hot(batch["labels"], 2)
    correct = training_losses.top_k_correct(logits, batch["labels"])
    loss = optax.losses.softmax_cross_entropy(logits, targets)
    return tasks.Losses(loss, {"top_1": correct}, state)

  def plots(self, variables: Any, workdir: pathlib.Path) -> list[pathlib.Path]:
    path = workdir / "picture.txt"
    path.write_text("a picture")
    return [path]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
  """The task: whether four numbers have a positive sum."""

  model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
  data: DataConfig = dataclasses.field(default_factory=DataConfig)
  train: trainer.TrainConfig

  def task(self) -> Task:
    return Task(perceiver.create(self.model), self.data)


_TRAIN = trainer.TrainConfig(
  batch_size=8,
  steps=40,
  base_rate=0.02,
  schedule=schedules.WarmupCosine(warmup_steps=4),
  optimizer=optimizers.Adam(weight_decay=0.01),
  eval_every=10,
  checkpoint_every=5,
  log_every=3,
)

EXPERIMENTS = {
  "plain": Experiment(train=_TRAIN),
  "wide": Experiment(model=ModelConfig(channels=32), train=_TRAIN),
}
MINI = Experiment(train=dataclasses.replace(_TRAIN, steps=6))
RESULTS = {
  "plain": tasks.Result(
    metric="top_1", paper=0.9, source="no paper", split="tiny eval"
  ),
}
