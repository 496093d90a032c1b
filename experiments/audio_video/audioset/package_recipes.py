"""Recipes for real clips from ordinary packages, on which a CPU is enough.

  apt-get download hydrogen-drumkits
  python -m experiments.prepare drums ARCHIVE DIR
  python -m experiments.train audioset --recipe drums --data.source DIR

`drums` and `letters` have audio alone, `stamps` has pictures with their spoken
names; see `experiments.audio_video.packages`. The test clips are evaluated
once, at the end; for choices between settings, `prepare … --hold-out` makes a
data set without them, of which some training clips are held out. `evaluate
clip-baselines DIR` fits classifiers of scikit-learn.
"""

from typing import Any, NamedTuple

from experiments.audio_video.audioset import data as audioset_data
from experiments.audio_video.audioset import masking
from experiments.audio_video.audioset import spectrogram
from experiments.audio_video.audioset import waveforms
from experiments.audio_video.clips import decoding
from experiments.audio_video.clips import sources
from experiments.audio_video.clips import synthetic
from experiments.audio_video.packages import drums
from experiments.audio_video.packages import letters
from experiments.audio_video.packages import stamps
from experiments.training import optimizers
from experiments.training import schedules
from experiments.training import trainer
from perceiver import decoder
from perceiver import position_encoding
from perceiver.adapters import audio
from perceiver.adapters import multimodal
from perceiver.adapters import video
from perceiver.models import audioset


class Recipe(NamedTuple):
  """The fields of an experiment."""

  model: audioset.MultimodalClassifierConfig
  data: audioset_data.DataConfig
  train: trainer.TrainConfig


def _mel(times: int, bands: int) -> audio.SpectrogramInputConfig:
  return audio.SpectrogramInputConfig(
    num_frames=times,
    num_bands=bands,
    positions=position_encoding.Fourier(
      num_bands=8, max_resolution=(times, bands)
    ),
  )


def _model(
  num_classes: int, **inputs: multimodal.ModalityInput
) -> audioset.MultimodalClassifierConfig:
  return audioset.classifier_of(
    *(
      multimodal.ModalityConfig(name=name, input=config)
      for name, config in inputs.items()
    ),
    decoding=decoder.DecoderConfig(
      query_channels=64, output_channels=num_classes
    ),
    num_latents=32,
    latent_channels=64,
    num_self_attends_per_block=3,
    num_heads=4,
  )


def _train(steps: int) -> trainer.TrainConfig:
  return trainer.TrainConfig(
    batch_size=32,
    steps=steps,
    base_rate=2e-3,
    schedule=schedules.WarmupCosine(warmup_steps=100),
    optimizer=optimizers.Adam(weight_decay=0.05, clip_norm=1.0),
    checkpoint_every=200,
    log_every=50,
  )


def _data(
  kind: sources.Kind,
  storage: decoding.StorageConfig,
  seconds: float,
  mel: audio.SpectrogramInputConfig,
  num_classes: int,
  **changes: Any,
) -> audioset_data.DataConfig:
  samples = round(seconds * storage.sample_rate)
  hop = samples // mel.num_frames
  return audioset_data.DataConfig(
    source=sources.Source(kind),
    synthetic=synthetic.SyntheticConfig(
      num_frames=round(seconds * storage.frame_rate),
      size=stamps.SIZE,
      frame_rate=storage.frame_rate,
      sample_rate=storage.sample_rate,
      num_classes=num_classes,
    ),
    num_segments=1,
    spectrogram=spectrogram.SpectrogramConfig(
      sample_rate=storage.sample_rate,
      hop=hop,
      window=2 * hop,
      num_bands=mel.num_bands,
      highest=min(20_000.0, storage.sample_rate / 2),
    ),
    spec_augment=masking.SpecAugmentConfig(band_part=0.3, time_part=0.3),
    **changes,
  )


_DRUM, _LETTER, _NAME = _mel(48, 40), _mel(64, 32), _mel(64, 32)
_PICTURE = video.VideoInputConfig(
  num_frames=2,
  size=stamps.SIZE,
  patch=(2, 6, 6),
  positions=position_encoding.Fourier(num_bands=4, max_resolution=(1, 8, 8)),
)
RECIPES = {
  "drums": Recipe(
    model=_model(len(drums.CLASS_NAMES), audio=_DRUM),
    data=_data(
      sources.Kind.DRUMS,
      drums.STORAGE,
      drums.SECONDS,
      _DRUM,
      len(drums.CLASS_NAMES),
      waveform=waveforms.WaveformConfig(gain=20.0, speed=1.5, delay=0.1),
    ),
    train=_train(1500),
  ),
  "letters": Recipe(
    model=_model(len(letters.CLASS_NAMES), audio=_LETTER),
    data=_data(
      sources.Kind.LETTERS,
      letters.STORAGE,
      letters.SECONDS,
      _LETTER,
      len(letters.CLASS_NAMES),
      waveform=waveforms.WaveformConfig(gain=10.0, speed=1.2, delay=0.1),
    ),
    train=_train(1500),
  ),
  "stamps": Recipe(
    model=_model(len(stamps.CLASS_NAMES), video=_PICTURE, audio=_NAME),
    data=_data(
      sources.Kind.STAMPS,
      stamps.STORAGE,
      stamps.SECONDS,
      _NAME,
      len(stamps.CLASS_NAMES),
      waveform=waveforms.WaveformConfig(gain=10.0, speed=1.2, delay=0.1),
      drop_video=0.2,
      drop_audio=0.2,
    ),
    train=_train(1500),
  ),
}
