"""Recipes for ImageNet, of both papers.

  python -m experiments.train imagenet --data.source imagenet2012:DIR
  python -m experiments.train imagenet --recipe perceiver
  python -m experiments.train imagenet --mini

Published on 64 TPUs; none has been run at full size with this code. `--mini`
runs the same pipeline, JPEG to checkpoint, on 1,797 digits painted in colours.
Permuted pixels (2103.03206 table 2): add `--model.inputs.permutation-seed 0`.
"""

import dataclasses

from experiments.cli.papers import published
from experiments.image_classification import mixing
from experiments.image_classification import task as classification_task
from experiments.image_classification.imagenet import baselines
from experiments.image_classification.imagenet import crop
from experiments.image_classification.imagenet import data as imagenet_data
from experiments.image_classification.imagenet import mini_model
from experiments.image_classification.imagenet import rand_augment
from experiments.image_classification.imagenet import sources
from experiments.image_classification.imagenet import table_recipes
from experiments.training import optimizers
from experiments.training import schedules
from experiments.training import trainer
import perceiver
from perceiver.models import imagenet


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
  """Image classification, by the recipes of both papers."""

  model: imagenet.ImageClassifierConfig | baselines.GridClassifierConfig
  data: imagenet_data.DataConfig = imagenet_data.DataConfig()
  loss: classification_task.LossConfig
  train: trainer.TrainConfig

  def __post_init__(self) -> None:
    size = (self.data.image_size or self.model.inputs.size[0],) * 2
    if self.model.inputs.size != size or self.model.inputs.channels != 3:
      raise ValueError(
        f"model.inputs is {self.model.inputs.size} with "
        f"{self.model.inputs.channels} channels, but the data gives {size} "
        "with 3; expected a square and 3, or another data.image_size"
      )

  def num_classes(self) -> int:
    """Returns the data's number of classes, which a model follows."""
    return imagenet_data.num_classes(self.data)

  def task(self) -> classification_task.ImageClassification:
    """Returns the task, of images of the model's size."""
    size = self.model.inputs.size[0]
    data = dataclasses.replace(self.data, image_size=size)
    return classification_task.ImageClassification(
      model=perceiver.create(self.model),
      splits=lambda: imagenet_data.splits(
        data, self.model.num_classes, self.loss.mixing.in_pairs
      ),
      loss=self.loss,
      class_names=lambda: imagenet_data.class_names(data),
      max_labels=data.max_labels,
    )


# ------------------------------------ Perceiver IO, 2107.14795 appendix A

# 110 epochs, 2e-3 at batch 1024, flat for half of them, then a cosine to zero;
# no warm-up. Mixing and label smoothing are those of the released code.
_IO_TRAIN = trainer.TrainConfig(
  batch_size=1024,
  epochs=110,
  base_rate=5e-4,
  scale_rate_with_batch=True,
  schedule=schedules.ConstantThenCosine(constant_fraction=0.5),
  optimizer=optimizers.Lamb(weight_decay=0.1, clip_norm=10.0),
  eval_every=12_500,
  best_metric="top_1",
  checkpoint_every=1250,
)
_IO_LOSS = classification_task.LossConfig(
  label_smoothing=0.1, mixing=mixing.MixingConfig(mixup_alpha=0.2, cutmix=True)
)

# ---------------------------------- Perceiver, 2103.03206 §4.1, appendix C

# 120 epochs; a tenth of the rate from epochs 84, 102 and 114 on. The batch size
# and the weight decay are not in the paper: taken from the recipe above.
_PERCEIVER_TRAIN = dataclasses.replace(
  _IO_TRAIN,
  epochs=120,
  base_rate=4e-3,
  scale_rate_with_batch=False,
  schedule=schedules.Steps(boundaries=(84 / 120, 102 / 120, 114 / 120)),
)
_PERCEIVER_LOSS = classification_task.LossConfig()


def _io(model: imagenet.ImageClassifierConfig) -> Experiment:
  return Experiment(model=model, loss=_IO_LOSS, train=_IO_TRAIN)


def _perceiver(name: str) -> Experiment:
  return Experiment(
    model=imagenet.CONFIGS[name], loss=_PERCEIVER_LOSS, train=_PERCEIVER_TRAIN
  )


def _mini() -> Experiment:
  # Distances of RandAugment are in pixels of the full-size pipeline, and
  # flipped digits are no digits.
  augmentation = imagenet_data.AugmentationConfig(
    random_crop=crop.RandomCropConfig(min_area=0.6),
    horizontal_flip=False,
    randaugment=rand_augment.RandAugmentConfig(num_layers=1, magnitude=1.0),
  )
  return Experiment(
    model=mini_model.CONFIG,
    data=imagenet_data.DataConfig(
      source=sources.SYNTHETIC,
      augmentation=augmentation,
    ),
    loss=classification_task.LossConfig(label_smoothing=0.1),
    train=trainer.TrainConfig(
      batch_size=64,
      steps=1500,
      base_rate=2e-3,
      schedule=schedules.WarmupCosine(warmup_steps=100),
      optimizer=optimizers.Adam(weight_decay=0.05, clip_norm=1.0),
      eval_every=500,
      checkpoint_every=500,
      log_every=50,
    ),
  )


_MAIN = {
  "fourier": _io(imagenet.FOURIER),
  "learned": _io(imagenet.LEARNED),
  "conv": _io(imagenet.CONV),
  "perceiver": _perceiver("perceiver_imagenet"),
  "perceiver_learned": _perceiver("perceiver_imagenet_learned"),
}
EXPERIMENTS = {
  **_MAIN,
  **table_recipes.recipes(_MAIN["fourier"], _MAIN["perceiver"]),
}
MINI = _mini()
RESULTS = published.results("imagenet")
