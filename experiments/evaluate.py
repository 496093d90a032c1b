"""Evaluates a trained model on an experiment's evaluation split.

  python -m experiments.evaluate RUN [--step N | --follow]
  python -m experiments.evaluate EXPERIMENT --checkpoint PATH
      [--report DIR] [--examples N] [--data.source DIR ...]
  python -m experiments.evaluate language-baselines [--checkpoint PATH]
  python -m experiments.evaluate generation-baselines text|tunes|pixels
  python -m experiments.evaluate context-use RUN...
  python -m experiments.evaluate latents-table RUN... [--output DIR]
  python -m experiments.evaluate fashion-baselines | sentence-baselines DIR
  python -m experiments.evaluate clip-baselines | shape-baselines DIR
  python -m experiments.evaluate starcraft-encoders [--runs RUN...]
  python -m experiments.evaluate irregular-series RUN...

RUN is the folder of a run, finished or not, or of one of its checkpoints; PATH
is one too, a model file, a released file or a folder of `transformers`.
Results on other data than the run's own are noted in its folder, for `list
--table`. --follow evaluates the checkpoints of a run as they come, into its
log, and ends when the run has ended.
--report writes DIR/index.html with the numbers and the experiment's pictures.
--latents evaluates a model with its first latents only, for several numbers of
them; --choose-latents chooses one, for the model's file.
The last seven lines compare models.
"""

from collections.abc import Sequence
import dataclasses
import pathlib
import sys

from experiments.cli import arguments as cli_arguments
from experiments.cli import candidates
from experiments.cli import commands
from experiments.cli import errors
from experiments.cli import following
from experiments.cli import html_report
from experiments.cli import latents
from experiments.cli import paths
from experiments.cli import registry
from experiments.cli import run_choice
from experiments.cluster import processes
from experiments.data import bucket_copies
from experiments.data import files
from experiments.data import paths as data_paths
from experiments.runs import folder as run_folder
from experiments.runs import log as runs_log
from experiments.runs import progress
from experiments.runs import provenance
from experiments.training import evaluation
from experiments.training import precision
from experiments.training import sharding
from experiments.training import tasks
from experiments.training import trainer
import perceiver

