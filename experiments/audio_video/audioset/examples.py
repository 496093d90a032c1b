"""Examples: clips as arrays, in training and in evaluation."""

from collections.abc import Mapping
import dataclasses

import numpy as np

from experiments.audio_video.audioset import data
from experiments.audio_video.audioset import masking
from experiments.audio_video.audioset import spectrogram
from experiments.audio_video.audioset import waveforms
from experiments.audio_video.clips import clips
from experiments.audio_video.clips import sampling
from experiments.data import files


@dataclasses.dataclass(frozen=True)
class _Transform:
  """The part that examples in training and in evaluation share."""

  config: data.DataConfig
  inputs: data.ModelInputs

  def __call__(
    self, clip: clips.Clip, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    """Returns the example of a clip.

    Raises:
      files.InputError: if its audio is not of the model's shape, or a label is
        none of the model's classes.
    """
    if self.inputs.video is None:  # The pixels are not decoded.
      frames = np.zeros((len(clip.frames), 0, 0, 3), np.uint8)
      clip = clip._replace(frames=frames)
    example = self._arrays(clip, self._num_frames(clip), generator)
    for name, present in self._present(clip, generator).items():
      example[f"has_{name}"] = np.asarray(present)
    return example | {"labels": self._labels(clip)}

  def _arrays(
    self, clip: clips.Clip, num_frames: int, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    """Returns the arrays of the model's modalities."""
    raise NotImplementedError

  def _num_frames(self, clip: clips.Clip) -> int:
    """Returns the number of a clip's frames in one segment."""
    ratio = clips.samples_per_frame(clip)
    samples = self.inputs.num_samples(self.config.spectrogram.hop)
    if self.inputs.video is None:
      assert samples is not None
      frames = samples // ratio
    else:
      frames = self.inputs.video.num_frames
    if samples is not None and frames * ratio != samples:
      raise files.InputError(
        f"clip {clip.name}: {frames} frames at {clip.frame_rate:g} per second "
        f"have {frames * ratio} samples at {clip.sample_rate} per second; "
        f"expected the model's {samples}"
      )
    rate = self.config.spectrogram.sample_rate
    if self.inputs.has_spectrogram and clip.sample_rate != rate:
      raise files.InputError(
        f"clip {clip.name}: {clip.sample_rate} samples per second; expected "
        f"{rate}, as in data.spectrogram.sample_rate"
      )
    return frames

  def _audio(self, segment: clips.Clip) -> np.ndarray:
    """Returns audio, mixed to mono, [S, 1] or [times, bands] float32."""
    mono = segment.audio.mean(axis=1, dtype=np.float32)  # [S]
    if self.inputs.has_spectrogram:
      return spectrogram.log_mel(mono, self.config.spectrogram)
    return mono[:, None]

  def _present(
    self, clip: clips.Clip, generator: np.random.Generator
  ) -> Mapping[str, bool]:
    """Returns whether a clip has each of the model's modalities."""
    present = {}
    if self.inputs.video is not None:
      present[data.VIDEO] = clip.has_video and self.config.uses(data.VIDEO)
    if self.inputs.audio is not None:
      present[data.AUDIO] = clip.has_audio and self.config.uses(data.AUDIO)
    return present

  def _labels(self, clip: clips.Clip) -> np.ndarray:  # [classes] float32
    count = self.inputs.num_classes
    if wrong := [n for n in clip.labels if not 0 <= n < count]:
      raise files.InputError(
        f"clip {clip.name}: the labels {wrong} are none; expected 0 to "
        f"{count - 1}"
      )
    labels = np.zeros(count, np.float32)
    labels[list(clip.labels)] = 1
    return labels


class TrainTransform(_Transform):
  """Makes an example of a random segment of a clip, augmented as configured.

  An example has "labels", [classes] float32, 1 for the classes of the clip; for
  each modality of the model an array under its name, frames [T, H, W, 3] uint8,
  samples [S, 1] or a spectrogram [times, bands], float32; and under "has_" and
  its name [] bool, False where the modality is to be masked.
  """

  def _arrays(
    self, clip: clips.Clip, num_frames: int, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    config = self.config
    start = sampling.random_start(len(clip.frames), num_frames, generator)
    segment = sampling.segment(clip, start, num_frames)
    arrays: dict[str, np.ndarray] = {}
    if (video := self.inputs.video) is not None:
      arrays[data.VIDEO] = sampling.augment(
        segment.frames[:], video.size, generator, config.augmentation
      )
    if self.inputs.audio is not None:
      changed = waveforms.augment(segment.audio, config.waveform, generator)
      audio = self._audio(segment._replace(audio=changed))
      if config.spec_augment is not None:
        audio = masking.spec_augment(audio, config.spec_augment, generator)
      arrays[data.AUDIO] = audio
    return arrays

  def _present(
    self, clip: clips.Clip, generator: np.random.Generator
  ) -> Mapping[str, bool]:
    """Drops a modality of a clip that has several."""
    present, config = super()._present(clip, generator), self.config
    uniform = generator.random()
    if sum(present.values()) < 2 or (
      uniform >= config.drop_video + config.drop_audio
    ):
      return present
    dropped = data.VIDEO if uniform < config.drop_video else data.AUDIO
    return {**present, dropped: False}


class EvalTransform(_Transform):
  """Makes an example of evenly spaced segments of a clip, without augmentation.

  Entries are those of `TrainTransform`, but frames, samples and spectrograms
  have a leading axis of segments.
  """

  def _arrays(
    self, clip: clips.Clip, num_frames: int, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    starts = sampling.regular_starts(
      len(clip.frames), num_frames, self.config.num_segments
    )
    segments = [sampling.segment(clip, start, num_frames) for start in starts]
    arrays: dict[str, np.ndarray] = {}
    if (video := self.inputs.video) is not None:
      arrays[data.VIDEO] = np.stack(
        [sampling.centre_crop(x.frames[:], video.size) for x in segments]
      )
    if self.inputs.audio is not None:
      arrays[data.AUDIO] = np.stack([self._audio(x) for x in segments])
    return arrays
