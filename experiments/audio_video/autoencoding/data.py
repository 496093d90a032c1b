"""Data of the autoencoding experiment: clips of the shape of a model."""

import dataclasses

import numpy as np

from experiments.audio_video.clips import clips
from experiments.audio_video.clips import sampling
from experiments.audio_video.clips import sources
from experiments.data import files
from experiments.data import loader


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig(sources.ClipsConfig):
  """The clips; synthetic ones get the model's size, rates and classes."""

  augmentation: sampling.AugmentationConfig = sampling.NO_AUGMENTATION

  def __post_init__(self) -> None:
    super().__post_init__()
    if self.synthetic.events != (1, 1):
      raise ValueError(
        f"DataConfig: synthetic.events is {self.synthetic.events}; expected "
        "(1, 1), as every clip has one label."
      )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipShape:
  """Shape of the clips of a model.

  Attributes:
    num_frames: frames T of a clip.
    size: height and width of a frame, pixels.
    num_samples: samples S of its audio.
    channels: channels of its audio.
    num_classes: number of labels.
  """

  num_frames: int
  size: tuple[int, int]
  num_samples: int
  channels: int
  num_classes: int

  @property
  def samples_per_frame(self) -> int:
    """Samples of audio per frame."""
    return self.num_samples // self.num_frames


def train_split(config: DataConfig, shape: ClipShape) -> loader.Split:
  """Opens the training split: a random segment of every clip, augmented.

  Args:
    config: source and augmentation of the clips.
    shape: shape of the examples.

  Returns:
    Examples with "image" [T, H, W, 3] uint8, "audio" [S, channels] float32 in
    [-1, 1] and "label" [] int32.

  Raises:
    files.InputError: if the data set does not fit, or is not complete.
  """
  source, name = sources.open_train(_fit(config, shape), shape.num_classes)
  return loader.Split(source, _TrainTransform(shape, config.augmentation), name)


def eval_split(config: DataConfig, shape: ClipShape) -> loader.Split:
  """Opens the evaluation split: the centre of every clip, in time and space.

  Arguments, results and errors are those of `train_split`.
  """
  source, name = sources.open_eval(_fit(config, shape), shape.num_classes)
  return loader.Split(source, _EvalTransform(shape), name)


def class_names(config: DataConfig, shape: ClipShape) -> tuple[str, ...]:
  """Returns the names of the labels."""
  fitting = _fit(config, shape)
  return sources.open_eval(fitting, shape.num_classes)[0].class_names


def _fit(config: DataConfig, shape: ClipShape) -> DataConfig:
  """Returns the config with synthetic clips of a shape."""
  rate = config.synthetic.frame_rate * shape.samples_per_frame
  fitting = dataclasses.replace(
    config.synthetic,
    num_frames=shape.num_frames,
    size=shape.size,
    sample_rate=round(rate),
    channels=shape.channels,
    num_classes=shape.num_classes,
  )
  return dataclasses.replace(config, synthetic=fitting)


@dataclasses.dataclass(frozen=True)
class _TrainTransform:
  """Takes a random segment of a clip and augments its frames."""

  shape: ClipShape
  augmentation: sampling.AugmentationConfig

  def __call__(
    self, clip: clips.Clip, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    num_frames = self.shape.num_frames
    start = sampling.random_start(len(clip.frames), num_frames, generator)
    segment = sampling.segment(clip, start, num_frames)
    image = sampling.augment(
      segment.frames[:], self.shape.size, generator, self.augmentation
    )
    return _example(segment, image, self.shape)


@dataclasses.dataclass(frozen=True)
class _EvalTransform:
  """Takes the central segment of a clip, and the centre of its frames."""

  shape: ClipShape

  def __call__(
    self, clip: clips.Clip, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    del generator  # Nothing is random in evaluation.
    num_frames = self.shape.num_frames
    (start,) = sampling.regular_starts(len(clip.frames), num_frames, 1)
    segment = sampling.segment(clip, start, num_frames)
    image = sampling.centre_crop(segment.frames[:], self.shape.size)
    return _example(segment, image, self.shape)


def _example(
  segment: clips.Clip, image: np.ndarray, shape: ClipShape
) -> dict[str, np.ndarray]:
  found = (*segment.audio.shape, len(segment.labels))
  if found != (shape.num_samples, shape.channels, 1):
    raise files.InputError(
      f"clip {segment.name} has {found[0]} samples in {shape.num_frames} "
      f"frames, {found[1]} channels of audio and {found[2]} labels; expected "
      f"{shape.num_samples}, {shape.channels} and 1."
    )
  return {
    "image": image,
    "audio": segment.audio,
    "label": np.asarray(segment.labels[0], np.int32),
  }