_PROG = "python -m experiments.evaluate"
_BASELINES, _LANGUAGE = "baselines.BaselinesConfig", "experiments.language"
_COMMANDS = {
  "clip-baselines": f"experiments.audio_video.packages.{_BASELINES}",
  "coarse-to-fine": "experiments.point_clouds.surfaces.grids.GridsConfig",
  "context-use": "experiments.generation.context_use.ContextUseConfig",
  "fashion-baselines": (
    "experiments.image_classification.fashion_mnist.baselines.BaselinesConfig"
  ),
  "irregular-series": "experiments.time_series.irregular.IrregularConfig",
  "generation-baselines": f"experiments.generation.{_BASELINES}",
  "language-baselines": f"{_LANGUAGE}.masked_language.{_BASELINES}",
  "latents-table": (
    "experiments.audio_video.autoencoding.latents_table.TableConfig"
  ),
  "sentence-baselines": f"{_LANGUAGE}.sentences.{_BASELINES}",
  "shape-baselines": (
    "experiments.point_clouds.shape_baselines.BaselinesConfig"
  ),
  "starcraft-encoders": "experiments.starcraft.comparison.ComparisonConfig",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluate(latents.Selection):
  """Evaluates a trained model on an experiment's evaluation split.

  The folder of a run, in place of EXPERIMENT, is enough. Commands in its
  place, such as language-baselines, compare models.

  Attributes:
    checkpoint: the folder of a run or of its checkpoint, a model file, a
      released file, or a folder of `transformers`.
    step: of the run's checkpoint; the newest one if None.
    follow: evaluate each new checkpoint of a run, into the run's log.
    report: a folder for a page with numbers and pictures.
    examples: evaluate the first so many examples only; all if None.
    calibrate: of classifiers, fit a temperature on this share of the examples,
      and report the calibration error on the others, before and after.
    distributed: the processes of the evaluation.
  """

  checkpoint: paths.Fetched | None = None
  step: int | None = None
  follow: bool = False
  report: pathlib.Path | None = None
  examples: int | None = None
  calibrate: float | None = None
  distributed: processes.DistributedConfig = processes.DistributedConfig()

  def __post_init__(self) -> None:
    super().__post_init__()
    if self.examples is not None and self.examples < 1:
      raise ValueError(f"--examples must be at least 1, not {self.examples}")
    if self.calibrate is not None and not 0 < self.calibrate < 1:
      raise ValueError(f"--calibrate is {self.calibrate}; expected (0, 1)")
    if self.calibrate is not None and self.of_latents:
      raise ValueError(
        "--calibrate goes without --latents and --choose-latents"
      )


def main(arguments: Sequence[str] | None = None) -> int:
  """Runs the command.

  Args:
    arguments: the command line without the program's name.

  Returns:
    The exit code.
  """
  return errors.run(lambda: _main(cli_arguments.given(arguments)))


def _main(arguments: Sequence[str]) -> None:
  with precision.of_predictions():
    if commands.run_named(_PROG, _COMMANDS, arguments):
      return
  arguments = _with_experiment(arguments)
  options = cli_arguments.select(Evaluate, arguments, _PROG)
  choice = options.choose()
  path, step = _parts(options.checkpoint, options.step)
  if path is not None and not path.exists():
    hint = files.similar(path)
    raise FileNotFoundError(f"There is no checkpoint {path}.{hint}")
  if path is not None and candidates.is_run(path):
    choice = run_choice.of_folder(choice, options, path)
  elif step is not None or options.follow:
    raise errors.UsageError("--step and --follow need the folder of a run")
  experiment = cli_arguments.override(Evaluate, choice, arguments, _PROG)
  if path is None:
    raise errors.UsageError("--checkpoint PATH is needed")
  others = (step, options.examples, options.report, options.calibrate)
  if options.follow and (
    options.of_latents or any(value is not None for value in others)
  ):
    raise errors.UsageError(
      "--follow goes without --step, --examples, --report, --calibrate, "
      "--latents and --choose-latents"
    )
  if options.follow and bucket_copies.is_copy(path):
    raise errors.UsageError(
      "--follow needs a folder on this machine, not gs://"
    )
  processes.start(options.distributed)
  if options.follow:
    following.follow(experiment, path)
    return
  if options.report is not None:
    files.make_folder(options.report)
  candidate = candidates.load(experiment, path, step)
  if options.of_latents:
    _print(
      latents.run(candidate, path, options, options.examples, options.report)
    )
    return
  evaluate = candidates.evaluator(candidate, options.examples)
  found = evaluate(candidate.variables)
  _print(found.describe(choice.result))
  if options.calibrate is not None:
    calibrated = candidates.calibrate(
      candidate, options.calibrate, options.examples
    )
    _print(str(calibrated.table()))
    details = (*found.details, calibrated.table())
    found = dataclasses.replace(found, details=details)
  if _differ_in_data(experiment, choice.experiment):
    _note(path, candidate, found)
  if options.report is not None:
    title = run_choice.title(choice, path)
    page = report(options.report, candidate, path, title, found, choice.result)
    _print(f"report: {page}")


def _parts(
  path: pathlib.Path | None, step: int | None
) -> tuple[pathlib.Path | None, int | None]:
  """Returns run and step, of which the path of a checkpoint states both."""
  if path is None or not path.name.isdecimal():
    return path, step
  run = path.absolute().parent.parent
  if path.absolute().parent != run / run_folder.CHECKPOINTS:
    return path, step
  if step not in (None, int(path.name)):
    raise errors.UsageError(f"{path} is not the checkpoint of step {step}")
  return run, int(path.name)


def _note(
  run: pathlib.Path,
  candidate: candidates.Candidate,
  found: evaluation.Evaluation,
) -> None:
  """Notes a whole evaluation of a run on other data than its own."""
  if candidate.step is None or found.is_partial or sharding.process_index():
    return
  if bucket_copies.is_copy(run):
    progress.write("not noted: the run is in a bucket")
    return
  try:
    if runs_log.add_evaluation(run, candidate.step, found.to_row()):
      progress.write(f"noted in {run / runs_log.EVALUATIONS}")
  except files.InputError as error:  # It may be somebody else's folder.
    progress.write(f"not noted: {error}")


def _differ_in_data(one: trainer.Experiment, other: trainer.Experiment) -> bool:
  """Returns whether two experiments differ in their data and devices alone."""
  same = {name: getattr(other, name, None) for name in ("data", "train")}
  return hasattr(other, "data") and dataclasses.replace(one, **same) == other  # type: ignore[type-var]


def _print(text: str) -> None:
  """Prints a line, once for all processes."""
  if not sharding.process_index():
    print(text)


def _with_experiment(arguments: Sequence[str]) -> list[str]:
  """Puts EXPERIMENT --checkpoint before the folder of a run, if that is all.

  Raises:
    errors.UsageError: if the folder does not say what it is of.
  """
  first, *rest = arguments or [""]
  if not first or first.startswith("-"):
    return list(arguments)
  given = _path(first)
  run = _parts(given, None)[0] or given
  if not (run / run_folder.CONFIG).exists():
    if "/" not in first:
      return list(arguments)
    reason = "has no config.json" if run.exists() else "does not exist"
    hint = "" if run.exists() else files.similar(run)
    raise errors.UsageError(
      f"{run} is not the folder of a run: it {reason}. A model file needs the "
      f"name of its experiment: EXPERIMENT --checkpoint {run}.{hint}"
    )
  starts = provenance.read(run)
  module = starts[-1].get("experiment") if starts else None
  if not isinstance(module, str):
    raise errors.UsageError(
      f"{run} does not say which experiment it is of; name it: EXPERIMENT "
      f"--checkpoint {run}"
    )
  return [registry.name_of(module), "--checkpoint", str(given), *rest]


def _path(text: str) -> pathlib.Path:
  try:
    return paths.fetched(text)
  except data_paths.PathError as error:
    raise errors.UsageError(str(error)) from error


def load_run(
  path: pathlib.Path,
) -> tuple[perceiver.Model, perceiver.Variables]:
  """Reads the newest checkpoint of a run on one device.

  Args:
    path: the folder of the run, finished or not.

  Raises:
    errors.UsageError: if it is the folder of no run that this version reads.
    FileNotFoundError: if it has no checkpoint.
  """
  options = cli_arguments.select(Evaluate, _with_experiment([str(path)]), _PROG)
  choice = run_choice.of_folder(options.choose(), options, path)
  experiment = choice.experiment
  train = dataclasses.replace(
    experiment.train, parallel=sharding.ParallelConfig(data=1)
  )
  found = candidates.load(dataclasses.replace(experiment, train=train), path)  # type: ignore[type-var]
  return found.task.model, sharding.to_host(found.mesh, found.variables)


def report(
  folder: pathlib.Path,
  candidate: candidates.Candidate,
  path: pathlib.Path,
  title: str,
  found: evaluation.Evaluation,
  result: tasks.Result | None,
) -> pathlib.Path:
  """Writes a page with numbers, pictures and, if there is a log, the curve.

  Args:
    folder: where to; the log is copied there, so that it is complete.
    candidate: what was evaluated.
    path: where it is, and the log of its training, if it is in a run's folder.
    title: what the page is about.
    found: what the evaluation found.
    result: what the paper reached.

  Returns:
    The page.

  Raises:
    files.InputError: if nothing can be written there.
  """
  log = (path if path.is_dir() else path.parent) / runs_log.METRICS
  variables = sharding.to_host(candidate.mesh, candidate.variables)
  pages: list[pathlib.Path] = []

  def write() -> None:
    if log.exists() and log.parent.resolve() != folder.resolve():
      text = files.read_bytes(log).decode("utf-8", "replace")
      files.write_text(folder / log.name, text)
    pictures = candidate.task.plots(variables, folder)
    pages.append(
      html_report.write(
        folder,
        title=title,
        found=found,
        result=result,
        pictures=pictures,
        facts=candidates.facts(candidate),
      )
    )

  processes.on_process_zero(write)
  return pages[0] if pages else folder


if __name__ == "__main__":
  sys.exit(main())
