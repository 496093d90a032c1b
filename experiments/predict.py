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

from experiments import registry
from experiments.prediction import autoencode
from experiments.prediction import classify
from experiments.prediction import fill_mask
from experiments.prediction import flow

_Command = (
  Annotated[classify.Classify, tyro.conf.subcommand("classify")]
  | Annotated[fill_mask.FillMask, tyro.conf.subcommand("fill-mask")]
  | Annotated[flow.Flow, tyro.conf.subcommand("flow")]
  | Annotated[autoencode.Autoencode, tyro.conf.subcommand("autoencode")]
)


def main(arguments: Sequence[str] | None = None) -> int:
  """Runs the command.

  Args:
    arguments: the command line without the program's name.

  Returns:
    The exit code: 0, 1 if a file cannot be used, 2 if the command makes no
    sense.
  """
  return registry.run(lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> None:
  options = tyro.cli(
    _Command,
    args=None if arguments is None else list(arguments),
    prog="python -m experiments.predict",
    description="Uses a trained model on files of your own.",
    config=(tyro.conf.FlagCreatePairsOff,),
  )
  match options:
    case classify.Classify():
      classify.run(options)
    case fill_mask.FillMask():
      fill_mask.run(options)
    case flow.Flow():
      flow.run(options)
    case autoencode.Autoencode():
      autoencode.run(options)


if __name__ == "__main__":
  sys.exit(main())
