"""Names what is in images, with a classifier of ImageNet or Fashion-MNIST."""

from collections.abc import Callable, Iterator
import dataclasses
import functools
import pathlib
from typing import Any

import numpy as np
import tyro

from experiments.cli import errors
from experiments.cli import predicting
from experiments.data import fashion_mnist
from experiments.data import files
from experiments.image_classification.fashion_mnist import data as fashion_data
from experiments.image_classification.imagenet import data as imagenet_data
from experiments.image_classification.imagenet import sources
import perceiver
from perceiver.models import imagenet


@dataclasses.dataclass(frozen=True, kw_only=True)
class Classify(predicting.ClassifierOptions):
  """Names what is in images: the five likeliest classes of each.

  Images are prepared as for the papers' evaluation: the central square with
  7/8 of the shorter side, resized bicubically to the model's size, normalised.
  Before, they are turned upright by their EXIF orientation.
  For a model of Fashion-MNIST they are made grey and 28 × 28 pixels large;
  clothes are bright on black there.

  Attributes:
    images: files, or folders of them and of folders, as of classes.
    labels: a file with the name of a class on every line; if None, the names
      that the checkpoint states, Fashion-MNIST's for its models, or numbers.
    batch_size: images that go through the model at a time.
  """

  images: tyro.conf.Positional[tuple[pathlib.Path, ...]] = ()
  batch_size: int = 8


def run(options: Classify) -> None:
  """Runs the command.

  Raises:
    errors.UsageError: if the command makes no sense.
    files.InputError: if a file cannot be used.
    FileNotFoundError: if a file is not there.
  """
  if options.top < 1 or options.batch_size < 1:
    raise errors.UsageError("--top and --batch-size must be at least 1")
  if not options.images:
    raise errors.UsageError("name at least one image, or a folder of images")
  paths = files.list_images(options.images, recursive=True)
  model, variables = predicting.load(
    options.weights, imagenet.ImageClassifierConfig, "imagenet_fourier"
  )
  names = predicting.class_names(options.labels, model)
  if names is None and _is_fashion(model.config):
    names = fashion_mnist.CLASS_NAMES
  show = predicting.progress("images", len(paths))

  def found() -> Iterator[tuple[pathlib.Path, list[predicting.Guess]]]:
    logits = predict(model, variables, paths, options.batch_size)
    for done, (path, row) in enumerate(logits, 1):
      yield path, predicting.best_classes(row, options.top, names)
      show(done)

  predicting.report("image", found(), options.output)


def predict(
  model: perceiver.Model,
  variables: perceiver.Variables,
  paths: list[pathlib.Path],
  batch_size: int,
) -> Iterator[tuple[pathlib.Path, np.ndarray]]:
  """Yields every image's path with its logits, [classes].

  The last batch is filled up with copies, so that the model compiles once.

  Raises:
    errors.UsageError: if the model is for neither square images in colour nor
      Fashion-MNIST.
    files.InputError: if an image cannot be read.
  """
  prepare = _preparation(model.config)
  size = min(batch_size, len(paths))
  for start in range(0, len(paths), size):
    here = paths[start : start + size]
    batch = [prepare(path) for path in here]
    batch += batch[-1:] * (size - len(batch))
    logits = np.asarray(model.apply(variables, np.stack(batch)))
    yield from zip(here, logits)


def _is_fashion(config: imagenet.ImageClassifierConfig) -> bool:
  inputs, classes = config.inputs, len(fashion_mnist.CLASS_NAMES)
  expected = (fashion_mnist.SIZE, 1, classes)
  return (inputs.size, inputs.channels, config.num_classes) == expected


def _preparation(
  config: imagenet.ImageClassifierConfig,
) -> Callable[[pathlib.Path], np.ndarray]:
  """Returns the function from an image's file to a model's input."""
  if _is_fashion(config):
    return fashion_data.read_image
  inputs = config.inputs
  if inputs.size[0] != inputs.size[1] or inputs.channels != 3:
    raise errors.UsageError(
      f"the model takes images of {inputs.size} with {inputs.channels} "
      "channels; this command prepares square images with 3, and those of "
      "Fashion-MNIST for its ten classes"
    )
  data = imagenet_data.DataConfig(
    source=sources.Source(sources.Kind.PREPARED),  # Users' images: upright.
    image_size=inputs.size[0],
  )
  return functools.partial(_prepare, imagenet_data.EvalTransform(data))


def _prepare(
  transform: imagenet_data.EvalTransform, path: pathlib.Path
) -> np.ndarray:  # [size, size, 3]
  example: dict[str, Any] = {
    "image": files.read_bytes(path),
    "label": 0,
    "file_name": str(path),
  }
  try:
    return transform(example, np.random.default_rng(0))["images"]
  except ValueError as error:
    raise files.InputError(str(error)) from error
