"""Benchmark cases: models of the papers with inputs of a given size."""

from collections.abc import Callable
import dataclasses
from typing import Any

import jax
import numpy as np

import perceiver
from perceiver import model as perceiver_model
from perceiver.models import optical_flow

# Outputs that one step of evaluation or training decodes: a 128th of all
# 804,737, as in the released notebook.
VIDEO_PIXELS, VIDEO_AUDIO = 6272, 15


def _floats(
  config: Any, batch_size: int, generator: np.random.Generator
) -> tuple[Any, ...]:
  return jax.tree.map(
    lambda x: generator.uniform(-1, 1, x.shape).astype(np.float32),
    config.example(batch_size),
  )


def _ids(
  config: Any, batch_size: int, generator: np.random.Generator
) -> tuple[Any, ...]:
  example = config.example(batch_size)[0]
  return (generator.integers(6, 262, example.shape).astype(np.int32),)


def _image(config: Any, size: tuple[int, ...]) -> Any:
  inputs = dataclasses.replace(config.inputs, size=_pair(size))
  return dataclasses.replace(config, inputs=inputs)


def _flow(config: Any, size: tuple[int, ...]) -> Any:
  return optical_flow.optical_flow(size=_pair(size))


def _text(config: Any, size: tuple[int, ...]) -> Any:
  (length,) = size
  text = dataclasses.replace(config.text, max_length=length)
  return dataclasses.replace(config, text=text)


def _pair(size: tuple[int, ...]) -> tuple[int, int]:
  if len(size) != 2:
    raise ValueError(f"a size has height and width, not {size}")
  return size[0], size[1]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
  """A model and its inputs.

  Attributes:
    name: of the model, in `perceiver.list_models()`.
    batch_size: default number of examples at a time.
    resized: config, size -> config for inputs of another size, height and width
      in pixels or length in bytes; None if the model has one size only.
    inputs: config, batch size, generator -> arguments of `apply`.
    options: further keyword arguments of `apply`.
  """

  name: str
  batch_size: int = 1
  resized: Callable[[Any, tuple[int, ...]], Any] | None = None
  inputs: Callable[[Any, int, np.random.Generator], tuple[Any, ...]] = _floats
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
      config = self.resized(config, size)
    config = dataclasses.replace(config, precision=precision)
    return perceiver.Model(config, reference=reference)


# Further models of the papers' tables of speeds.
_OTHERS = (
  "perceiver_imagenet_1_cross_attend",
  "perceiver_imagenet_1_cross_attend_learned",
  "perceiver_imagenet_1_cross_attend_conv",
  "imagenet_large_fourier",
  "optical_flow_conv",
)
_POINTS = {"image": np.arange(VIDEO_PIXELS), "audio": np.arange(VIDEO_AUDIO)}
CASES = {
  case.name: case
  for case in (
    Case(name="imagenet_fourier", batch_size=2, resized=_image),
    Case(name="imagenet_learned", batch_size=2, resized=_image),
    Case(name="imagenet_conv", batch_size=2, resized=_image),
    Case(name="language_bytes", resized=_text, inputs=_ids),
    Case(name="optical_flow", resized=_flow),
    Case(name="video_autoencoding", options={"output_points": _POINTS}),
  )
}
RELEASED = tuple(CASES)
CASES |= {name: Case(name=name) for name in _OTHERS}
