"""Which files may import which others.

The library (perceiver/) knows arrays and has inner layers. A wing
(experiments/WING/) imports service rooms and the library, never another wing. A
service room imports only rooms further to the right in `ROOMS`, and the
library. Entry points (experiments/*.py) and scripts import anything but one
another. No imports form a cycle.
"""

import ast
import graphlib
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

from tests.helpers import folders

ROOT = folders.ROOT
ROOMS = ("cli", "hardware", "training", "runs", "data", "cluster")
WINGS = (
  "audio_video",
  "generation",
  "image_classification",
  "language",
  "optical_flow",
  "point_clouds",
  "starcraft",
  "time_series",
)
# The library's layers from the lowest; folders stand for all files in them. A
# file imports from lower layers and from its own.
LIBRARY = (
  (
    "attention",
    "bounds.py",
    "coarse_to_fine.py",
    "compilation.py",
    "config_json.py",
    "errors.py",
    "flops.py",
    "layers.py",
    "mixtures.py",
    "position_encoding",
    "rematerialisation.py",
  ),
  ("adapters", "blocks.py", "queries.py"),
  (
    "attention_maps.py",
    "decoder.py",
    "encoder.py",
    "multimodal_decoder.py",
    "processor.py",
  ),
  (
    "continuous_time.py",
    "growing.py",
    "network.py",
    "packing.py",
    "streaming.py",
  ),
  ("image_sizes.py", "latent_sizes.py"),
  ("model.py",),
  ("programs.py",),
  ("autoregressive",),
  ("models",),
  ("__init__.py", "checkpoints"),
  ("__main__.py",),
)

# The one file that reads a command line; it describes the machine, too.
_COMMAND = "perceiver/__main__.py"

# What the library may use beyond Python itself, and where foreign data enters.
_THIRD_PARTY = {"haiku", "jax", "jaxtyping", "numpy"}
_MAY_USE_MORE = {
  "perceiver/checkpoints/": {"safetensors"},
}
_TOUCHES_THE_WORLD = {
  "argparse",
  "io",
  "os",
  "shutil",
  "socket",
  "subprocess",
  "tempfile",
  "urllib",
}


def resolve(module: str, root: pathlib.Path) -> str | None:
  """Returns the file of a module of ours; None for other people's."""
  path = root.joinpath(*module.split("."))
  for file in (path.with_suffix(".py"), path / "__init__.py"):
    if file.exists():
      return str(file.relative_to(root))
  return None


def imported(path: str, root: pathlib.Path) -> set[str]:
  """Returns the modules, by their full names, that a file imports anywhere."""
  modules = set()
  for node in ast.walk(ast.parse((root / path).read_text())):
    if isinstance(node, ast.Import):
      modules |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      assert not node.level, f"{path}:{node.lineno}: a relative import"
      for alias in node.names:
        name = f"{node.module}.{alias.name}"
        modules.add(name if resolve(name, root) else str(node.module))
  return modules


def files(root: pathlib.Path, *tops: str) -> list[str]:
  """Returns all Python files of some folders, relative to the root."""
  return sorted(
    str(path.relative_to(root))
    for top in tops
    for path in (root / top).rglob("*.py")
  )


def graph(root: pathlib.Path) -> dict[str, set[str]]:
  """Returns the files of ours that each file of ours imports."""
  return {
    path: {
      target
      for module in imported(path, root)
      if (target := resolve(module, root))
    }
    for path in files(root, "perceiver", "experiments", "scripts")
  }


def place(path: str) -> tuple[str, str]:
  """Returns the kind of a file and its name within the kind.

  Kinds are "library", "room", "wing", "entry point", "script" and "test".
  """
  top, *rest = path.split("/")
  if top == "experiments" and rest[0] in ROOMS:
    return "room", rest[0]
  if top == "experiments" and len(rest) > 1:
    assert rest[0] in WINGS, f"{path} is in no room and in no wing"
    return "wing", rest[0]
  kinds = {
    "experiments": "entry point",
    "perceiver": "library",
    "scripts": "script",
    "tests": "test",
  }
  return kinds[top], path


def library_layer(path: str) -> int:
  """Returns the layer of a file of the library."""
  name = path.split("/")[1]
  for layer, names in enumerate(LIBRARY):
    if name in names:
      return layer
  raise AssertionError(f"{path} has no layer in LIBRARY")


def allowed(path: str, target: str) -> bool:
  """Returns whether the file may import the target."""
  (kind, name), (target_kind, target_name) = place(path), place(target)
  match kind, target_kind:
    case "library", "library":
      return library_layer(target) <= library_layer(path)
    case "library", _:
      return False
    case _, "library":
      return True
    case "room", "room":
      return ROOMS.index(target_name) >= ROOMS.index(name)
    case "wing", "wing":
      return name == target_name
    case "wing", "room":
      return True
    case "entry point" | "script", "room" | "wing":
      return True
    case "entry point", "entry point":
      return target == "experiments/__init__.py"
    case "script", "script" | "entry point":
      return True
  return False


def violations(root: pathlib.Path) -> list[str]:
  """Returns a line for every import that is against the rules."""
  edges = graph(root)
  found = [
    f"{path} imports {target}"
    for path, targets in edges.items()
    for target in sorted(targets)
    if not allowed(path, target)
  ]
  try:
    graphlib.TopologicalSorter(edges).prepare()
  except graphlib.CycleError as error:
    found.append(f"in a circle: {' -> '.join(error.args[1])}")
  return found


def test_every_file_imports_only_what_it_may():
  assert not violations(ROOT)


