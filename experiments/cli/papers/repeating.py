"""Runs the commands of a paper's table, and prints the table.

  python -m experiments.train table 2103.03206:6 DIR=/data/imagenet

Words in capitals are those of `experiments.list --table`. Finished runs are not
repeated; interrupted, the same command goes on.
"""

import dataclasses
import importlib
import pathlib
import re
import shlex

import tyro

from experiments.cli import errors
from experiments.cli.papers import listing
from experiments.data import files
from experiments.runs import progress

_FOLDER = re.compile(r"(?<=[ :])[A-Z]{3,}(?= |$)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RepeatConfig:
  """Runs the commands of a paper's table, and prints the table.

  Finished runs are not repeated; interrupted, the same command goes on.

  Attributes:
    table: its name, such as 2103.03206:6.
    folders: NAME=PATH for every word in capitals in the commands that
      `experiments.list --table` prints.
  """

  table: tyro.conf.Positional[str]
  folders: tyro.conf.Positional[tuple[str, ...]] = ()


def commands(config: RepeatConfig) -> list[str]:
  """Returns the commands, in order and each once.

  Raises:
    errors.UsageError: if there is no such table, or a folder is missing.
  """
  table = listing.find(config.table)
  found = [c for row in table.rows for c in listing.commands(table, row)]
  given = {
    name: path
    for name, _, path in (folder.partition("=") for folder in config.folders)
  }
  needed = {name for command in found for name in _FOLDER.findall(command)}
  if needed != given.keys():
    raise errors.UsageError(
      f"folders are {sorted(given)}; expected NAME=PATH for {sorted(needed)}"
    )
  path = lambda match: shlex.quote(given[match[0]])
  return [_FOLDER.sub(path, command) for command in dict.fromkeys(found)]


def run(config: RepeatConfig) -> None:
  """Runs the command `train table`.

  Raises:
    errors.UsageError: see `commands`.
    files.InputError: if a command failed, after all others.
  """
  failed = []
  for command in commands(config):
    progress.write(command)
    _, _, module, *words = shlex.split(command)
    if importlib.import_module(module).main(words):
      failed.append(command)
  print(listing.describe(config.table, pathlib.Path("runs")))
  if failed:
    raise files.InputError("These commands failed:\n" + "\n".join(failed))
