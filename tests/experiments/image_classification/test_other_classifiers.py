"""Steps of what the papers compare with, and of images with several labels."""

import dataclasses
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.data import loader
from experiments.image_classification import mixing
from experiments.image_classification import plots
from experiments.image_classification import task as classification_task
from experiments.image_classification.imagenet import baselines
from experiments.image_classification.imagenet import configs
from experiments.image_classification.imagenet import data as imagenet_data
from experiments.image_classification.imagenet import painted_digits
from experiments.image_classification.imagenet import pixels
from experiments.image_classification.imagenet import sources
from experiments.runs import plots as runs_plots
import perceiver
from perceiver import decoder
from perceiver import position_encoding
from perceiver.adapters import image
from perceiver.models import grid_networks
from perceiver.models import imagenet as models
from tests.perceiver.models import test_grid_networks

_INPUTS = image.ImageInputConfig(
  size=(8, 8),
  positions=position_encoding.Fourier(num_bands=2, max_resolution=(8, 8)),
)


def gradients(model, labels, loss=None):
  """Returns losses and gradients of a step on two images."""
  task = classification_task.ImageClassification(
    model=perceiver.create(model),
    splits=lambda: (None, None),
    loss=loss or classification_task.LossConfig(),
  )
  shape = (2, *model.inputs.size, 3)
  images = np.random.default_rng(0).standard_normal(shape, np.float32)
  batch = {"images": images, "labels": np.asarray(labels, np.int32)}
  variables = task.model.init(jax.random.key(0))

  def total(params):
    found = task.losses(
      variables._replace(params=params),
      batch,
      rng=jax.random.key(1),
      is_training=True,
    )
    return found.loss.sum(), found

  return jax.jit(jax.grad(total, has_aux=True))(variables.params)


@pytest.mark.parametrize(
  "backbone", [test_grid_networks.TINY, grid_networks.ResNetConfig()]
)
def test_a_step_of_a_baseline(backbone):
  model = baselines.GridClassifierConfig(
    inputs=dataclasses.replace(_INPUTS, permutation_seed=0),
    backbone=backbone,
    num_classes=3,
  )
  grads, found = gradients(model, [0, 2])
  assert found.loss.shape == (2,)
  moved = [np.abs(x).max() for x in jax.tree.leaves(grads)]
  assert np.isfinite(moved).all()
  # The residual network's last map starts at zero, which nothing passes.
  is_resnet = isinstance(backbone, grid_networks.ResNetConfig)
  assert np.count_nonzero(moved) > (1 if is_resnet else 0.8 * len(moved))


def test_several_labels():
  model = models.image_classifier(
    dataclasses.replace(_INPUTS, features=image.Patches(size=4)),
    decoder.MeanDecoderConfig(output_channels=6),
    num_latents=3,
    latent_channels=8,
    num_blocks=1,
    num_self_attends_per_block=1,
  )
  both = gradients(model, [[3, 1, -1], [5, -1, -1]])[1].loss
  first, second = (gradients(model, x)[1].loss for x in ([3, 5], [1, 5]))
  # The cross-entropy with both ones is the sum of those with either.
  np.testing.assert_allclose(both[0], first[0] + second[0], rtol=1e-5)
  np.testing.assert_allclose(both[1], first[1], rtol=1e-5)


def test_one_of_several_labels_is_enough():
  logits = jnp.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
  labels = np.array([[1, -1], [0, 2]])
  mixed = jnp.array([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
  found = [
    mixing.top_k_correct(logits, (labels, labels), mixed, k).tolist()
    for k in (1, 2)
  ]
  assert found == [[0, 1], [1, 1]]


def test_labels_are_filled_up(tmp_path):
  painted_digits.prepare(tmp_path, copies=1)
  config = dataclasses.replace(
    configs.MINI.data,
    source=sources.Source(sources.Kind.SYNTHETIC, tmp_path),
    image_size=8,
    max_labels=3,
  )
  split, _ = imagenet_data.splits(config)
  example = split.source[0]
  found = split.transform(example, np.random.default_rng(0))["labels"]
  assert found.tolist() == [example["label"], -1, -1]
  several = {**example, "label": np.arange(5)}
  found = split.transform(several, np.random.default_rng(0))["labels"]
  assert found.tolist() == [0, 1, 2]


def test_mistakes_are_named_and_miss_all_labels(tmp_path, monkeypatch):
  labels = np.array([[0, 1, -1], [2, -1, -1], [0, -1, -1], [-1, -1, -1]])
  images = np.zeros((4, 8, 8, 3), np.float32)
  split = loader.Split(
    list(zip(images, labels)),
    lambda example, _: dict(zip(("images", "labels"), example)),
    "four",
  )
  logits = np.array([[0, 9, 0], [5, 0, 0], [9, 0, 0], [0, 9, 0]], np.float32)
  model = types.SimpleNamespace(apply=lambda _, images: logits[: len(images)])
  saved = []
  monkeypatch.setattr(
    runs_plots, "save", lambda figure, *_: saved.append(figure)
  )
  names = ("tench", "owl", "x" * 40)
  plots.mistakes(model, None, split, names, tmp_path / "mistakes.png")
  assert saved[0].get_suptitle() == "1 of 4 mistaken"
  titles = [axis.get_title() for axis in saved[0].axes if axis.get_title()]
  assert titles == [f"{'x' * 15}…\nas tench"]
  logits[1] = [0, 0, 5]
  plots.mistakes(model, None, split, names, tmp_path / "mistakes.png")
  assert saved[1].get_figheight() < 1 < saved[0].get_figheight()
  runs_plots.pyplot().close("all")


def test_colours_are_shown_as_they_are():
  image = np.full((2, 2, 3), 40, np.uint8)  # Nothing in it is black or white.
  found = plots._displayable(pixels.normalise(image))
  np.testing.assert_allclose(found, 40 / 255, atol=1e-6)
  grey = plots._displayable(np.array([[[-1.0], [3.0]]]))
  np.testing.assert_allclose(grey, [[0, 1]])


def test_plots_name_the_classes_of_the_data(tmp_path):
  painted_digits.prepare(tmp_path, copies=1)
  source = sources.Source(sources.Kind.SYNTHETIC, tmp_path)
  mini = dataclasses.replace(
    configs.MINI, data=dataclasses.replace(configs.MINI.data, source=source)
  )
  assert mini.task().class_names() == tuple("0123456789")
