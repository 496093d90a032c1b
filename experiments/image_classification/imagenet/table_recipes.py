"""Recipes of further rows of both papers' tables and figures, as data.

Each is one of two, Perceiver IO's or the Perceiver's, with what differs.
"""

from collections.abc import Mapping
import dataclasses
from typing import Any

from experiments.image_classification import task as classification_task
from experiments.image_classification.imagenet import baselines
from experiments.image_classification.imagenet import rand_augment
from experiments.image_classification.imagenet import sources
from experiments.training import schedules
from perceiver import position_encoding
from perceiver.models import imagenet

# 2107.14795 table 7: the mean decoder, with Perceiver IO's training.
_MEAN_DECODERS = {
  "mean_fourier": "perceiver_imagenet_1_cross_attend",
  "mean_learned": "perceiver_imagenet_1_cross_attend_learned",
  "mean_conv": "perceiver_imagenet_1_cross_attend_conv",
}
# Configuration B's learning rates in fine-tuning.
_LARGE = {"fourier": 0.002, "projected": 0.002, "conv": 0.0002}
# 2103.03206 tables 5, 6 and 7, with the Perceiver's training.
_ABLATIONS = {
  **{f"{n}_alone": f"{n}_cross_attends_only" for n in (4, 8, 12)},
  "1_interleaved": "1_cross_attend",
  **{f"{n}_interleaved": f"{n}_cross_attends" for n in (2, 4)},
  **{f"{n}_at_start": f"{n}_cross_attends_at_start" for n in (2, 4, 8)},
  "unshared": "unshared",
}
# Figure 5: what differs from the model "sweep_base". The values are in a plot
# only: powers of two about the base's.
_SWEEP = {
  "base": {},
  **{f"{n}_latents": {"num_latents": n} for n in (64, 128, 256, 1024)},
  **{f"{n}_channels": {"latent_channels": n} for n in (128, 256, 1024)},
  **{
    f"{n}_self_attend{'s' * (n > 1)}": {"num_self_attends_per_block": n}
    for n in (1, 2, 8)
  },
  **{
    f"{n}_cross_attend{'s' * (n > 1)}": {
      "num_cross_attends": n,
      "num_blocks": n,
    }
    for n in (1, 4, 8)
  },
}
# Figure 6: scale of the first latents, bands and resolution of the Fourier code
# of the full-size model. The values are in a plot only; 0.1 is one of them.
_CODES = {
  "base": (0.02, 64, 224),
  "scale_0.1": (0.1, 64, 224),
  "scale_1": (1.0, 64, 224),
  **{f"{n}_bands": (0.02, n, 224) for n in (4, 16, 32)},
  **{f"resolution_{n}": (0.02, 64, n) for n in (56, 112)},
}


def recipes(io: Any, perceiver: Any) -> Mapping[str, Any]:
  """Returns recipes by name, of the type of the two that are given.

  Args:
    io: the recipe of 2107.14795 appendix A.
    perceiver: the recipe of 2103.03206 §4.1.
  """
  # Rates, schedules and the length of figure 6 are not published: §4.1's.
  figures = {
    64: dataclasses.replace(
      perceiver.train, batch_size=64, epochs=None, steps=5_000_000
    ),
    256: dataclasses.replace(perceiver.train, batch_size=256),
  }
  of = lambda recipe, name, model, **rest: {
    name: dataclasses.replace(recipe, model=model, **rest)
  }
  others = baselines.classifiers(imagenet.PERCEIVER.inputs)
  rows = [
    *(of(io, r, imagenet.CONFIGS[m]) for r, m in _MEAN_DECODERS.items()),
    *(
      of(
        perceiver,
        f"perceiver_{name}",
        imagenet.CONFIGS[f"perceiver_imagenet_{model}"],
      )
      for name, model in _ABLATIONS.items()
    ),
    # The training of the others is not published: that of the Perceiver.
    *(of(perceiver, *row) for row in others.items()),
    *(
      of(perceiver, f"{name}_permuted", _permuted(model))
      for name, model in (
        *others.items(),
        ("perceiver", imagenet.PERCEIVER),
        ("learned", imagenet.CONFIGS["perceiver_imagenet_learned"]),
      )
    ),
    *(
      of(perceiver, f"sweep_{name}", _swept(**sizes), train=figures[64])
      for name, sizes in _SWEEP.items()
    ),
    *(
      of(perceiver, f"codes_{name}", _coded(*values), train=figures[256])
      for name, values in _CODES.items()
    ),
    *(_large(io, name, rate) for name, rate in _LARGE.items()),
  ]
  return {name: recipe for row in rows for name, recipe in row.items()}


def _large(io: Any, inputs: str, rate: float) -> dict[str, Any]:
  """Returns fine-tuning and pre-training of configuration B, appendix A.2."""
  name, model = f"large_{inputs}", f"imagenet_large_{inputs}"
  fine_tuning = dataclasses.replace(
    io,
    model=imagenet.CONFIGS[model],
    train=dataclasses.replace(
      io.train,
      epochs=None,
      steps=131_000,
      base_rate=rate,
      scale_rate_with_batch=False,
      schedule=schedules.ConstantThenCosine(constant_fraction=70 / 131),
      fine_tuning=True,
    ),
  )
  pretraining = dataclasses.replace(
    io,
    model=imagenet.CONFIGS[f"{model}_pretraining"],
    # JFT-300M is not public: a data set of this name in the format of
    # TensorFlow Datasets is expected. How many of an image's labels count is
    # not published.
    data=dataclasses.replace(
      io.data,
      source=sources.Source(sources.Kind.JFT),
      max_labels=16,
      augmentation=dataclasses.replace(
        io.data.augmentation,
        randaugment=rand_augment.RandAugmentConfig(num_layers=0),
      ),
    ),
    loss=classification_task.LossConfig(),
    train=dataclasses.replace(
      io.train,
      batch_size=8192,
      epochs=14,
      base_rate=3e-4,
      scale_rate_with_batch=False,
      schedule=schedules.ConstantThenCosine(constant_fraction=0.0),
    ),
  )
  return {name: fine_tuning, f"{name}_jft": pretraining}


def _permuted(model: Any) -> Any:
  """Returns a model whose inputs are shuffled (2103.03206 table 2)."""
  inputs = dataclasses.replace(model.inputs, permutation_seed=0)
  return dataclasses.replace(model, inputs=inputs)


def _swept(**sizes: Any) -> imagenet.ImageClassifierConfig:
  """Returns a model of figure 5."""
  base = imagenet.CONFIGS["perceiver_imagenet_sweep_base"]
  known: dict[str, Any] = {
    "latent_channels": 512,
    "num_cross_attends": 2,
    "num_blocks": 2,
    "num_self_attends_per_block": 4,
  }
  return imagenet.image_classifier(
    base.inputs,
    base.perceiver.decoder,
    **{**known, **sizes},
    share_weights=False,
  )


def _coded(
  scale: float, bands: int, resolution: int
) -> imagenet.ImageClassifierConfig:
  """Returns a model of figure 6."""
  code = position_encoding.Fourier(
    num_bands=bands, max_resolution=(resolution, resolution)
  )
  base = imagenet.PERCEIVER
  model = imagenet.image_classifier(
    dataclasses.replace(base.inputs, positions=code),
    base.perceiver.decoder,
    num_cross_attends=8,
  )
  encoder = dataclasses.replace(
    model.perceiver.encoder, latent_init_scale=scale
  )
  network = dataclasses.replace(model.perceiver, encoder=encoder)
  return dataclasses.replace(model, perceiver=network)
