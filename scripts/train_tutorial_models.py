"""Trains the small models that the tutorials load, one file for each.

  python -m scripts.train_tutorial_models [NAMES ...]

A run that was interrupted goes on; one that is finished is only written anew.
"""

from collections.abc import Callable
import dataclasses
import pathlib
from typing import Any

import tyro

from experiments.audio_video.autoencoding import configs as autoencoding
from experiments.cli import paths
from experiments.generation import recipes
from experiments.generation.tunes import configs as tunes
from experiments.image_classification.digits import configs as digits
from experiments.image_classification.imagenet import configs as imagenet
from experiments.language.masked_language import configs as masked_language
from experiments.optical_flow import configs as optical_flow
from experiments.training import latent_sizes
from experiments.training import trainer
import perceiver

FILES = pathlib.Path("docs/tutorials/files")


def masked_bytes() -> trainer.Experiment:
  """Returns the small masked language model of Python's documentation."""
  return _with_steps(masked_language.MINI, 4000)


def flow() -> trainer.Experiment:
  """Returns the small model of optical flow."""
  return _with_steps(optical_flow.MINI, 4000)


def synthetic_tunes() -> trainer.Experiment:
  """Returns a small Perceiver AR of synthetic tunes."""
  model = recipes.rotary_model(
    context=128, num_latents=64, num_layers=2, channels=64
  )
  experiment = dataclasses.replace(tunes.MINI, model=model)
  train = dataclasses.replace(tunes.MINI.train, base_rate=3e-3)
  return _with_steps(dataclasses.replace(experiment, train=train), 800)


def clips() -> trainer.Experiment:
  """Returns the small autoencoder of clips."""
  return _with_steps(autoencoding.MINI, 2500)


def painted_digits() -> trainer.Experiment:
  """Returns the small classifier of images, of digits painted in colours."""
  return imagenet.MINI


def digits_ordinary() -> trainer.Experiment:
  """Returns the classifier of digits, trained with all latents."""
  return digits.MINI


def digits_sandwich() -> trainer.Experiment:
  """Returns the same, trained for several numbers of latents."""
  latents = latent_sizes.LatentSizes(
    sizes=(1, 2, 4, 8), training=latent_sizes.Training.SANDWICH
  )
  train = dataclasses.replace(digits.MINI.train, latents=latents)
  return dataclasses.replace(digits.MINI, train=train)


MODELS: dict[str, Callable[[], Any]] = {
  function.__name__: function
  for function in (
    masked_bytes,
    flow,
    synthetic_tunes,
    clips,
    painted_digits,
    digits_ordinary,
    digits_sandwich,
  )
}


def _with_steps(experiment: Any, steps: int) -> Any:
  train = dataclasses.replace(experiment.train, steps=steps)
  return dataclasses.replace(experiment, train=train)


def main(
  names: tyro.conf.Positional[tuple[str, ...]] = tuple(MODELS),
  *,
  workdir: pathlib.Path = pathlib.Path("runs/tutorials"),
) -> None:
  """Trains models of the tutorials and writes them where those look for them.

  Args:
    names: of the models; all of them if none is given.
    workdir: folder of the runs.
  """
  if unknown := set(names) - set(MODELS):
    raise SystemExit(
      f"There is no model {', '.join(sorted(unknown))}; expected names among "
      f"{', '.join(MODELS)}."
    )
  for name in names:
    report = trainer.train(MODELS[name](), workdir / name)
    metrics = report.evaluation.metrics
    notes = {key: f"{value:.4g}" for key, value in metrics.items()}
    model, variables = perceiver.load(report.model_file)
    path = FILES / f"{name}.safetensors"
    perceiver.save(
      path, model, variables, {"step": str(report.step), **notes}, half=True
    )
    print(f"{path}: {path.stat().st_size} bytes, {notes}")


if __name__ == "__main__":
  tyro.cli(main, registry=paths.REGISTRY)
