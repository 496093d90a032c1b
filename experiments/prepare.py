"""Prepares data: data sets, vocabularies and synthetic examples.

python -m experiments.prepare images FOLDER --name NAME
python -m experiments.prepare fashion-mnist ARCHIVE DIR
python -m experiments.prepare clips VIDEOS OUTPUT --train train.csv
python -m experiments.prepare drums | letters | stamps ARCHIVE DIR
python -m experiments.prepare verify-clips FOLDER
python -m experiments.prepare sentencepiece --source DIR --output FILE
python -m experiments.prepare glue FOLDER
python -m experiments.prepare sentences ARCHIVE DIR
python -m experiments.prepare texts ARCHIVE DIR
python -m experiments.prepare furniture | components ARCHIVE DIR
python -m experiments.prepare flow-pairs ARCHIVE DIR
python -m experiments.prepare flow-samples PICTURE
python -m experiments.prepare tunes ARCHIVE FILE
python -m experiments.prepare japanese-vowels ARCHIVE DIR
"""

from collections.abc import Sequence
import sys

from experiments.cli import commands

_COMMANDS = {
  "images": (
    "experiments.image_classification.imagenet.prepare_folder.PrepareConfig"
  ),
  "fashion-mnist": "experiments.data.fashion_mnist.PrepareConfig",
  "clips": "experiments.audio_video.clips.prepare.PrepareConfig",
  **{
    name: f"experiments.audio_video.packages.{name}.PrepareConfig"
    for name in ("drums", "letters", "stamps")
  },
  "verify-clips": "experiments.audio_video.clips.verify.VerifyConfig",
  "sentencepiece": "experiments.language.text.train_sentencepiece.TrainConfig",
  "glue": "experiments.language.glue.synthetic.WriteConfig",
  "sentences": "experiments.language.sentences.prepare.PrepareConfig",
  "texts": "experiments.language.text.package_texts.PrepareConfig",
  **{
    name: f"experiments.point_clouds.files.prepare_{name}.PrepareConfig"
    for name in ("furniture", "components")
  },
  "flow-pairs": (
    "experiments.optical_flow.benchmarks.prepare_stereo.PrepareConfig"
  ),
  "flow-samples": "experiments.optical_flow.synthetic.plot_samples.PlotConfig",
  "tunes": "experiments.generation.tunes.prepare.PrepareConfig",
  "japanese-vowels": "experiments.time_series.prepare.PrepareConfig",
}


def main(arguments: Sequence[str] | None = None) -> int:
  """Runs the command.

  Args:
    arguments: the command line without the program's name.

  Returns:
    The exit code: 0, 1 if the data cannot be prepared, 2 if the command makes
    no sense.
  """
  return commands.main(
    "python -m experiments.prepare",
    "Prepares data: data sets, vocabularies and synthetic examples.",
    _COMMANDS,
    arguments,
  )


if __name__ == "__main__":
  sys.exit(main())
