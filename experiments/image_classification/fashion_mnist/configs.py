"""Recipes for Fashion-MNIST, real images on which a CPU is enough.

  apt-get download dataset-fashion-mnist
  python -m experiments.prepare fashion-mnist ARCHIVE DIR
  python -m experiments.train fashion-mnist --data.source DIR
  python -m experiments.train fashion-mnist --mini

Training is on all 60,000 training images, and the 10,000 test images are
evaluated once, at the end. For choices between settings, `--data.hold-out`
evaluates the last 5,000 training images in their place. With `NAME_permuted`
the pixels of all images are shuffled by one permutation, as in 2103.03206 table
2. `--mini` runs the same code on scikit-learn's digits, enlarged.
"""

import dataclasses

from experiments.data import fashion_mnist
from experiments.image_classification import convnet
from experiments.image_classification import mixing
from experiments.image_classification import task as classification_task
from experiments.image_classification.fashion_mnist import data as fashion_data
from experiments.training import optimizers
from experiments.training import schedules
from experiments.training import trainer
import perceiver
from perceiver import blocks
from perceiver import decoder
from perceiver import position_encoding
from perceiver.adapters import image
from perceiver.models import imagenet

_PERMUTATION_SEED = 0

Model = imagenet.ImageClassifierConfig | convnet.ConvNetConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
  """Classification of clothes."""

  model: Model
  data: fashion_data.DataConfig = fashion_data.DataConfig()
  loss: classification_task.LossConfig = classification_task.LossConfig(
    label_smoothing=0.1,
    mixing=mixing.MixingConfig(
      mixup_alpha=None, cutmix=False, within_batch=True
    ),
  )
  train: trainer.TrainConfig

  def task(self) -> classification_task.ImageClassification:
    """Returns the task."""
    return classification_task.ImageClassification(
      model=perceiver.create(self.model),
      splits=lambda: fashion_data.splits(self.data),
      loss=self.loss,
      top_k=(1,),
      class_names=lambda: fashion_mnist.CLASS_NAMES,
    )


_FOURIER = image.ImageInputConfig(
  size=fashion_mnist.SIZE,
  channels=1,
  positions=position_encoding.Fourier(
    num_bands=8, max_resolution=fashion_mnist.SIZE
  ),
)
_LEARNED = dataclasses.replace(
  _FOURIER, positions=position_encoding.Learned(channels=32, init_scale=1.0)
)
_CONV = dataclasses.replace(
  _FOURIER,
  features=image.ConvPool(num_channels=32),
  positions=position_encoding.Fourier(num_bands=3, max_resolution=(7, 7)),
)


def _perceiver(
  inputs: image.ImageInputConfig,
) -> imagenet.ImageClassifierConfig:
  return imagenet.image_classifier(
    inputs,
    decoder.DecoderConfig(
      query_channels=64, output_channels=len(fashion_mnist.CLASS_NAMES)
    ),
    num_latents=32,
    latent_channels=64,
    num_blocks=1,
    num_self_attends_per_block=5,
    cross_attention=blocks.CrossAttentionConfig(qk_channels=64),
    self_attention=blocks.SelfAttentionConfig(num_heads=4),
  )


def _convnet(inputs: image.ImageInputConfig) -> convnet.ConvNetConfig:
  return convnet.ConvNetConfig(
    inputs=inputs, num_classes=len(fashion_mnist.CLASS_NAMES)
  )


_TRAIN = trainer.TrainConfig(
  batch_size=64,
  epochs=16,
  base_rate=2e-3,
  schedule=schedules.WarmupCosine(warmup_steps=200),
  optimizer=optimizers.Adam(weight_decay=0.05, clip_norm=1.0),
  checkpoint_every=500,
  log_every=100,
)
_MODELS: dict[str, Model] = {
  "fourier": _perceiver(_FOURIER),
  "learned": _perceiver(_LEARNED),
  "conv": _perceiver(_CONV),
  "convnet": _convnet(_FOURIER),
}


def _permuted(model: Model) -> Model:
  inputs = dataclasses.replace(model.inputs, permutation_seed=_PERMUTATION_SEED)
  return dataclasses.replace(model, inputs=inputs)


EXPERIMENTS = {
  name: Experiment(model=model, train=_TRAIN)
  for name, plain in _MODELS.items()
  for name, model in ((name, plain), (f"{name}_permuted", _permuted(plain)))
}
MINI = Experiment(
  model=_MODELS["fourier"],
  data=fashion_data.DataConfig(
    source=fashion_mnist.Source(fashion_mnist.Kind.SYNTHETIC),
    augmentation=fashion_data.AugmentationConfig(horizontal_flip=False),
  ),
  train=dataclasses.replace(
    _TRAIN, epochs=None, steps=500, eval_every=250, log_every=50
  ),
)
