"""The splits of the AudioSet experiment."""

from experiments.audio_video.audioset import data
from experiments.audio_video.audioset import examples
from experiments.audio_video.clips import prepared
from experiments.audio_video.clips import sources
from experiments.data import loader


def train_split(
  config: data.DataConfig, inputs: data.ModelInputs
) -> loader.Split:
  """Opens the training split.

  Args:
    config: source and augmentation of the clips.
    inputs: inputs of the model.

  Returns:
    Examples of `examples.TrainTransform`.

  Raises:
    FileNotFoundError: if there is no such data set.
    files.InputError: if it does not fit the model, or is not complete.
  """
  source, name = sources.open_train(config, inputs.num_classes)
  return loader.Split(source, examples.TrainTransform(config, inputs), name)


def eval_split(
  config: data.DataConfig, inputs: data.ModelInputs
) -> loader.Split:
  """Opens the evaluation split, several segments of every clip.

  Arguments and errors are those of `train_split`.

  Returns:
    Examples of `examples.EvalTransform`.
  """
  source, name = sources.open_eval(config, inputs.num_classes)
  return loader.Split(source, examples.EvalTransform(config, inputs), name)


def class_names(
  config: data.DataConfig, inputs: data.ModelInputs
) -> tuple[str, ...]:
  """Returns the names of the classes."""
  return sources.open_eval(config, inputs.num_classes)[0].class_names


def notes(config: data.DataConfig) -> str:
  """Returns the missing and defective clips of the evaluation split, in words.

  Empty for synthetic clips.
  """
  if config.data_dir is None:
    return ""
  split = config.eval_split.split("[")[0]
  return prepared.read_report(config.data_dir).splits[split].describe(split)
