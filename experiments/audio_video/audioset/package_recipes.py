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
from experiments.audio_video.clips import sources
from experiments.audio_video.clips import synthetic
from experiments.audio_video.packages import clip_sets
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


def _recipe(
  clips: clip_sets.ClipSet,
  mel: audio.SpectrogramInputConfig,
  frames: video.VideoInputConfig | None = None,
  **changes: Any,
) -> Recipe:
  """Returns a recipe for audio, and for frames beside it if they are given.

  Args:
    clips: the data set.
    mel: spectrograms of the model.
    frames: frames of the model; None for audio alone.
    **changes: other fields of the data.
  """
  num_classes, storage = len(clips.class_names), clips.storage
  hop = round(clips.seconds * storage.sample_rate) // mel.num_frames
  videos = {} if frames is None else {"video": frames}
  return Recipe(
    model=_model(num_classes, **videos, audio=mel),
    data=audioset_data.DataConfig(
      source=sources.Source(sources.Kind(clips.name)),
      synthetic=synthetic.SyntheticConfig(
        num_frames=round(clips.seconds * storage.frame_rate),
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
    ),
    train=trainer.TrainConfig(
      batch_size=32,
      steps=1500,
      base_rate=2e-3,
      schedule=schedules.WarmupCosine(warmup_steps=100),
      optimizer=optimizers.Adam(weight_decay=0.05, clip_norm=1.0),
      checkpoint_every=200,
      log_every=50,
    ),
  )


_SPEECH = _mel(64, 32)
_SPEECH_CHANGES = waveforms.WaveformConfig(gain=10.0, speed=1.2, delay=0.1)
RECIPES = {
  "drums": _recipe(
    drums.CLIPS,
    _mel(48, 40),
    waveform=waveforms.WaveformConfig(gain=20.0, speed=1.5, delay=0.1),
  ),
  "letters": _recipe(letters.CLIPS, _SPEECH, waveform=_SPEECH_CHANGES),
  "stamps": _recipe(
    stamps.CLIPS,
    _SPEECH,
    video.VideoInputConfig(
      num_frames=2,
      size=stamps.SIZE,
      patch=(2, 6, 6),
      positions=position_encoding.Fourier(
        num_bands=4, max_resolution=(1, 8, 8)
      ),
    ),
    waveform=_SPEECH_CHANGES,
    drop_video=0.2,
    drop_audio=0.2,
  ),
}
