"""Documents: Python code runs, commands are parsed, names exist."""

import importlib
import importlib.util
import re

import chex
import jax
import jax.numpy as jnp
import pytest

from experiments import evaluate
from experiments import list as list_experiments
from experiments import preflight
from experiments import train
from experiments.cli import arguments as cli_arguments
from experiments.cli import commands as cli_commands
import perceiver
from tests.helpers import documents
from tests.helpers import folders
from tests.helpers import tiny_configs

PAGES = {
  str(page.relative_to(folders.ROOT)): page for page in documents.pages()
}
COMMANDS = [
  (page, *command)
  for page, path in PAGES.items()
  for command in documents.commands(path)
]


# ---------------------------------------------------------------------- Python


@pytest.mark.parametrize(
  "page",
  [page for page, path in PAGES.items() if documents.python_blocks(path)],
)
def test_python_runs(page, tmp_path, monkeypatch):
  """With published models of few latents and layers, at their input sizes."""
  monkeypatch.chdir(tmp_path)
  create = perceiver.create
  configs = lambda name: create(name).config if isinstance(name, str) else name
  small = lambda name: create(tiny_configs.tiny(configs(name), num_latents=8))
  monkeypatch.setattr(perceiver, "create", small)
  code = "\n".join(documents.python_blocks(PAGES[page]))
  names: dict = {}
  exec(compile(code, page, "exec"), names)
  arrays = [x for x in names.values() if isinstance(x, jax.Array)]
  is_float = lambda x: jnp.issubdtype(x.dtype, jnp.floating)
  chex.assert_tree_all_finite(list(filter(is_float, arrays)))


# ------------------------------------------------------------------------ text


def test_no_line_is_lost():
  """The site takes a line that begins with % for a comment."""
  lost = [
    (page, line)
    for page, path in PAGES.items()
    for line in documents.prose(path).splitlines()
    if line.lstrip().startswith("%")
  ]
  assert not lost


# -------------------------------------------------------------------- commands


def parse(module, arguments):
  """Parses a command line as the command does, and runs nothing."""
  command = importlib.import_module(module)
  prog = f"python -m {module}"
  named = getattr(command, "_COMMANDS", {})
  first = arguments[0] if arguments else ""
  if first in named:
    kind, _ = cli_commands._load(named[first])
    cli_arguments.parse(kind, arguments[1:], prog)
  elif arguments == ("--on", "list"):
    return
  elif command in (train, evaluate, preflight):
    kind = {
      train: train.Train,
      evaluate: evaluate.Evaluate,
      preflight: preflight.Preflight,
    }[command]
    if first == "RUN" or first.startswith("runs/"):
      cli_arguments.parse(kind, arguments, prog)
      return
    choice = cli_arguments.select(kind, arguments, prog).choose()
    cli_arguments.override(kind, choice, arguments, prog)
  else:
    assert command is list_experiments
    cli_arguments.parse(list_experiments.List, arguments, prog)


@pytest.mark.parametrize(
  ("page", "module", "arguments"),
  [
    pytest.param(*command, id=f"{command[0]}:{' '.join(command[1:2])}-{i}")
    for i, command in enumerate(COMMANDS)
  ],
)
def test_commands_are_accepted(page, module, arguments):
  assert importlib.util.find_spec(module), f"{page}: {module}"
  if module.startswith("experiments.") and "--help" not in arguments:
    parse(module, arguments)


def test_there_are_commands():
  assert {"README.md", "docs/start.md", "docs/clusters.md"} <= {
    page for page, *_ in COMMANDS
  }
  with pytest.raises(SystemExit):
    parse("experiments.train", ("digits", "--train.stepz", "3"))


# ----------------------------------------------------------------------- names


def test_every_model_has_a_row():
  text = PAGES["docs/models.md"].read_text(encoding="utf-8")
  rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \|$", text, re.MULTILINE)
  assert sorted(name for name, _ in rows) == perceiver.list_models()
