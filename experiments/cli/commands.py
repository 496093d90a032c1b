"""Commands of the wings, which are imported when they are named.

A command is a class of options in a module with a function `run(options)`; the
class's docstring is its help.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
import dataclasses
import importlib
from importlib import util
import pathlib
from typing import Annotated, Any, Union

import tyro

from experiments.cli import arguments as cli_arguments
from experiments.cli import errors


def main(
  prog: str,
  description: str,
  commands: Mapping[str, str],
  arguments: Sequence[str] | None,
) -> int:
  """Runs the command that the first argument names.

  Args:
    prog: the entry point, as a person types it.
    description: what its commands are for.
    commands: {name: dotted name of the class of options}.
    arguments: the command line; that of the process if None.

  Returns:
    The exit code: 0, 1 if a command failed, 2 if it makes no sense.
  """
  return errors.run(lambda: _main(prog, description, commands, arguments))


def _main(
  prog: str,
  description: str,
  commands: Mapping[str, str],
  arguments: Sequence[str] | None,
) -> None:
  arguments = cli_arguments.given(arguments)
  if not run_named(prog, commands, arguments):
    # Shows the help or refuses the name, and exits; needs no command's module.
    kinds = tuple(
      Annotated[_described(path), tyro.conf.subcommand(name)]
      for name, path in commands.items()
    )
    cli_arguments.parse(
      Union[kinds],  # noqa: UP007
      arguments,
      prog,
      description=description,
    )


def run_named(
  prog: str, commands: Mapping[str, str], arguments: Sequence[str]
) -> bool:
  """Runs the command that the first argument names.

  Args:
    prog: the entry point, as a person types it.
    commands: {name: dotted name of the class of options}.
    arguments: the command line.

  Returns:
    Whether it names one.
  """
  if not arguments or arguments[0] not in commands:
    return False
  name, *rest = arguments
  kind, run = _load(commands[name])
  run(cli_arguments.parse(kind, rest, f"{prog} {name}"))
  return True


def _described(path: str) -> type:
  """Returns a class with the description of a class that is not imported."""
  module, _, name = path.rpartition(".")
  spec = util.find_spec(module)
  assert spec is not None, path
  assert spec.origin is not None, path
  source = pathlib.Path(spec.origin).read_text(encoding="utf-8")
  (found,) = [
    node
    for node in ast.parse(source).body
    if isinstance(node, ast.ClassDef) and node.name == name
  ]
  text = (ast.get_docstring(found) or "").partition("\n\nAttributes:")[0]
  return dataclasses.make_dataclass(name, [], namespace={"__doc__": text})


def _load(path: str) -> tuple[type, Callable[[Any], None]]:
  module_name, _, name = path.rpartition(".")
  module = importlib.import_module(module_name)
  return getattr(module, name), module.run
