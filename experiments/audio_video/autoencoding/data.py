"""Which clips are autoencoded, and how they are made to fit a model."""

import dataclasses
import pathlib

import numpy as np

from experiments.audio_video.clips import clips
from experiments.audio_video.clips import prepared
from experiments.audio_video.clips import sampling
from experiments.audio_video.clips import synthetic
from experiments.data import files
from experiments.data import loader


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """Which clips there are, and how they are varied.

  Attributes:
    data_dir: a data set made by `experiments.prepare clips`;
      None generates clips.
    train_split: the part of it that is learned from.
    eval_split: the part that is judged by.
    allow_partial: accept fewer clips than the official lists have.
    generator: how clips are generated. They get the model's size, rates and
      classes, those for evaluation the next seed.
    num_eval: how many are generated for evaluation.
    augmentation: how training clips are varied.
  """

  data_dir: pathlib.Path | None = None
  train_split: str = "train"
  eval_split: str = "validation"
  allow_partial: bool = False
  generator: synthetic.GeneratorConfig = synthetic.GeneratorConfig()
  num_eval: int = 256
  augmentation: sampling.AugmentationConfig = sampling.NONE

  def __post_init__(self) -> None:
    if self.num_eval < 1:
      raise ValueError(
        f"DataConfig: num_eval is {self.num_eval}; expected at least 1."
      )
    if self.generator.events != (1, 1):
      raise ValueError(
        f"DataConfig: generator.events is {self.generator.events}; expected "
        "(1, 1), as every clip has one label."
      )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipShape:
  """What a model reads.

  Attributes:
    num_frames: frames T of a clip.
    size: height and width of a frame, pixels.
    num_samples: samples S of its sound.
    channels: channels of its sound.
    num_classes: how many labels there are.
  """

  num_frames: int
  size: tuple[int, int]
  num_samples: int
  channels: int
  num_classes: int

  @property
  def samples_per_frame(self) -> int:
    """How many samples are heard while a frame is seen."""
    return self.num_samples // self.num_frames


def train_split(config: DataConfig, shape: ClipShape) -> loader.Split:
  """Opens what is learned from: a random piece of every clip, varied.

  Args:
    config: where the clips come from.
    shape: what they are made to fit.

  Returns:
    Examples with "image" [T, H, W, 3] uint8, "audio" [S, channels] float32 in
    [-1, 1] and "label" [] int32.

  Raises:
    files.InputError: if the data set does not fit, or is not complete.
  """
  source = _source(config, shape, config.train_split, config.generator)
  return loader.Split(
    source, _Varied(shape, config.augmentation), _name(config, "train")
  )


def eval_split(config: DataConfig, shape: ClipShape) -> loader.Split:
  """Opens what is judged by: the middle of every clip, in time and space.

  Arguments, results and errors are those of `train_split`.
  """
  held_out = dataclasses.replace(
    config.generator,
    num_examples=config.num_eval,
    seed=config.generator.seed + 1,
  )
  source = _source(config, shape, config.eval_split, held_out)
  return loader.Split(source, _Middle(shape), _name(config, "evaluation"))


def class_names(config: DataConfig, shape: ClipShape) -> tuple[str, ...]:
  """Returns what the labels are called."""
  return _source(config, shape, config.eval_split, config.generator).class_names


def _name(config: DataConfig, part: str) -> str:
  return f"{config.data_dir.name if config.data_dir else 'generated'} {part}"


def _source(
  config: DataConfig,
  shape: ClipShape,
  split: str,
  generator: synthetic.GeneratorConfig,
) -> clips.ClipSource:
  if config.data_dir is None:
    fitting = dataclasses.replace(
      generator,
      num_frames=shape.num_frames,
      size=shape.size,
      sample_rate=round(generator.frame_rate * shape.samples_per_frame),
      channels=shape.channels,
      num_classes=shape.num_classes,
    )
    return synthetic.Generator(fitting)
  source = prepared.open_split(
    config.data_dir, split, allow_partial=config.allow_partial
  )
  if len(source.class_names) != shape.num_classes:
    raise files.InputError(
      f"{config.data_dir} has {len(source.class_names)} classes; the model's "
      f"label has {shape.num_classes}."
    )
  return source


@dataclasses.dataclass(frozen=True)
class _Varied:
  """Cuts a random piece out of a clip and varies its frames."""

  shape: ClipShape
  augmentation: sampling.AugmentationConfig

  def __call__(
    self, clip: clips.Clip, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    num_frames = self.shape.num_frames
    start = sampling.random_start(len(clip.frames), num_frames, generator)
    piece = sampling.cut(clip, start, num_frames)
    image = sampling.augment(
      piece.frames[:], self.shape.size, generator, self.augmentation
    )
    return _entries(piece, image, self.shape)


@dataclasses.dataclass(frozen=True)
class _Middle:
  """Cuts the middle out of a clip."""

  shape: ClipShape

  def __call__(
    self, clip: clips.Clip, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    del generator  # Evaluation varies nothing.
    num_frames = self.shape.num_frames
    (start,) = sampling.regular_starts(len(clip.frames), num_frames, 1)
    piece = sampling.cut(clip, start, num_frames)
    image = sampling.middle(piece.frames[:], self.shape.size)
    return _entries(piece, image, self.shape)


def _entries(
  piece: clips.Clip, image: np.ndarray, shape: ClipShape
) -> dict[str, np.ndarray]:
  found = (len(piece.sound), piece.sound.shape[1], len(piece.labels))
  if found != (shape.num_samples, shape.channels, 1):
    raise files.InputError(
      f"clip {piece.name} has {found[0]} samples in {shape.num_frames} frames, "
      f"{found[1]} channels of sound and {found[2]} labels; expected "
      f"{shape.num_samples}, {shape.channels} and 1."
    )
  return {
    "image": image,
    "audio": piece.sound,
    "label": np.asarray(piece.labels[0], np.int32),
  }
