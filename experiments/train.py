"""Trains an experiment.

  python -m experiments.train EXPERIMENT [--mini] [--recipe NAME]
      [--workdir DIR] [--train.batch-size 64 ...]
  python -m experiments.train glue-sweep --checkpoint FILE --data.source DIR
  python -m experiments.train table 2103.03206:6 DIR=PATH

The same command continues a run that was interrupted. Several processes are
started with the same command and --distributed.coordinator HOST:PORT
--distributed.num-processes N --distributed.process-id I, or with
--distributed.detect where the cluster provides all three (docs/clusters.md).
"""

from collections.abc import Sequence
import dataclasses
import sys

from experiments.cli import arguments as cli_arguments
from experiments.cli import commands
from experiments.cli import errors
from experiments.cli import paths
from experiments.cli import registry
from experiments.cluster import processes
from experiments.runs import folder as run_folder
from experiments.runs import occupancy
from experiments.runs import progress
from experiments.training import sharding
from experiments.training import trainer

_PROG = "python -m experiments.train"
_COMMANDS = {
  "glue-sweep": "experiments.language.glue.sweep.SweepConfig",
  "table": "experiments.cli.papers.repeating.RepeatConfig",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Train(cli_arguments.Selection):
  """Trains an experiment; the same command continues an interrupted run.

  In place of EXPERIMENT, glue-sweep runs the paper's search of settings, and
  table all commands of a paper's table.

  Attributes:
    checkpoint: begin with what fits of a model: a file, a run's folder, a
      released file, or a folder of `transformers`.
    workdir: the folder of the run; runs/EXPERIMENT if None.
    restart: begin anew if the run's checkpoints are gone.
    amend: go on with changed steps, rate, schedule, clipping or non_finite.
    from_step: go on from this checkpoint; later ones are moved aside.
    distributed: the processes of the run.
  """

  checkpoint: paths.Fetched | None = None
  workdir: paths.Place | None = None
  restart: bool = False
  amend: bool = False
  from_step: int | None = None
  distributed: processes.DistributedConfig = processes.DistributedConfig()


def main(arguments: Sequence[str] | None = None) -> int:
  """Runs the command.

  Args:
    arguments: the command line without the program's name.

  Returns:
    The exit code. 143 and 130 are raised as SystemExit after a signal.
  """
  return errors.run(lambda: _main(cli_arguments.given(arguments)))


def _main(arguments: Sequence[str]) -> None:
  if commands.run_named(_PROG, _COMMANDS, arguments):
    return
  options = cli_arguments.select(Train, arguments, _PROG)
  choice = options.choose()
  workdir = registry.workdir(options.workdir, choice, options.distributed)
  processes.start(options.distributed)  # Before a checkpoint is read by JAX.
  choice = registry.for_hardware(choice)
  choice = registry.with_trunk(choice, options.checkpoint, workdir)
  experiment = cli_arguments.override(Train, choice, arguments, _PROG)
  registry.check(experiment)
  registry.start(experiment, workdir, options.checkpoint)
  experiment = registry.fit(choice, experiment)
  if options.restart:
    with occupancy.occupied(workdir):
      processes.on_process_zero(lambda: run_folder.restart(workdir))
  report = trainer.train(
    experiment,
    workdir,
    amend=options.amend,
    from_step=options.from_step,
    checkpoint=options.checkpoint,
  )
  if sharding.process_index():
    return
  # All is done: nothing may fail now.
  stream = progress.Quiet(sys.stdout or sys.stderr)
  print(report.evaluation.describe(choice.result), file=stream)
  print(f"model: {report.model_file}", file=stream)
  for path in report.plots:
    print(f"plot: {path}", file=stream)


if __name__ == "__main__":
  sys.exit(main())
