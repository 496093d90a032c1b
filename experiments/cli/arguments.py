"""Command lines: the options of a command and those of an experiment."""

from collections.abc import Sequence
import contextlib
import dataclasses
import inspect
import io
import operator
import os
import re
import shutil
import sys
import textwrap
from typing import Annotated, Any, TypeVar

import tyro

from experiments.cli import errors
from experiments.cli import kinds
from experiments.cli import paths
from experiments.cli import registry
from experiments.cli import renames
from experiments.data import paths as data_paths
from experiments.training import trainer

_Selected = TypeVar("_Selected", bound="Selection")
# Enums go by their values; a choice of configurations is no sub-command.
_STYLE = (tyro.conf.AvoidSubcommands, tyro.conf.EnumChoicesFromValues)
# tyro never ends where a terminal has no room for a word.
_NARROWEST, _WIDTH = 40, 80
# Of an experiment's options, as far as it has them and they are set; --workdir
# and --checkpoint are in the first group below.
_MOST_CHANGED = (
  "data.source",
  "train.steps",
  "train.epochs",
  "train.batch_size",
  "train.base_rate",
  "train.seed",
  "train.eval_every",
  "train.checkpoint_every",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Selection:
  """Selects one recipe of one experiment.

  Attributes:
    experiment: name of an experiment, or the name or the file of a module of
      your own. EXPERIMENT --help shows all options of an experiment.
    recipe: name of one of its recipes; its first one if None.
    mini: take the recipe that is small enough for two CPU cores, on data that
      needs no download.
  """

  experiment: Annotated[
    str, tyro.conf.Positional, tyro.conf.arg(metavar="EXPERIMENT")
  ]
  recipe: str | None = None
  mini: tyro.conf.FlagCreatePairsOff[bool] = False

  def choose(self) -> registry.Choice:
    """Returns the selected recipe.

    Raises:
      errors.UsageError: if there is none.
    """
    return registry.choose(self.experiment, self.recipe, self.mini)


def given(arguments: Sequence[str] | None) -> list[str]:
  """Returns the arguments, those of the process if None."""
  return list(sys.argv[1:] if arguments is None else arguments)


def parse(
  kind: Any, arguments: Sequence[str], prog: str, **settings: Any
) -> Any:
  """Parses a command line; exits with code 2 and a hint if it is wrong.

  Args:
    kind: the class of the options, whose docstring is the help.
    arguments: the command line.
    prog: the command, as a person types it.
    **settings: further arguments of `tyro.cli`.

  Raises:
    errors.UsageError: if a path is none on this machine.
  """
  if shutil.get_terminal_size().columns < _NARROWEST:
    os.environ["COLUMNS"] = str(_WIDTH)
  message = io.StringIO()
  try:
    with contextlib.redirect_stderr(message):
      return tyro.cli(
        kind,
        args=list(arguments),
        prog=prog,
        config=_STYLE,
        registry=paths.REGISTRY,
        **settings,
      )
  except data_paths.PathError as error:
    raise errors.UsageError(paths.describe(error, arguments)) from error
  finally:  # also where tyro exits
    print(message.getvalue(), end="", file=sys.stderr)
    for hint in _hints(arguments, message.getvalue()):
      print(hint, file=sys.stderr)


def select(
  kind: type[_Selected], arguments: Sequence[str], prog: str
) -> _Selected:
  """Returns a command's own options; those of the experiment are left.

  Args:
    kind: the class of the options.
    arguments: the command line.
    prog: the command, as a person types it.
  """
  if set(arguments[:1]) <= {"-h", "--help"}:
    about = inspect.cleandoc(kind.__doc__ or "").partition("\n\nAttributes:")[0]
    names = f"Experiments: {', '.join(registry.names())}."
    about += "\n\n" + textwrap.fill(names, _WIDTH)
    return parse(kind, arguments, prog, description=about)
  options, _ = parse(
    kind, arguments, prog, return_unknown_args=True, add_help=False
  )
  return options


def override(
  kind: type[Selection],
  choice: registry.Choice,
  arguments: Sequence[str],
  prog: str,
) -> trainer.Experiment:
  """Returns the experiment with the command line's changes.

  Args:
    kind: the class of the command's own options.
    choice: the recipe.
    arguments: the whole command line.
    prog: the command, as a person types it.

  Raises:
    errors.UsageError: if a nested configuration has no such kind.
  """
  experiment, arguments = kinds.choose(choice.experiment, arguments)
  title = (type(experiment).__doc__ or "").strip().split("\n")[0]
  parts = (title, _most_changed(choice, experiment), kinds.describe(experiment))
  about = "\n\n".join(filter(None, parts))
  settings = {"prog": f"{prog} {choice.name}", "description": about}
  if _names(kind) & _names(experiment):
    # The command's own option counts: `evaluate glue --checkpoint`.
    _, rest = parse(
      kind, arguments, prog, return_unknown_args=True, add_help=False
    )
    return parse(type(experiment), rest, default=experiment, **settings)
  flat = tyro.conf.arg(name="")
  both = dataclasses.make_dataclass(
    choice.name,
    [
      ("command", Annotated[kind, flat]),
      ("experiment", Annotated[type(experiment), flat], experiment),
    ],
  )
  return parse(both, arguments, **settings).experiment


def _most_changed(choice: registry.Choice, experiment: Any) -> str:
  """Returns the options that come first in the help, with their values."""
  recipes = [other.recipe for other in registry.choices(choice.name)]
  about = f"--recipe {{{', '.join(recipes)}}} ({choice.recipe})"
  wrapped = textwrap.wrap(about, _WIDTH - 4, break_on_hyphens=False)
  lines = ["  " + "\n    ".join(wrapped)]
  for name in _MOST_CHANGED:
    with contextlib.suppress(AttributeError):
      value = operator.attrgetter(name)(experiment)
      if value is not None:
        lines.append(f"  --{name.replace('_', '-')} ({value})")
  return "Options that are changed most, and their values:\n" + "\n".join(lines)


def _names(config: Any) -> set[str]:
  return {field.name for field in dataclasses.fields(config)}


def _hints(arguments: Sequence[str], message: str) -> list[str]:
  """Returns today's spellings for those of earlier versions.

  Args:
    arguments: the command line.
    message: tyro's, which names the refused options and values.
  """
  refused = re.sub(r"[\s│]", "", message.partition("Perhaps you meant")[0])
  found = []
  for argument in arguments:
    option, _, value = argument.partition("=")
    value = value or option
    if option not in refused and value not in refused:
      continue
    if new := renames.option(option):
      found.append(f"{option} is {new} since version {renames.VERSION}")
    elif value in ("True", "False"):
      found.append(
        "Booleans are written --a.x and --a.no-x, without True or False"
      )
    elif re.fullmatch("[A-Z][A-Z0-9_]+", value):
      new = renames.value(value)
      found.append(f"Values are in lower case: {new}, not {value}")
  return found
