"""Uses a trained model on files of your own.

  python -m experiments.predict classify IMAGES... --checkpoint PATH
  python -m experiments.predict classify-text TEXTS... --checkpoint PATH
  python -m experiments.predict fill-mask TEXT... --checkpoint PATH
  python -m experiments.predict flow IMAGE1 IMAGE2 --checkpoint PATH
  python -m experiments.predict autoencode CLIP --checkpoint PATH
  python -m experiments.predict classify-clips CLIPS... --checkpoint RUN
  python -m experiments.predict generate --prompt TEXT --checkpoint PATH
  python -m experiments.predict series FILE.csv... --checkpoint PATH
  python -m experiments.predict glue-submission --models PATH... --output DIR

PATH is the folder of a finished run or the model file in it, a released file,
or a folder of `transformers`. With --random-weights in its place commands for
published models can be tried without one; their predictions then mean nothing.
"""

from collections.abc import Sequence
import sys

from experiments.cli import commands
from experiments.training import precision

_COMMANDS = {
  "classify": "experiments.image_classification.predict.Classify",
  "classify-clips": "experiments.audio_video.audioset.predict.ClassifyClips",
  "classify-text": "experiments.language.predict.ClassifyText",
  "fill-mask": "experiments.language.masked_language.predict.FillMask",
  "flow": "experiments.optical_flow.predict.Flow",
  "autoencode": "experiments.audio_video.autoencoding.predict.Autoencode",
  "generate": "experiments.generation.predict.Generate",
  "series": "experiments.time_series.predict.PredictSeries",
  "glue-submission": "experiments.language.glue.submit.SubmitConfig",
}


def main(arguments: Sequence[str] | None = None) -> int:
  """Runs the command.

  Args:
    arguments: the command line without the program's name.

  Returns:
    The exit code: 0, 1 if a file cannot be used, 2 if the command makes no
    sense.
  """
  with precision.of_predictions():
    return commands.main(
      "python -m experiments.predict",
      "Uses a trained model on files of your own.",
      _COMMANDS,
      arguments,
    )


if __name__ == "__main__":
  sys.exit(main())
