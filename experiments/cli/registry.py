"""The experiments, by name and recipe.

An experiment is a module of configurations, imported only when it is chosen:

  EXPERIMENTS: {recipe name: experiment}, the default recipe first
  MINI: the same code at a size that trains in minutes and needs no download
  RESULTS: {recipe name or "mini": `task.Result`}, may be left out

An experiment of your own needs no entry here: give its module's name, or the
path of its file. In names of experiments and recipes, hyphens mean underscores.
"""

from collections.abc import Collection, Sequence
import dataclasses
import difflib
import importlib
from importlib import util
import pathlib
import sys
from types import ModuleType
from typing import NamedTuple

from experiments.cli import errors
from experiments.cluster import processes
from experiments.data import buckets
from experiments.data import paths
from experiments.data import sources
from experiments.hardware import findings
from experiments.runs import bucket_folders
from experiments.runs import progress
from experiments.training import pretrained
from experiments.training import sharding
from experiments.training import tasks
from experiments.training import trainer

_MODULES = {
  "audioset": "experiments.audio_video.audioset.configs",
  "copy": "experiments.generation.copy.configs",
  "digits": "experiments.image_classification.digits.configs",
  "fashion_mnist": "experiments.image_classification.fashion_mnist.configs",
  "glue": "experiments.language.glue.configs",
  "imagenet": "experiments.image_classification.imagenet.configs",
  "masked_language": "experiments.language.masked_language.configs",
  "modelnet40": "experiments.point_clouds.configs",
  "optical_flow": "experiments.optical_flow.configs",
  "pixels": "experiments.generation.pixels.configs",
  "sentences": "experiments.language.sentences.configs",
  "shape_autoencoding": "experiments.point_clouds.surfaces.configs",
  "smax": "experiments.starcraft.smax.configs",
  "starcraft": "experiments.starcraft.configs",
  "text": "experiments.generation.text.configs",
  "time_series": "experiments.time_series.configs",
  "tunes": "experiments.generation.tunes.configs",
  "video_autoencoding": "experiments.audio_video.autoencoding.configs",
}
_MINI = "mini"


class Choice(NamedTuple):
  """One recipe of one experiment."""

  name: str  # of the experiment
  recipe: str  # "mini" for the small one
  experiment: trainer.Experiment
  result: tasks.Result | None


def names() -> list[str]:
  """Returns the names of the experiments, sorted."""
  return sorted(_MODULES)


def matching(parts: Sequence[str]) -> list[str]:
  """Returns the experiments whose names contain one of the parts, sorted.

  Args:
    parts: names or parts of them, with hyphens or underscores; none for all.
      The name of a module, or its file, stands for itself.

  Raises:
    errors.UsageError: if nothing contains one of them.
  """
  found = names() if not parts else []
  for part in parts:
    spelling = part.replace("-", "_")
    matches = [name for name in names() if spelling in name]
    if not matches and not _may_be_module(part):
      raise errors.UsageError(_unknown("experiment", part, names()))
    found += matches or [part]
  return sorted(set(found))


def name_of(module: str) -> str:
  """Returns the name, on the command line, of an experiment's module."""
  known = {path: name for name, path in _MODULES.items()}
  # Until version 0.1.0 modules were called experiments.NAME.configs.
  known |= {f"experiments.{name}.configs": name for name in _MODULES}
  return known.get(module, module)


def choices(name: str) -> list[Choice]:
  """Returns all recipes of an experiment, the default first, mini last.

  Args:
    name: one of `names()`, or the name or file of a module like theirs.

  Raises:
    errors.UsageError: if there is no such experiment.
  """
  name = _importable(_known_spelling(name, _MODULES))
  module = _module(name)
  results = getattr(module, "RESULTS", {})
  recipes = {**module.EXPERIMENTS, _MINI: module.MINI}
  return [
    Choice(name, recipe, experiment, results.get(recipe))
    for recipe, experiment in recipes.items()
  ]


def choose(name: str, recipe: str | None = None, mini: bool = False) -> Choice:
  """Returns one recipe, the default one if neither `recipe` nor `mini`.

  Raises:
    errors.UsageError: if there is no such thing, or both were asked for.
  """
  if recipe and mini:
    raise errors.UsageError("--mini is a recipe of its own: leave out --recipe")
  found = choices(name)
  if not recipe:
    return found[-1 if mini else 0]
  known = [choice.recipe for choice in found]
  recipe = _known_spelling(recipe, known)
  if recipe in known:
    return found[known.index(recipe)]
  raise errors.UsageError(_unknown(f"recipe of {name}", recipe, known))


def _known_spelling(name: str, known: Collection[str]) -> str:
  """Returns the name with underscores for hyphens, if that is a known one."""
  spelling = name.replace("-", "_")
  return spelling if spelling in known else name


def _importable(name: str) -> str:
  """Returns the name of a module, of which `name` may be the file."""
  if not name.endswith(".py"):
    return name
  path, root = pathlib.Path(name).resolve(), pathlib.Path.cwd()
  if not path.is_file():
    raise errors.UsageError(f"there is no file {name!r}")
  inside = path.is_relative_to(root)
  if not inside or "." in str(path.parent.relative_to(root)).lstrip("."):
    root = path.parent
  if str(root) not in sys.path:
    sys.path.insert(0, str(root))
  return ".".join(path.relative_to(root).with_suffix("").parts)


def _may_be_module(name: str) -> bool:
  return "." in name or util.find_spec(name) is not None


