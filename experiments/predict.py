"""Uses a trained model on files of your own.

  python -m experiments.predict classify IMAGES... --checkpoint PATH
  python -m experiments.predict fill-mask TEXT... --checkpoint PATH
  python -m experiments.predict flow IMAGE1 IMAGE2 --checkpoint PATH
  python -m experiments.predict autoencode CLIP --checkpoint PATH

PATH is the folder of a finished run or the model file in it, a released file,
or a folder of `transformers`. With --random-weights in its place every command
can be tried without one; what it then predicts means nothing.
"""

from collections.abc import Sequence
import sys
from typing import Annotated

import tyro

from experiments.audio_video.autoencoding import predict as autoencoding_predict
from experiments.cli import errors
from experiments.image_classification import predict as classification_predict
from experiments.language.masked_language import predict as language_predict
from experiments.optical_flow import predict as flow_predict

_Command = (
  Annotated[classification_predict.Classify, tyro.conf.subcommand("classify")]
  | Annotated[language_predict.FillMask, tyro.conf.subcommand("fill-mask")]
  | Annotated[flow_predict.Flow, tyro.conf.subcommand("flow")]
  | Annotated[
    autoencoding_predict.Autoencode, tyro.conf.subcommand("autoencode")
  ]
)


def main(arguments: Sequence[str] | None = None) -> int:
  """Runs the command.

  Args:
    arguments: the command line without the program's name.

  Returns:
    The exit code: 0, 1 if a file cannot be used, 2 if the command makes no
    sense.
  """
  return errors.run(lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> None:
  options = tyro.cli(
    _Command,
    args=None if arguments is None else list(arguments),
    prog="python -m experiments.predict",
    description="Uses a trained model on files of your own.",
    config=(tyro.conf.FlagCreatePairsOff,),
  )
  match options:
    case classification_predict.Classify():
      classification_predict.run(options)
    case language_predict.FillMask():
      language_predict.run(options)
    case flow_predict.Flow():
      flow_predict.run(options)
    case autoencoding_predict.Autoencode():
      autoencoding_predict.run(options)


if __name__ == "__main__":
  sys.exit(main())
