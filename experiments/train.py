"""Trains an experiment.

  python -m experiments.train EXPERIMENT [--mini] [--recipe NAME]
      [--workdir DIR] [--train.batch-size 64 ...]

The same command continues a run that was interrupted. Several processes are
started with the same command and --distributed.coordinator HOST:PORT
--distributed.num-processes N --distributed.process-id I, or with
--distributed.detect where the cluster says all that (docs/clusters.md).
"""

from collections.abc import Sequence
import pathlib
import sys

from experiments.cli import errors
from experiments.cli import registry
from experiments.cluster import processes
from experiments.training import sharding
from experiments.training import trainer


def main(arguments: Sequence[str] | None = None) -> int:
  """Runs the command.

  Args:
    arguments: the command line without the program's name.

  Returns:
    The exit code. 143 and 130 are raised as SystemExit after a signal.
  """
  return errors.run(lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> None:
  parser = registry.parser("experiments.train", "Trains an experiment.")
  parser.add_argument(
    "--workdir",
    metavar="DIR",
    type=pathlib.Path,
    help="where the run is kept (default: runs/EXPERIMENT)",
  )
  processes.add_options(parser)
  options, rest = registry.split_arguments(parser, arguments)
  choice = registry.choose(options.experiment, options.recipe, options.mini)
  experiment = registry.override(parser, choice, rest)
  registry.start(options)
  registry.check(experiment)
  workdir = options.workdir or registry.default_workdir(choice)
  report = trainer.train(experiment, workdir)
  if sharding.process_index():
    return
  print(report.evaluation.describe(choice.result))
  print(f"model: {report.model_file}")
  for plot in report.plots:
    print(f"plot: {plot}")


if __name__ == "__main__":
  sys.exit(main())
