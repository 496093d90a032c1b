"""What there is to learn from, and what of it a model perceives."""

import dataclasses
import enum
import pathlib

from experiments.audio_video.audioset import masking
from experiments.audio_video.audioset import spectrogram as audioset_spectrogram
from experiments.audio_video.clips import sampling
from experiments.audio_video.clips import synthetic
from perceiver.adapters import audio
from perceiver.adapters import multimodal
from perceiver.adapters import video

VIDEO, AUDIO = "video", "audio"


class Modalities(enum.Enum):
  """What of a clip may be perceived; the rest is masked.

  A model that is trained so learns from one modality alone, and one that has
  learned from both is judged so by one of them.
  """

  ALL = "all"
  AUDIO = "audio"
  VIDEO = "video"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """Which clips there are, and how they are varied.

  In training a clip may lose one of its modalities, but never the only one.
  What it has lost, or never had, such as sound, is masked in the inputs.

  Attributes:
    data_dir: a data set made by `experiments.prepare clips`;
      None generates clips.
    train_split: the part of it that is learned from.
    eval_split: the part that is judged by.
    allow_partial: accept fewer clips than the official lists have.
    generator: how clips are generated. Those for evaluation have the next seed.
    num_eval: how many are generated for evaluation.
    modalities: what of them may be perceived.
    windows: pieces of a clip, evenly spread, whose scores are averaged in
      evaluation.
    spectrogram: how it is made, for models that see one.
    spec_augment: how it is masked in training; None for not at all.
    augmentation: how the frames of training clips are varied.
    drop_video: probability that a training clip of both modalities loses its
      video.
    drop_audio: probability that it loses its sound instead.
  """

  data_dir: pathlib.Path | None = None
  train_split: str = "train"
  eval_split: str = "validation"
  allow_partial: bool = False
  generator: synthetic.GeneratorConfig = synthetic.GeneratorConfig()
  num_eval: int = 256
  modalities: Modalities = Modalities.ALL
  windows: int = 16
  spectrogram: audioset_spectrogram.SpectrogramConfig = (
    audioset_spectrogram.SpectrogramConfig()
  )
  spec_augment: masking.SpecAugmentConfig | None = None
  augmentation: sampling.AugmentationConfig = sampling.AugmentationConfig()
  drop_video: float = 0.0
  drop_audio: float = 0.0

  def __post_init__(self) -> None:
    if min(self.num_eval, self.windows) < 1:
      raise ValueError(
        f"DataConfig: num_eval is {self.num_eval} and windows {self.windows}; "
        "expected at least 1."
      )
    if min(self.drop_video, self.drop_audio) < 0 or (
      self.drop_video + self.drop_audio > 1
    ):
      raise ValueError(
        f"DataConfig: drop_video is {self.drop_video} and drop_audio "
        f"{self.drop_audio}; expected probabilities whose sum is at most 1."
      )

  def perceives(self, name: str) -> bool:
    """Tells whether a modality may be perceived."""
    return self.modalities in (Modalities.ALL, Modalities(name))


@dataclasses.dataclass(frozen=True)
class Senses:
  """What a model of this experiment sees and hears.

  Attributes:
    seen: frames; None if it sees nothing.
    heard: samples or a spectrogram; None if it hears nothing.
    num_classes: what it tells.
  """

  seen: video.VideoInputConfig | None
  heard: audio.AudioInputConfig | audio.SpectrogramInputConfig | None
  num_classes: int

  def num_samples(self, hop: int) -> int | None:
    """Returns how many samples it hears, given those of a spectrogram's step.

    None if it hears nothing.
    """
    if isinstance(self.heard, audio.SpectrogramInputConfig):
      return self.heard.num_frames * hop
    return None if self.heard is None else self.heard.num_samples


def senses(
  config: multimodal.MultimodalInputConfig, num_classes: int, data: DataConfig
) -> Senses:
  """Returns what a model sees and hears, if the data can give it that.

  Raises:
    ValueError: if it cannot, naming the setting.
  """
  inputs = {modality.name: modality.input for modality in config.modalities}
  seen, heard = inputs.pop(VIDEO, None), inputs.pop(AUDIO, None)
  if (
    inputs
    or not isinstance(seen, video.VideoInputConfig | None)
    or not isinstance(
      heard, audio.AudioInputConfig | audio.SpectrogramInputConfig | None
    )
  ):
    raise ValueError(
      f"model.inputs has {sorted(m.name for m in config.modalities)}; expected "
      f"{VIDEO!r}, frames, or {AUDIO!r}, samples or a spectrogram, or both"
    )
  found = {VIDEO: seen, AUDIO: heard}
  needed = data.modalities
  if needed is not Modalities.ALL and found[needed.value] is None:
    raise ValueError(
      f"data.modalities is {needed.name}, which the model does not perceive"
    )
  if isinstance(heard, audio.SpectrogramInputConfig) and (
    heard.num_bands != data.spectrogram.num_bands
  ):
    raise ValueError(
      f"data.spectrogram.num_bands is {data.spectrogram.num_bands}; expected "
      f"the model's {heard.num_bands}"
    )
  if data.spec_augment and not isinstance(heard, audio.SpectrogramInputConfig):
    raise ValueError(
      "data.spec_augment is given, but the model sees no spectrogram; expected "
      "None"
    )
  return Senses(seen, heard, num_classes)
