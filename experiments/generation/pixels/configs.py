"""Recipes for images, pixel by pixel.

  python -m experiments.train pixels --mini
  python -m experiments.train pixels --data.source FOLDER

Fashion-MNIST is prepared by `experiments.prepare fashion-mnist`; `--mini`
learns from scikit-learn's digits. `--recipe imagenet_64` is the published
model, whose data have no reader here: `experiments.preflight` compiles its
training step.
"""

import dataclasses
import math
import pathlib

import numpy as np

from experiments.data import fashion_mnist
from experiments.data import loader
from experiments.generation import plots
from experiments.generation import recipes
from experiments.generation import samples
from experiments.generation import sequences
from experiments.generation import task as generation_task
from experiments.generation.pixels import data as pixels_data
from experiments.training import schedules
from experiments.training import tasks
from perceiver import autoregressive
from perceiver.autoregressive import sequence_positions
from perceiver.models import perceiver_ar

_NUM_SAMPLES, _MOST_ELEMENTS = 16, 4096


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment(recipes.Experiment):
  """Images, pixel by pixel."""

  data: pixels_data.DataConfig = pixels_data.DataConfig()

  unit = "dimension"

  def __post_init__(self) -> None:
    if sequence_positions.grid(self.model.positions) is None:
      raise ValueError(
        f"Experiment: positions are {self.model.positions}; expected those of "
        "a grid of pixels"
      )

  def _grid(self) -> tuple[int, int, int]:
    grid = sequence_positions.grid(self.model.positions)
    assert grid is not None  # It is checked when the experiment is made.
    return grid

  def splits(self) -> tuple[loader.Split, loader.Split]:
    """Opens both splits."""
    return pixels_data.splits(
      self.data, self._grid(), self.model.context, self.model.num_latents
    )

  def draw(self, sampler: samples.Sampler) -> list[pathlib.Path]:
    """Draws images, unless they have so many elements that it takes minutes."""
    grid = self._grid()
    if math.prod(grid) > _MOST_ELEMENTS:
      return []
    prompts = [np.array([sequences.START])] * _NUM_SAMPLES
    added = sampler.continued(prompts, math.prod(grid), of_pixels=True)
    images = np.stack([np.frombuffer(image, np.uint8) for image in added])
    picture = sampler.folder / "samples.png"
    plots.sheet(picture, images.reshape(-1, *grid), "Images of the model's own")
    return [picture]


def _model(
  num_latents: int, num_layers: int, channels: int
) -> autoregressive.AutoregressiveConfig:
  rows, columns = fashion_mnist.SIZE
  return perceiver_ar.perceiver_ar(
    context=rows * columns,
    num_latents=num_latents,
    num_layers=num_layers,
    channels=channels,
    num_heads=4,
    positions=autoregressive.Learned(
      sizes=(columns + 2, rows + 2, 3), grid=(rows, columns, 1)
    ),
  )


_TRAIN = dataclasses.replace(recipes.TRAIN, batch_size=32, steps=10_000)
MINI = Experiment(
  model=_model(num_latents=112, num_layers=2, channels=64),
  data=pixels_data.DataConfig(
    source=fashion_mnist.Source(fashion_mnist.Kind.SYNTHETIC), eval_windows=256
  ),
  train=dataclasses.replace(_TRAIN, steps=500, eval_every=250),
)
EXPERIMENTS = {
  "fashion_mnist": Experiment(
    model=_model(num_latents=196, num_layers=4, channels=128), train=_TRAIN
  ),
  "imagenet_64": Experiment(
    model=perceiver_ar.IMAGENET_64,
    loss=generation_task.LossConfig(summed=True),
    train=dataclasses.replace(
      _TRAIN,
      batch_size=2048,
      steps=750_000,
      base_rate=3e-4,
      schedule=schedules.WarmupConstant(warmup_steps=10_000),
      eval_every=10_000,
      eval_batch_size=4,
    ),
  ),
}
RESULTS = {
  "imagenet_64": tasks.Result(
    metric="bits_per_dimension",
    paper=3.40,
    source="Perceiver AR (2202.07765)",
    split="imagenet_64 validation",
  )
}