def test_the_graph_was_read():
  edges = graph(ROOT)
  assert "perceiver/layers.py" in edges["perceiver/attention/projections.py"]
  assert (
    "perceiver/position_encoding/__init__.py" in edges["perceiver/encoder.py"]
  )
  assert "perceiver/__init__.py" in edges["experiments/training/trainer.py"]
  assert not edges["perceiver/flops.py"]


@pytest.mark.parametrize(
  ("path", "code"),
  [
    ("perceiver/layers.py", "from perceiver import blocks"),
    ("perceiver/blocks.py", "from perceiver import encoder"),
    ("perceiver/models/a.py", "def f():\n  import perceiver"),
    ("perceiver/encoder.py", "from experiments.training import tasks"),
    ("perceiver/encoder.py", "from perceiver import decoder"),
    (
      "experiments/training/tasks.py",
      "from experiments.image_classification import data",
    ),
    ("experiments/training/tasks.py", "from experiments.cli import registry"),
    ("experiments/training/tasks.py", "from experiments import train"),
    ("experiments/data/files.py", "from experiments.training import tasks"),
    (
      "experiments/image_classification/data.py",
      "from experiments.language.text import corpora",
    ),
    ("experiments/train.py", "from experiments import evaluate"),
    ("experiments/train.py", "from scripts import benchmark"),
    ("experiments/train.py", "from tests.helpers import fill"),
  ],
)
def test_an_import_against_the_rules_is_found(tmp_path, path, code):
  for name in (
    "experiments/__init__.py",
    "experiments/cli/registry.py",
    "experiments/data/files.py",
    "experiments/evaluate.py",
    "experiments/image_classification/data.py",
    "experiments/language/text/corpora.py",
    "experiments/train.py",
    "experiments/training/tasks.py",
    "perceiver/__init__.py",
    "perceiver/blocks.py",
    "perceiver/encoder.py",
    "scripts/benchmark.py",
    "tests/helpers/fill.py",
    path,
  ):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
  decoder = tmp_path / "perceiver" / "decoder.py"
  decoder.write_text("from perceiver import encoder")
  assert not violations(tmp_path)
  (tmp_path / path).write_text(code)
  (found,) = violations(tmp_path)
  assert found.startswith((f"{path} imports ", "in a circle: "))


@pytest.mark.parametrize(
  ("path", "message"),
  [
    ("experiments/cellar/wine.py", "in no room and in no wing"),
    ("perceiver/cellar.py", "has no layer"),
  ],
)
def test_a_file_without_a_place_is_found(tmp_path, path, message):
  for name in (path, "perceiver/__init__.py"):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
  (tmp_path / path).write_text("import perceiver")
  (tmp_path / "perceiver" / "__init__.py").write_text(
    "from perceiver import cellar"
  )
  with pytest.raises(AssertionError, match=message):
    violations(tmp_path)


def test_relative_imports_are_found(tmp_path):
  (tmp_path / "perceiver").mkdir()
  (tmp_path / "perceiver" / "blocks.py").write_text("from . import layers")
  with pytest.raises(AssertionError, match=r"blocks\.py:1: a relative import"):
    violations(tmp_path)


@pytest.mark.parametrize("path", files(ROOT, "perceiver"))
def test_the_library_needs_little(path):
  used = {module.split(".")[0] for module in imported(path, ROOT)}
  foreign = used - set(sys.stdlib_module_names) - {"perceiver"}
  permitted = set(_THIRD_PARTY)
  for folder, modules in _MAY_USE_MORE.items():
    if path.startswith(folder):
      permitted |= modules
  if not path.startswith(("perceiver/checkpoints/", _COMMAND)):
    assert not used & _TOUCHES_THE_WORLD
  assert path == _COMMAND or "argparse" not in used
  assert foreign <= permitted


def run(code: str) -> str:
  """Runs code in a fresh process; returns what it prints."""
  result = subprocess.run(
    [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
    cwd=ROOT,
    # JAX's own cache of compilations has dependencies of its own.
    env={k: v for k, v in os.environ.items() if "CACHE" not in k},
    capture_output=True,
    text=True,
    timeout=300,
  )
  assert result.returncode == 0, result.stderr
  return result.stdout


BLOCK = """
  import sys

  import haiku
  import jax
  import jaxtyping
  import numpy

  # What these need themselves is there already.
  allowed = {name.split(".")[0] for name in sys.modules}
  allowed |= set(sys.stdlib_module_names) | {"perceiver"}
  blocked = {"safetensors", "optax", "PIL", "tensorflow", "grain", "orbax"}
  assert not blocked & allowed


  class Blocker:
    def find_spec(self, name, path=None, target=None):
      if name.split(".")[0] not in allowed:
        raise ModuleNotFoundError(f"blocked: {name}")


  sys.meta_path.insert(0, Blocker())
"""


def test_models_need_jax_haiku_jaxtyping_and_numpy_alone():
  models = [
    path.removesuffix(".py").replace("/", ".")
    for path in files(ROOT, "perceiver")
    if library_layer(path) < 5 and not path.endswith("__init__.py")
  ]
  code = f"""
  import perceiver.network
  import perceiver.models.registry
  {"".join(f"import {name};" for name in models)}
  model = perceiver.models.registry.create("imagenet_fourier")
  print(model.num_parameters())
  """
  assert run(BLOCK + code).strip() == "48440627"


def test_the_blocker_blocks():
  with pytest.raises(AssertionError, match="blocked: safetensors"):
    run(BLOCK + "\n  import safetensors\n")
