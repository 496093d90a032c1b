"""Examples: clips as arrays, in training and in evaluation."""

from collections.abc import Mapping
import dataclasses

import numpy as np

from experiments.audio_video.audioset import data
from experiments.audio_video.audioset import masking
from experiments.audio_video.audioset import spectrogram
from experiments.audio_video.clips import clips
from experiments.audio_video.clips import sampling
from experiments.data import files


@dataclasses.dataclass(frozen=True)
class TrainTransform:
  """Makes an example of a random segment of a clip, augmented as configured.

  An example has "labels", [classes] float32, 1 for the classes of the clip; for
  each modality of the model an array under its name, frames [T, H, W, 3] uint8,
  samples [S, 1] or a spectrogram [times, bands], float32; and under "has_" and
  its name [] bool, False where the modality is to be masked.
  """

  config: data.DataConfig
  inputs: data.ModelInputs

  def __call__(
    self, clip: clips.Clip, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    config, inputs = self.config, self.inputs
    clip = _without_unused(clip, inputs)
    num_frames = _num_frames(clip, config, inputs)
    start = sampling.random_start(len(clip.frames), num_frames, generator)
    segment = sampling.segment(clip, start, num_frames)
    example: dict[str, np.ndarray] = {}
    if inputs.video is not None:
      example[data.VIDEO] = sampling.augment(
        segment.frames[:], inputs.video.size, generator, config.augmentation
      )
    if inputs.audio is not None:
      audio = _audio(segment, config, inputs)
      if config.spec_augment is not None:
        audio = masking.spec_augment(audio, config.spec_augment, generator)
      example[data.AUDIO] = audio
    present = _drop(_present(clip, config, inputs), config, generator.random())
    return example | _labels_and_flags(clip, inputs, present)


@dataclasses.dataclass(frozen=True)
class EvalTransform:
  """Makes an example of evenly spaced segments of a clip, without augmentation.

  Entries are those of `TrainTransform`, but frames, samples and spectrograms
  have a leading axis of segments.
  """

  config: data.DataConfig
  inputs: data.ModelInputs

  def __call__(
    self, clip: clips.Clip, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    del generator  # Nothing is random in evaluation.
    config, inputs = self.config, self.inputs
    clip = _without_unused(clip, inputs)
    num_frames = _num_frames(clip, config, inputs)
    starts = sampling.regular_starts(
      len(clip.frames), num_frames, config.num_segments
    )
    segments = [sampling.segment(clip, start, num_frames) for start in starts]
    example: dict[str, np.ndarray] = {}
    if (video := inputs.video) is not None:
      example[data.VIDEO] = np.stack(
        [sampling.centre_crop(x.frames[:], video.size) for x in segments]
      )
    if inputs.audio is not None:
      example[data.AUDIO] = np.stack(
        [_audio(segment, config, inputs) for segment in segments]
      )
    present = _present(clip, config, inputs)
    return example | _labels_and_flags(clip, inputs, present)


def _without_unused(clip: clips.Clip, inputs: data.ModelInputs) -> clips.Clip:
  """Removes the pixels of frames that the model does not use."""
  if inputs.video is not None:
    return clip
  return clip._replace(frames=np.zeros((len(clip.frames), 0, 0, 3), np.uint8))


def _num_frames(
  clip: clips.Clip, config: data.DataConfig, inputs: data.ModelInputs
) -> int:
  """Returns the number of a clip's frames in one segment.

  Raises:
    files.InputError: if their audio is not of the model's shape.
  """
  ratio = clips.samples_per_frame(clip)
  samples = inputs.num_samples(config.spectrogram.hop)
  if inputs.video is None:
    assert samples is not None
    frames = samples // ratio
  else:
    frames = inputs.video.num_frames
  if samples is not None and frames * ratio != samples:
    raise files.InputError(
      f"clip {clip.name}: {frames} frames at {clip.frame_rate:g} per second "
      f"have {frames * ratio} samples at {clip.sample_rate} per second; "
      f"expected the model's {samples}"
    )
  rate = config.spectrogram.sample_rate
  if inputs.has_spectrogram and clip.sample_rate != rate:
    raise files.InputError(
      f"clip {clip.name}: {clip.sample_rate} samples per second; expected "
      f"{rate}, as in data.spectrogram.sample_rate"
    )
  return frames


def _audio(
  segment: clips.Clip, config: data.DataConfig, inputs: data.ModelInputs
) -> np.ndarray:  # [S, 1] or [times, bands] float32
  """Returns the audio of a segment, mixed to mono, as the model takes it."""
  mono = segment.audio.mean(axis=1, dtype=np.float32)  # [S]
  if inputs.has_spectrogram:
    return spectrogram.log_mel(mono, config.spectrogram)
  return mono[:, None]


def _present(
  clip: clips.Clip, config: data.DataConfig, inputs: data.ModelInputs
) -> dict[str, bool]:
  """Returns whether a clip has each of the model's modalities."""
  present = {}
  if inputs.video is not None:
    present[data.VIDEO] = config.uses(data.VIDEO)
  if inputs.audio is not None:
    present[data.AUDIO] = clip.has_audio and config.uses(data.AUDIO)
  return present


def _drop(
  present: Mapping[str, bool], config: data.DataConfig, uniform: float
) -> dict[str, bool]:
  """Drops a modality of a clip that has several.

  Args:
    present: whether it has each modality.
    config: probabilities of dropping each.
    uniform: random number, uniform in [0, 1).
  """
  result = dict(present)
  if sum(present.values()) > 1:
    if uniform < config.drop_video:
      result[data.VIDEO] = False
    elif uniform < config.drop_video + config.drop_audio:
      result[data.AUDIO] = False
  return result


def _labels_and_flags(
  clip: clips.Clip, inputs: data.ModelInputs, present: Mapping[str, bool]
) -> dict[str, np.ndarray]:
  """Returns the labels of a clip, and flags for its modalities.

  Raises:
    files.InputError: if a label is none of the model's classes.
  """
  wrong = [n for n in clip.labels if not 0 <= n < inputs.num_classes]
  if wrong:
    raise files.InputError(
      f"clip {clip.name}: the labels {wrong} are none; expected 0 to "
      f"{inputs.num_classes - 1}"
    )
  labels = np.zeros(inputs.num_classes, np.float32)
  labels[list(clip.labels)] = 1
  flags = {f"has_{name}": np.asarray(has) for name, has in present.items()}
  return {"labels": labels, **flags}