def _module(name: str) -> ModuleType:
  if name not in _MODULES and not _may_be_module(name):
    raise errors.UsageError(_unknown("experiment", name, names()))
  path = _MODULES.get(name, name)
  try:
    if path.startswith("."):
      raise ModuleNotFoundError(name=path)
    module = importlib.import_module(path)
  except ModuleNotFoundError as error:
    if error.name is None or not f"{path}.".startswith(f"{error.name}."):
      raise
    raise errors.UsageError(f"there is no module {path!r}") from None
  if not hasattr(module, "EXPERIMENTS") or not hasattr(module, "MINI"):
    raise errors.UsageError(
      f"the module {path!r} has no EXPERIMENTS and MINI, as experiments have; "
      f"did you mean one of {', '.join(names())}?"
    )
  return module


def _unknown(what: str, name: str, known: Sequence[str]) -> str:
  close = difflib.get_close_matches(name, known, n=1)
  hint = f" Did you mean {close[0]!r}?" if close else ""
  return f"there is no {what} {name!r}.{hint} There are: {', '.join(known)}"


def check(experiment: trainer.Experiment) -> None:
  """Refuses what cannot work on this machine, before anything is built.

  Raises:
    errors.UsageError: naming the setting.
  """
  try:
    trainer.check(experiment)
  except ValueError as error:
    raise errors.UsageError(str(error)) from error


def start(
  experiment: trainer.Experiment,
  workdir: pathlib.Path,
  checkpoint: pathlib.Path | None,
) -> None:
  """Checks that a run has data, and writes its first line if it is special.

  That is one whose data are synthetic, or that begins with random weights where
  its recipe fine-tunes.

  Args:
    experiment: the recipe.
    workdir: the run's folder, if it exists.
    checkpoint: the model that a new run begins with, if any.

  Raises:
    files.InputError: if data are needed whose place is not given.
  """
  notes = []
  found = sources.find(experiment)
  for option, source in found.items():
    source.check(option)
  source = found.get("--data.source")
  if source is not None and source.is_synthetic:
    notes.append("on synthetic data")
  if experiment.train.fine_tuning and pretrained.is_from_nothing(
    workdir, checkpoint
  ):
    notes.append(
      "from random weights, where the recipe fine-tunes a pre-trained model: "
      "give --checkpoint PATH"
    )
  if notes and not sharding.process_index():
    progress.write(f"run: {'; '.join(notes)}")


def fit(choice: Choice, experiment: trainer.Experiment) -> trainer.Experiment:
  """Gives a model the data's number of classes, unless another was asked for.

  Args:
    choice: the recipe, with the number that was not asked for.
    experiment: the recipe with the command line's changes, checked by `check`.
  """
  known = getattr(choice.experiment.model, "num_classes", None)
  of_data = getattr(experiment, "num_classes", None)
  if known is None or of_data is None:
    return experiment
  if experiment.model.num_classes != known:
    return experiment
  count = of_data()
  if count in (None, known):
    return experiment
  if not sharding.process_index():
    progress.write(f"model: {count} classes, as the data has, not {known}")
  model = experiment.model.with_num_classes(count)
  return dataclasses.replace(experiment, model=model)  # type: ignore[type-var]


def with_trunk(
  choice: Choice, checkpoint: pathlib.Path | None, workdir: pathlib.Path
) -> Choice:
  """Gives a recipe the trunk, or model, of the checkpoint that it begins with.

  That of a folder of `transformers` is the whole model.

  Args:
    choice: the recipe.
    checkpoint: what a new run begins with, if anything.
    workdir: the run's folder, if it exists.

  Raises:
    FileNotFoundError: if there is no such checkpoint.
    perceiver.CheckpointError: if it has no such trunk, or is damaged.
  """
  changed = pretrained.with_trunk(choice.experiment, checkpoint, workdir)
  is_whole = not hasattr(changed.model, "trunk")
  if is_whole and changed != choice.experiment and not sharding.process_index():
    progress.write("model: the checkpoint's, not the recipe's")
  return choice._replace(experiment=changed)


def for_hardware(choice: Choice, hardware: str | None = None) -> Choice:
  """Gives a recipe the way to compute its batch that was found for hardware.

  Args:
    choice: the recipe.
    hardware: its name; that of this machine if None.
  """
  here = hardware or findings.here()
  name = f"{choice.name} {choice.recipe}"
  found = findings.read()
  changed = findings.apply(choice.experiment, name, here, found)
  if changed != choice.experiment and not sharding.process_index():
    options = found[here or ""][name]["options"]
    progress.write(f"{options}, as found for {here}")
  return choice._replace(experiment=changed)


def default_workdir(choice: Choice) -> pathlib.Path:
  """Returns runs/EXPERIMENT, with the recipe's name unless it is the default.

  Args:
    choice: what is to be run.
  """
  name = choice.name.removesuffix(".configs")
  if choice.recipe != choices(choice.name)[0].recipe:
    name += f"-{choice.recipe}"
  return pathlib.Path("runs") / name


def workdir(
  given: pathlib.Path | None,
  choice: Choice,
  distributed: processes.DistributedConfig | None = None,
) -> pathlib.Path:
  """Returns the folder of a run, its links followed: they may change meanwhile.

  Args:
    given: as the command line has it; `default_workdir` if None. If it is in a
      bucket, the folder on this machine is returned in which the run works.
    choice: what is to be run.
    distributed: the processes of the run; one alone if None.

  Raises:
    errors.UsageError: if several processes are to use a bucket.
    occupancy.InUseError: if another run is using it.
    buckets.BucketError: if it cannot be used.
  """
  given = given or default_workdir(choice)
  if buckets.is_address(given):
    if distributed not in (None, processes.DistributedConfig()):
      raise errors.UsageError(
        f"--workdir is {buckets.shown(given)}; expected a folder that all "
        "processes share, such as one where the bucket is mounted: "
        f"{paths.mounting(given.parts[1])}"
      )
    return bucket_folders.open_folder(given)
  found = given.resolve()
  return given if found == pathlib.Path.cwd() / given else found
