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


def train_split(config: DataConfig, shape: clips.ClipShape) -> loader.Split:
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
  source, name = _open(config, shape, for_training=True)
  return loader.Split(source, _Transform(shape, config.augmentation), name)


def eval_split(config: DataConfig, shape: clips.ClipShape) -> loader.Split:
  """Opens the evaluation split: the centre of every clip, in time and space.

  Arguments, results and errors are those of `train_split`.
  """
  source, name = _open(config, shape, for_training=False)
  return loader.Split(source, _Transform(shape), name)


def class_names(config: DataConfig, shape: clips.ClipShape) -> tuple[str, ...]:
  """Returns the names of the labels."""
  return _open(config, shape, for_training=False)[0].class_names


def _open(
  config: DataConfig, shape: clips.ClipShape, *, for_training: bool
) -> tuple[clips.ClipSource, str]:
  """Opens clips; synthetic ones are of the shape."""
  rate = config.synthetic.frame_rate * shape.samples_per_frame
  fitting = dataclasses.replace(
    config.synthetic,
    num_frames=shape.num_frames,
    size=shape.size,
    sample_rate=round(rate),
    channels=shape.channels,
    num_classes=shape.num_classes,
  )
  config = dataclasses.replace(config, synthetic=fitting)
  return sources.open_clips(
    config, shape.num_classes, for_training=for_training
  )


@dataclasses.dataclass(frozen=True)
class _Transform:
  """Takes a random segment of a clip and augments it, or the central one."""

  shape: clips.ClipShape
  augmentation: sampling.AugmentationConfig | None = None

  def __call__(
    self, clip: clips.Clip, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    length, shape = len(clip.frames), self.shape
    if self.augmentation is None:
      (start,) = sampling.regular_starts(length, shape.num_frames, 1)
    else:
      start = sampling.random_start(length, shape.num_frames, generator)
    segment = sampling.segment(clip, start, shape.num_frames)
    frames = segment.frames[:]
    if self.augmentation is None:
      image = sampling.centre_crop(frames, shape.size)
    else:
      image = sampling.augment(frames, shape.size, generator, self.augmentation)
    return _example(segment, image, shape)


def _example(
  segment: clips.Clip, image: np.ndarray, shape: clips.ClipShape
) -> dict[str, np.ndarray]:
  if not segment.has_video:
    raise files.InputError(f"clip {segment.name} has no video; expected one.")
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
