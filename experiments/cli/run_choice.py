"""The recipe that the run in a folder was made with."""

import pathlib

from experiments.cli import arguments
from experiments.cli import errors
from experiments.cli import registry
from experiments.cli import renames
from experiments.runs import folder as run_folder
from experiments.runs import outside_files
from experiments.runs import provenance
from perceiver import config_json

OWN_SETTINGS = "with settings of its own"  # in place of a recipe's name


def of_folder(
  choice: registry.Choice, options: arguments.Selection, path: pathlib.Path
) -> registry.Choice:
  """Replaces a recipe by the one that the run in a folder was made with.

  Of several recipes for its model it is the one of which the fewest settings
  were changed.

  Args:
    choice: the recipe.
    options: of the command, in which no recipe may be named.
    path: the folder.

  Raises:
    errors.UsageError: if it is the folder of no run that this version reads.
  """
  if options.recipe or options.mini:
    raise errors.UsageError(
      "the folder of a run states its recipe: leave out --recipe and --mini"
    )
  file = path / run_folder.CONFIG
  if not file.exists():
    raise errors.UsageError(
      f"{path} is not the folder of a run: it has no config.json"
    )
  try:
    stored = config_json.from_json(file.read_text(), type(choice.experiment))
  except (OSError, KeyError, TypeError, ValueError) as error:
    raise errors.UsageError(
      f"{file} is not a configuration of {choice.name} in this version: "
      f"{str(error).rstrip('.')}.{_origin(path)}"
    ) from error
  stored = outside_files.from_run(stored, path)
  known = registry.choices(choice.name)
  same = [c for c in known if c.experiment.model == stored.model]
  if same:
    changes = [config_json.differences(c.experiment, stored) for c in same]
    nearest = same[min(range(len(same)), key=lambda i: len(changes[i]))]
    return nearest._replace(experiment=stored)
  return choice._replace(recipe=OWN_SETTINGS, experiment=stored, result=None)


def _origin(run: pathlib.Path) -> str:
  """Returns advice on a run whose configuration cannot be read."""
  starts = provenance.read(run)
  git = starts[-1].get("git") if starts else None
  commit = git.get("commit") if isinstance(git, dict) else None
  made = f"commit {commit}" if commit else "version 0.1.0"
  return (
    f" If the run was made by version {renames.BEFORE} or earlier, or before "
    f"{renames.VERSION} was released, evaluate it with the code that made it: "
    f"{made}."
  )


def title(choice: registry.Choice, path: pathlib.Path | None) -> str:
  """Returns the heading of a page on an evaluation.

  Args:
    choice: the recipe, perhaps of `of_folder`.
    path: the run or model that is evaluated; None is random weights.
  """
  if choice.recipe == OWN_SETTINGS and path is not None:
    return f"Evaluation of {path.absolute().name}, a run of {choice.name}"
  return f"Evaluation of {choice.name} {choice.recipe}"
