"""Clips as arrays, in training and in evaluation."""

from collections.abc import Mapping
import dataclasses

import numpy as np

from experiments.audio_video.audioset import data
from experiments.audio_video.audioset import masking
from experiments.audio_video.audioset import spectrogram
from experiments.audio_video.clips import clips
from experiments.audio_video.clips import sampling
from experiments.data import files
from perceiver.adapters import audio


@dataclasses.dataclass(frozen=True)
class TrainTransform:
  """Makes an example of a random piece of a clip, varied as configured.

  An example has "labels", [classes] float32, 1 for what is in the clip, and for
  each modality of the model an array under its name, frames [T, H, W, 3] uint8,
  samples [S, 1] or a spectrogram [times, bands], float32, and under
  "has_" and its name whether it may be perceived, [] bool.
  """

  config: data.DataConfig
  sensed: data.Senses

  def __call__(
    self, clip: clips.Clip, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    clip = _undecoded(clip, self.sensed)
    num_frames = _num_frames(clip, self.config, self.sensed)
    start = sampling.random_start(len(clip.frames), num_frames, generator)
    piece = sampling.cut(clip, start, num_frames)
    example: dict[str, np.ndarray] = {}
    if self.sensed.seen is not None:
      example[data.VIDEO] = sampling.augment(
        piece.frames[:],
        self.sensed.seen.size,
        generator,
        self.config.augmentation,
      )
    if self.sensed.heard is not None:
      example[data.AUDIO] = _hear(piece, self.config, self.sensed)
      if self.config.spec_augment is not None:
        example[data.AUDIO] = masking.spec_augment(
          example[data.AUDIO], self.config.spec_augment, generator
        )
    present = _present(clip, self.config, self.sensed)
    present = _drop(present, self.config, generator.random())
    return example | _told(clip, self.sensed, present)


@dataclasses.dataclass(frozen=True)
class EvalTransform:
  """Makes an example of evenly spread pieces of a clip, nothing varied.

  Entries are those of `TrainTransform`, but frames, samples and spectrograms
  have a leading axis that counts the pieces.
  """

  config: data.DataConfig
  sensed: data.Senses

  def __call__(
    self, clip: clips.Clip, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    del generator  # Evaluation varies nothing.
    clip = _undecoded(clip, self.sensed)
    num_frames = _num_frames(clip, self.config, self.sensed)
    starts = sampling.regular_starts(
      len(clip.frames), num_frames, self.config.windows
    )
    pieces = [sampling.cut(clip, start, num_frames) for start in starts]
    example: dict[str, np.ndarray] = {}
    if (seen := self.sensed.seen) is not None:
      example[data.VIDEO] = np.stack(
        [sampling.middle(piece.frames[:], seen.size) for piece in pieces]
      )
    if self.sensed.heard is not None:
      example[data.AUDIO] = np.stack(
        [_hear(piece, self.config, self.sensed) for piece in pieces]
      )
    present = _present(clip, self.config, self.sensed)
    return example | _told(clip, self.sensed, present)


def _undecoded(clip: clips.Clip, sensed: data.Senses) -> clips.Clip:
  """Leaves out the frames' pixels where nobody sees them."""
  if sensed.seen is not None:
    return clip
  return clip._replace(frames=np.zeros((len(clip.frames), 0, 0, 3), np.uint8))


def _num_frames(
  clip: clips.Clip, config: data.DataConfig, sensed: data.Senses
) -> int:
  """Returns how many frames of a clip the model perceives at a time.

  Raises:
    files.InputError: if their sound is not what it hears.
  """
  ratio = clips.samples_per_frame(clip)
  samples = sensed.num_samples(config.spectrogram.hop)
  if sensed.seen is None:
    assert samples is not None
    frames = samples // ratio
  else:
    frames = sensed.seen.num_frames
  if samples is not None and frames * ratio != samples:
    raise files.InputError(
      f"clip {clip.name}: {frames} frames at {clip.frame_rate:g} per second "
      f"have {frames * ratio} samples at {clip.sample_rate} per second; "
      f"expected {samples}, which the model hears"
    )
  rate = config.spectrogram.sample_rate
  if isinstance(sensed.heard, audio.SpectrogramInputConfig) and (
    clip.sample_rate != rate
  ):
    raise files.InputError(
      f"clip {clip.name}: {clip.sample_rate} samples per second; expected "
      f"{rate}, as data.spectrogram.sample_rate says"
    )
  return frames


def _hear(
  piece: clips.Clip, config: data.DataConfig, sensed: data.Senses
) -> np.ndarray:  # [S, 1] or [times, bands] float32
  """Returns the sound of a piece, its channels mixed, as the model hears it."""
  mono = piece.sound.mean(axis=1, dtype=np.float32)  # [S]
  if isinstance(sensed.heard, audio.SpectrogramInputConfig):
    return spectrogram.log_mel(mono, config.spectrogram)
  return mono[:, None]


def _present(
  clip: clips.Clip, config: data.DataConfig, sensed: data.Senses
) -> dict[str, bool]:
  """Tells which of the model's modalities a clip has."""
  present = {}
  if sensed.seen is not None:
    present[data.VIDEO] = config.perceives(data.VIDEO)
  if sensed.heard is not None:
    has = clip.has_sound and config.perceives(data.AUDIO)
    present[data.AUDIO] = has
  return present


def _drop(
  present: Mapping[str, bool], config: data.DataConfig, chance: float
) -> dict[str, bool]:
  """Drops a modality of a clip that has several.

  Args:
    present: which modalities it has.
    config: says how often which is dropped.
    chance: evenly distributed in [0, 1).
  """
  result = dict(present)
  if sum(present.values()) > 1:
    if chance < config.drop_video:
      result[data.VIDEO] = False
    elif chance < config.drop_video + config.drop_audio:
      result[data.AUDIO] = False
  return result


def _told(
  clip: clips.Clip, sensed: data.Senses, present: Mapping[str, bool]
) -> dict[str, np.ndarray]:
  """Returns which classes a clip is of, and which modalities it has.

  Raises:
    files.InputError: if a class is none of the model's.
  """
  wrong = [n for n in clip.labels if not 0 <= n < sensed.num_classes]
  if wrong:
    raise files.InputError(
      f"clip {clip.name}: the labels {wrong} are none; expected 0 to "
      f"{sensed.num_classes - 1}"
    )
  labels = np.zeros(sensed.num_classes, np.float32)
  labels[list(clip.labels)] = 1
  flags = {f"has_{name}": np.asarray(has) for name, has in present.items()}
  return {"labels": labels, **flags}
