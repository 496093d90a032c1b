"""Data of the AudioSet experiment, and the inputs of its models."""

import dataclasses
import enum

from experiments.audio_video.audioset import masking
from experiments.audio_video.audioset import spectrogram as audioset_spectrogram
from experiments.audio_video.audioset import waveforms
from experiments.audio_video.clips import sources
from perceiver import bounds
from perceiver.adapters import audio as audio_inputs
from perceiver.adapters import multimodal
from perceiver.adapters import video as video_inputs

VIDEO, AUDIO = "video", "audio"

# Inputs of the modality "audio": samples or a spectrogram.
AudioInput = audio_inputs.AudioInputConfig | audio_inputs.SpectrogramInputConfig


class Modalities(enum.Enum):
  """Modalities of a clip that a model is given; the other is masked.

  In training the model learns from one modality alone; a model that has learned
  from both can be evaluated on one of them.
  """

  ALL = "all"
  AUDIO = "audio"
  VIDEO = "video"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig(sources.ClipsConfig):
  """The clips, and the inputs made of them.

  In training a clip may lose one of its modalities, but never the only one.
  Lost and missing modalities are masked in the inputs.

  Attributes:
    modalities: modalities that the model is given.
    num_segments: segments of a clip, evenly spaced, whose scores are averaged
      in evaluation.
    spectrogram: spectrograms of models that take one.
    spec_augment: masking of spectrograms in training; None for none.
    waveform: augmentation of audio in training.
    drop_video: probability that a training clip of both modalities loses its
      video.
    drop_audio: probability that it loses its audio instead.
  """

  modalities: Modalities = Modalities.ALL
  num_segments: int = 16
  spectrogram: audioset_spectrogram.SpectrogramConfig = (
    audioset_spectrogram.SpectrogramConfig()
  )
  spec_augment: masking.SpecAugmentConfig | None = None
  waveform: waveforms.WaveformConfig = waveforms.WaveformConfig()
  drop_video: float = 0.0
  drop_audio: float = 0.0

  def __post_init__(self) -> None:
    super().__post_init__()
    bounds.check_ranges(self, "num_segments")
    if min(self.drop_video, self.drop_audio) < 0 or (
      self.drop_video + self.drop_audio > 1
    ):
      raise ValueError(
        f"DataConfig: drop_video is {self.drop_video} and drop_audio "
        f"{self.drop_audio}; expected probabilities whose sum is at most 1."
      )

  def uses(self, name: str) -> bool:
    """Returns whether the model is given a modality."""
    return self.modalities in (Modalities.ALL, Modalities(name))


@dataclasses.dataclass(frozen=True)
class ModelInputs:
  """Inputs and classes of a model of this experiment.

  Attributes:
    video: its frames; None if it takes none.
    audio: its samples or its spectrogram; None if it takes none.
    num_classes: number of classes.
  """

  video: video_inputs.VideoInputConfig | None
  audio: AudioInput | None
  num_classes: int

  @property
  def has_spectrogram(self) -> bool:
    """True for a model that takes a spectrogram."""
    return isinstance(self.audio, audio_inputs.SpectrogramInputConfig)

  def num_samples(self, hop: int) -> int | None:
    """Returns the samples of its audio, given those of a spectrogram's step.

    None if it takes no audio.
    """
    if isinstance(self.audio, audio_inputs.SpectrogramInputConfig):
      return self.audio.num_frames * hop
    return None if self.audio is None else self.audio.num_samples


def model_inputs(
  config: multimodal.MultimodalInputConfig, num_classes: int, data: DataConfig
) -> ModelInputs:
  """Returns the inputs of a model, checked against the data.

  Raises:
    ValueError: if the data cannot provide them, naming the setting.
  """
  inputs = {modality.name: modality.input for modality in config.modalities}
  video, audio = inputs.pop(VIDEO, None), inputs.pop(AUDIO, None)
  if (
    inputs
    or not isinstance(video, video_inputs.VideoInputConfig | None)
    or not isinstance(audio, AudioInput | None)
  ):
    raise ValueError(
      f"model.inputs has {sorted(m.name for m in config.modalities)}; expected "
      f"{VIDEO!r}, frames, or {AUDIO!r}, samples or a spectrogram, or both"
    )
  missing = {Modalities.VIDEO: video is None, Modalities.AUDIO: audio is None}
  if missing.get(data.modalities):
    raise ValueError(
      f"data.modalities is {data.modalities.value}; expected a modality of the "
      "model"
    )
  found = ModelInputs(video, audio, num_classes)
  if isinstance(audio, audio_inputs.SpectrogramInputConfig) and (
    audio.num_bands != data.spectrogram.num_bands
  ):
    raise ValueError(
      f"data.spectrogram.num_bands is {data.spectrogram.num_bands}; expected "
      f"the model's {audio.num_bands}"
    )
  if data.spec_augment and not found.has_spectrogram:
    raise ValueError(
      "data.spec_augment is given, but the model takes no spectrogram; "
      "expected None"
    )
  return found
