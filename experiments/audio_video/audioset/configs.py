"""Recipes for AudioSet, of both papers.

  python -m experiments.train audioset --mini
  python -m experiments.train audioset --mini --data.modalities audio
  python -m experiments.train audioset --recipe perceiver_mel_tuned \\
      --data.source DIR

Published on TPUs; none has been run at full size with this code. DIR is a data
set made by `python -m experiments.prepare clips`. `--mini` trains on synthetic
clips, some of whose classes are only in the audio and some only in the video.
Recipes of real clips for a CPU are in `package_recipes`.
"""

import dataclasses

from experiments.audio_video.audioset import data as audioset_data
from experiments.audio_video.audioset import masking
from experiments.audio_video.audioset import package_recipes
from experiments.audio_video.audioset import spectrogram
from experiments.audio_video.audioset import task as audioset_task
from experiments.audio_video.clips import sampling
from experiments.audio_video.clips import sources
from experiments.audio_video.clips import synthetic
from experiments.cli.papers import published
from experiments.training import optimizers
from experiments.training import schedules
from experiments.training import tasks
from experiments.training import trainer
import perceiver
from perceiver import decoder
from perceiver import position_encoding
from perceiver.adapters import audio
from perceiver.adapters import multimodal
from perceiver.adapters import video
from perceiver.models import audioset


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
  """Classification of AudioSet's events in video, audio or both."""

  model: audioset.MultimodalClassifierConfig
  data: audioset_data.DataConfig
  train: trainer.TrainConfig

  def __post_init__(self) -> None:
    audioset_data.model_inputs(
      self.model.inputs, self.model.num_classes, self.data
    )

  def num_classes(self) -> int | None:
    """Returns the data's number of classes, which a model follows."""
    return sources.num_classes(self.data)

  def task(self) -> audioset_task.AudioSet:
    """Returns the task."""
    return audioset_task.AudioSet(
      model=perceiver.create(self.model),
      data=self.data,
      eval_batch_size=self.train.eval_batch_size or self.train.batch_size,
      devices=self.train.parallel,
    )


# ------------------- 2103.03206 §4.2; 2107.14795 appendix G, table 10

# 100 epochs. Nothing else about the training is published: optimizer, rates and
# batch size are those of ImageNet in the same paper.
_PERCEIVER_TRAIN = trainer.TrainConfig(
  batch_size=1024,
  epochs=100,
  base_rate=4e-3,
  schedule=schedules.Steps(boundaries=(84 / 120, 102 / 120, 114 / 120)),
  optimizer=optimizers.Lamb(weight_decay=0.1, clip_norm=10.0),
  eval_every=25_000,
  eval_batch_size=64,
  checkpoint_every=1000,
)
_IO_TRAIN = dataclasses.replace(
  _PERCEIVER_TRAIN,
  base_rate=5e-4,
  scale_rate_with_batch=True,
  schedule=schedules.ConstantThenCosine(constant_fraction=0.5),
)
_SYNTHETIC = synthetic.SyntheticConfig(
  num_frames=250, num_classes=audioset.NUM_CLASSES, events=(1, 4)
)
# With both modalities, 30 % of the examples lose their video.
_RAW = audioset_data.DataConfig(
  source=sources.PREPARED, synthetic=_SYNTHETIC, drop_video=0.3
)
_MEL = dataclasses.replace(_RAW, spec_augment=masking.SpecAugmentConfig())
# The best number's: no SpecAugment, 10 % lose their spectrogram.
_TUNED = dataclasses.replace(_RAW, drop_audio=0.1)
_RAW_ALONE = dataclasses.replace(_RAW, drop_video=0.0)
_MEL_ALONE = dataclasses.replace(_MEL, drop_video=0.0)


# ------------------------------------------------------------------------ mini

_SIZE, _NUM_CLASSES = (16, 16), 12
_TIMES, _BANDS, _HOP = 10, 20, 128


_MINI_VIDEO = multimodal.ModalityConfig(
  name=audioset_data.VIDEO,
  input=video.VideoInputConfig(
    num_frames=8,
    size=_SIZE,
    patch=(4, 4, 4),
    positions=position_encoding.Fourier(num_bands=2, max_resolution=(2, 4, 4)),
  ),
)
_MINI_AUDIO = multimodal.ModalityConfig(
  name=audioset_data.AUDIO,
  input=audio.SpectrogramInputConfig(
    num_frames=_TIMES,
    num_bands=_BANDS,
    positions=position_encoding.Fourier(
      num_bands=8, max_resolution=(_TIMES, _BANDS)
    ),
  ),
)


def _mini() -> Experiment:
  return Experiment(
    model=audioset.classifier_of(
      _MINI_VIDEO,
      _MINI_AUDIO,
      decoding=decoder.DecoderConfig(
        query_channels=64, output_channels=_NUM_CLASSES
      ),
      num_latents=32,
      latent_channels=64,
      num_self_attends_per_block=3,
      num_heads=4,
    ),
    data=audioset_data.DataConfig(
      synthetic=synthetic.SyntheticConfig(
        num_frames=12,
        size=_SIZE,
        sample_rate=4000,
        num_classes=_NUM_CLASSES,
        audio_only=4,
        video_only=4,
        events=(1, 3),
        distractors=1,
        noise=0.03,
      ),
      num_segments=3,
      spectrogram=spectrogram.SpectrogramConfig(
        sample_rate=4000,
        hop=_HOP,
        window=2 * _HOP,
        num_bands=_BANDS,
        lowest=20.0,
        highest=600.0,
      ),
      augmentation=dataclasses.replace(
        sampling.NO_AUGMENTATION, flip=True, brightness=0.05, contrast=0.1
      ),
      drop_video=0.1,
      drop_audio=0.1,
    ),
    train=trainer.TrainConfig(
      batch_size=32,
      steps=800,
      base_rate=2e-3,
      schedule=schedules.WarmupCosine(warmup_steps=100),
      optimizer=optimizers.Adam(weight_decay=0.01, clip_norm=1.0),
      eval_every=200,
      checkpoint_every=200,
      log_every=50,
    ),
  )


_OF_2107 = {
  "mel": ("audioset_mel", _MEL),
  "raw": ("audioset_raw", _RAW),
  "mean_mel": ("perceiver_audioset_1_cross_attend_mel", _MEL),
  "mean_raw": ("perceiver_audioset_1_cross_attend_raw", _RAW),
}
_OF_2103 = {
  "perceiver_mel": ("perceiver_audioset_mel", _MEL),
  "perceiver_mel_tuned": ("perceiver_audioset_mel", _TUNED),
  "perceiver_raw": ("perceiver_audioset_raw", _RAW),
  "perceiver_mel_alone": ("perceiver_audioset_mel_alone", _MEL_ALONE),
  "perceiver_raw_alone": ("perceiver_audioset_raw_alone", _RAW_ALONE),
  "perceiver_video_alone": ("perceiver_audioset_video_alone", _RAW_ALONE),
  "perceiver_fine": ("perceiver_audioset_fine", _RAW),
}
EXPERIMENTS = {
  recipe: Experiment(model=audioset.CONFIGS[model], data=data, train=train)
  for recipes, train in ((_OF_2107, _IO_TRAIN), (_OF_2103, _PERCEIVER_TRAIN))
  for recipe, (model, data) in recipes.items()
} | {
  recipe: Experiment(**fields._asdict())
  for recipe, fields in package_recipes.RECIPES.items()
}
MINI = _mini()
RESULTS = {
  **published.results("audioset"),
  "mini": tasks.Result(metric="map", ours=0.971),
}
