"""Names what is in clips, with a classifier of AudioSet or of its kind."""

import dataclasses
import math
import pathlib

import numpy as np
import tyro

from experiments.audio_video.audioset import configs
from experiments.audio_video.audioset import data as audioset_data
from experiments.audio_video.audioset import evaluator
from experiments.audio_video.audioset import examples
from experiments.audio_video.clips import audio_files
from experiments.audio_video.clips import clips
from experiments.audio_video.clips import prepared
from experiments.audio_video.clips import video_files
from experiments.cli import errors
from experiments.cli import predicting
from experiments.data import files
from experiments.runs import configs as runs_configs
from experiments.runs import folder as run_folder
from perceiver.models import audioset

_RAW_RATE = 48_000  # samples per second of models without a spectrogram
_FRAME_RATE = 25.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifyClips(predicting.ClassifierOptions):
  """Names what is in clips: the likeliest classes of each, with PyAV.

  A clip is a file of video or of audio alone (.wav, .flac, .ogg, .aiff); a
  picture of the same name beside the latter is its video. Scores are means over
  segments of a clip, one sigmoid for each class.

  Attributes:
    clips: files.
  """

  clips: tyro.conf.Positional[tuple[pathlib.Path, ...]] = ()


def run(options: ClassifyClips) -> None:
  """Runs the command.

  Raises:
    errors.UsageError: if the command makes no sense.
    files.InputError: if a file cannot be used.
    FileNotFoundError: if a file is not there.
  """
  if options.top < 1 or not options.clips:
    raise errors.UsageError("name at least one clip, and --top of at least 1")
  model, variables = predicting.load(
    options.weights, audioset.MultimodalClassifierConfig, "audioset_mel"
  )
  config = model.config
  data = _data(options.weights.checkpoint, config)
  inputs = audioset_data.model_inputs(config.inputs, config.num_classes, data)
  transform = examples.EvalTransform(data, inputs)
  names = predicting.class_names(options.labels, model)

  def classes(path: pathlib.Path) -> list[predicting.Guess]:
    clip = read(path, _form(inputs, data), inputs, data)
    example = transform(clip, np.random.default_rng(0))
    scores = evaluator.score(model, variables, example)
    return predicting.likeliest(scores, options.top, names)

  found = ((path, classes(path)) for path in options.clips)
  predicting.report("clip", found, options.output)


def read(
  path: pathlib.Path,
  form: video_files.Format,
  inputs: audioset_data.ModelInputs,
  data: audioset_data.DataConfig,
) -> clips.Clip:
  """Reads a file as a clip without labels.

  For a model of one segment, a file of audio alone is cut to its beginning,
  after any silence, as in the data sets of packages.

  Raises:
    FileNotFoundError: if there is none.
    files.InputError: if it cannot be used.
  """
  if not path.exists():
    raise FileNotFoundError(f"There is no {path}.{files.similar(path)}")
  if audio_files.is_audio(path):
    samples = inputs.num_samples(data.spectrogram.hop)
    end = math.inf
    if samples is not None and data.num_segments == 1:
      end = samples / form.sample_rate
    found = audio_files.decode(path, form, end=end, trim=end < math.inf)
  else:
    found = video_files.decode(path, form)
  ratio, audio = round(form.sample_rate / form.frame_rate), found.audio
  if audio is None:
    audio = np.zeros((len(found.frames) * ratio, 1), np.float32)
  black = prepared.NoFrames(math.ceil(len(audio) / ratio))
  return clips.Clip(
    frames=np.stack(found.frames) if found.frames else black,
    audio=audio,
    frame_rate=form.frame_rate,
    sample_rate=form.sample_rate,
    labels=(),
    name=str(path),
    has_audio=found.audio is not None,
    has_video=bool(found.frames),
  )


def _data(
  checkpoint: pathlib.Path | None, model: audioset.MultimodalClassifierConfig
) -> audioset_data.DataConfig:
  """Returns the settings of the run, or else of a recipe of the model.

  Raises:
    errors.UsageError: if there are none.
    files.InputError: if they are of another experiment.
  """
  if checkpoint is not None and (checkpoint / run_folder.CONFIG).exists():
    return runs_configs.read(checkpoint, configs.Experiment).data
  for recipe in (*configs.EXPERIMENTS.values(), configs.MINI):
    if recipe.model.inputs == model.inputs:
      return recipe.data
  raise errors.UsageError(
    "the spectrograms of the model are not known; give the folder of its run"
  )


def _form(
  inputs: audioset_data.ModelInputs, data: audioset_data.DataConfig
) -> video_files.Format:
  """Returns the rates of a model's clips."""
  config = data.spectrogram
  rate = config.sample_rate if inputs.has_spectrogram else _RAW_RATE
  samples, frames = inputs.num_samples(config.hop), _FRAME_RATE
  if inputs.video is not None and samples is not None:
    frames = inputs.video.num_frames * rate / samples
  return video_files.Format(frame_rate=frames, sample_rate=rate)
