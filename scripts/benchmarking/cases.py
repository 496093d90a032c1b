"""Benchmark cases: models of the papers with inputs of a given size."""

from collections.abc import Callable
import dataclasses
from typing import Any

import numpy as np

import perceiver
from perceiver import model as perceiver_model
from perceiver.models import imagenet
from perceiver.models import language
from perceiver.models import optical_flow

# Outputs that one step of evaluation or training decodes: a 128th of all
# 804,737, as in the released notebook.
VIDEO_PIXELS, VIDEO_AUDIO = 6272, 15


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
  """A model and its inputs.

  Attributes:
    name: of the model, in `perceiver.list_models()`.
    batch_size: default number of examples at a time.
    resized: the model for inputs of another size, height and width in pixels
      or length in bytes; None if the model has one size only.
    inputs: config, batch size, generator -> arguments of `apply`.
    options: further keyword arguments of `apply`.
  """

  name: str
  batch_size: int
  resized: Callable[[tuple[int, ...]], Any] | None = None
  inputs: Callable[[Any, int, np.random.Generator], tuple[Any, ...]]
  options: dict[str, Any] = dataclasses.field(default_factory=dict)

  def model(
    self,
    size: tuple[int, ...] | None = None,
    precision: perceiver_model.Precision = perceiver_model.Precision.FLOAT32,
    *,
    reference: bool = False,
  ) -> perceiver.Model:
    """Returns the model, for inputs of some size and in some precision.

    Raises:
      ValueError: if the model has no such size.
    """
    config = perceiver.create(self.name).config
    if size is not None:
      if self.resized is None:
        raise ValueError(f"{self.name} has inputs of one size only")
      config = self.resized(size)
    config = dataclasses.replace(config, precision=precision)
    return perceiver.Model(config, reference=reference)


def _floats(
  config: Any, batch_size: int, generator: np.random.Generator
) -> tuple[np.ndarray]:
  (example,) = config.example(batch_size)
  return (generator.uniform(-1, 1, example.shape).astype(np.float32),)


def _ids(
  config: Any, batch_size: int, generator: np.random.Generator
) -> tuple[np.ndarray]:
  example = config.example(batch_size)[0]
  return (generator.integers(6, 262, example.shape).astype(np.int32),)


def _clip(
  config: Any, batch_size: int, generator: np.random.Generator
) -> tuple[dict[str, np.ndarray]]:
  (example,) = config.example(batch_size)
  return (
    {
      name: generator.uniform(0, 1, x.shape).astype(np.float32)
      for name, x in example.items()
    },
  )


def _image(name: str) -> Callable[[tuple[int, ...]], Any]:
  def resized(size: tuple[int, ...]) -> imagenet.ImageClassifierConfig:
    config: imagenet.ImageClassifierConfig = perceiver.create(name).config
    inputs = dataclasses.replace(config.inputs, size=_pair(size))
    return dataclasses.replace(config, inputs=inputs)

  return resized


def _flow(size: tuple[int, ...]) -> optical_flow.OpticalFlowConfig:
  return optical_flow.optical_flow(size=_pair(size))


def _text(size: tuple[int, ...]) -> language.LanguageModelConfig:
  config: language.LanguageModelConfig = perceiver.create(
    "language_bytes"
  ).config
  (length,) = size
  text = dataclasses.replace(config.text, max_length=length)
  return dataclasses.replace(config, text=text)


def _pair(size: tuple[int, ...]) -> tuple[int, int]:
  if len(size) != 2:
    raise ValueError(f"a size has height and width, not {size}")
  return size[0], size[1]


def _all(*cases: Case) -> dict[str, Case]:
  return {case.name: case for case in cases}


CASES = _all(
  *(
    Case(
      name=name,
      batch_size=2,
      resized=_image(name),
      inputs=_floats,
    )
    for name in ("imagenet_fourier", "imagenet_learned", "imagenet_conv")
  ),
  Case(
    name="language_bytes",
    batch_size=1,
    resized=_text,
    inputs=_ids,
  ),
  Case(
    name="optical_flow",
    batch_size=1,
    resized=_flow,
    inputs=_floats,
  ),
  Case(
    name="video_autoencoding",
    batch_size=1,
    inputs=_clip,
    options={
      "output_points": {
        "image": np.arange(VIDEO_PIXELS),
        "audio": np.arange(VIDEO_AUDIO),
      }
    },
  ),
)
