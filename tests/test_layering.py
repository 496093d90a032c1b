"""Who may import whom.

Every file has a layer, and imports files of lower layers, files of its own
folder, and, within the library, files of its own layer in other folders.
Experiments share the folders named here and know nothing of one another. No
imports go round in a circle.
"""

import ast
import graphlib
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).parent.parent

# Files by name, and folders for all files in them.
LAYERS = {
  "perceiver/position_encoding": 0,
  "perceiver/attention.py": 0,
  "perceiver/config_json.py": 0,
  "perceiver/flops.py": 0,
  "perceiver/latent_attention.py": 0,
  "perceiver/layers.py": 0,
  "perceiver/reading.py": 0,
  "perceiver/stacking.py": 0,
  "perceiver/streaming.py": 0,
  "perceiver/adapters": 1,
  "perceiver/blocks.py": 1,
  "perceiver/queries.py": 1,
  "perceiver/decoder.py": 2,
  "perceiver/encoder.py": 2,
  "perceiver/processor.py": 2,
  "perceiver/perceiver.py": 3,
  "perceiver/models": 4,
  "perceiver/checkpoints": 5,
  "perceiver/__init__.py": 5,
}
_EXPERIMENT, _ENTRY = 7, 8
_SHARED_BY_EXPERIMENTS = {
  "experiments/clip_data",
  "experiments/image_classification",
  "experiments/language_data",
}
# What predicts prepares its data as the experiment does that trains.
_PREDICTION_USES = {"experiments/imagenet", "experiments/optical_flow"}
_ENTRY_POINTS = {"evaluate.py", "list.py", "predict.py", "train.py"}

# What the library may use beyond Python itself; checkpoints may use more.
_THIRD_PARTY = {"haiku", "jax", "numpy"}
_FILE_FORMATS = {"safetensors"}
_TOUCHES_THE_WORLD = {
  "io",
  "os",
  "shutil",
  "socket",
  "subprocess",
  "tempfile",
  "urllib",
}


def layer(path: str) -> int:
  """Returns the layer of a file, given relative to the root."""
  top, *folders, name = path.split("/")
  if top == "scripts":
    return _ENTRY
  if top == "experiments":
    if folders:
      return _EXPERIMENT
    return _ENTRY if name in _ENTRY_POINTS else 6
  for key in (path, f"{top}/{folders[0]}" if folders else path):
    if key in LAYERS:
      return LAYERS[key]
  raise AssertionError(f"{path} has no layer; give it one in {__file__}.")


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


def files(root: pathlib.Path, *folders: str) -> list[str]:
  """Returns all Python files of some folders, relative to the root."""
  return sorted(
    str(path.relative_to(root))
    for folder in folders
    for path in (root / folder).rglob("*.py")
  )


def graph(root: pathlib.Path) -> dict[str, set[str]]:
  """Returns which files of ours each file of ours imports."""
  return {
    path: {
      target
      for module in imported(path, root)
      if (target := resolve(module, root))
      if target.split("/")[0] != "tests"
    }
    for path in files(root, "perceiver", "experiments", "scripts")
  }


def violations(root: pathlib.Path) -> list[str]:
  """Returns a line for every import that is against the rules."""
  found = []
  edges = graph(root)
  for path, targets in edges.items():
    for target in sorted(targets):
      own, other = layer(path), layer(target)
      home, away = (path.rpartition("/")[0] for path in (path, target))
      known = set(_SHARED_BY_EXPERIMENTS)
      if home == "experiments/prediction":
        known |= _PREDICTION_USES
      beside = own < 6 or home == away or away in known
      if other > own or (other == own and not beside):
        found.append(f"{path} [{own}] imports {target} [{other}]")
  try:
    graphlib.TopologicalSorter(edges).prepare()
  except graphlib.CycleError as error:
    found.append(f"in a circle: {' -> '.join(error.args[1])}")
  return found


def test_every_file_imports_only_what_lies_below():
  assert not violations(ROOT)


def test_the_graph_was_read():
  edges = graph(ROOT)
  assert "perceiver/layers.py" in edges["perceiver/attention.py"]
  assert (
    "perceiver/position_encoding/__init__.py" in edges["perceiver/encoder.py"]
  )
  assert "perceiver/__init__.py" in edges["experiments/trainer.py"]
  assert not edges["perceiver/flops.py"]


@pytest.mark.parametrize(
  ("path", "code", "message"),
  [
    ("perceiver/layers.py", "from perceiver import blocks", "[0] imports perc"),
    ("perceiver/blocks.py", "from perceiver import encoder", "[1] imports"),
    ("perceiver/models/a.py", "def f():\n  import perceiver", "[4] imports"),
    ("perceiver/encoder.py", "import experiments.task", "[2] imports exper"),
    ("experiments/task.py", "from experiments.digits import data", "[6] imp"),
    ("experiments/task.py", "from experiments import train", "train.py [8]"),
    (
      "experiments/task.py",
      "from experiments.image_classification import task",
      "[6] imports experiments/image_classification/task.py [7]",
    ),
    (
      "experiments/imagenet/task.py",
      "from experiments.digits import data",
      "[7] imports experiments/digits/data.py [7]",
    ),
    (
      "experiments/prediction/classify.py",
      "import experiments.imagenet.data, experiments.digits.data",
      "[7] imports experiments/digits/data.py [7]",
    ),
    (
      "experiments/imagenet/data.py",
      "from experiments.prediction import classify",
      "[7] imports experiments/prediction/classify.py [7]",
    ),
    ("perceiver/encoder.py", "from perceiver import decoder", "in a circle"),
  ],
)
def test_what_is_against_the_rules_is_found(tmp_path, path, code, message):
  for name in (
    "perceiver/__init__.py",
    "perceiver/blocks.py",
    "perceiver/encoder.py",
    "experiments/digits/data.py",
    "experiments/image_classification/task.py",
    "experiments/imagenet/data.py",
    "experiments/prediction/classify.py",
    "experiments/task.py",
    "experiments/train.py",
    path,
  ):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
  decoder = tmp_path / "perceiver" / "decoder.py"
  decoder.write_text("from perceiver import encoder")
  assert not violations(tmp_path)
  (tmp_path / path).write_text(code)
  (found,) = violations(tmp_path)
  assert message in found


def test_relative_imports_are_found(tmp_path):
  (tmp_path / "perceiver").mkdir()
  (tmp_path / "perceiver" / "blocks.py").write_text("from . import layers")
  with pytest.raises(AssertionError, match=r"blocks\.py:1: a relative import"):
    violations(tmp_path)


@pytest.mark.parametrize("path", files(ROOT, "perceiver"))
def test_the_library_needs_little(path):
  used = {module.split(".")[0] for module in imported(path, ROOT)}
  foreign = used - set(sys.stdlib_module_names) - {"perceiver"}
  allowed = set(_THIRD_PARTY)
  if path.startswith("perceiver/checkpoints/"):
    allowed |= _FILE_FORMATS
  else:
    assert not used & _TOUCHES_THE_WORLD
  assert foreign <= allowed


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


def test_models_are_made_and_traced_with_jax_haiku_and_numpy_alone():
  models = [
    path.removesuffix(".py").replace("/", ".")
    for path in files(ROOT, "perceiver")
    if layer(path) < 5 and not path.endswith("__init__.py")
  ]
  code = f"""
  import perceiver.perceiver
  import perceiver.models.registry
  {"".join(f"import {name};" for name in models)}
  model = perceiver.models.registry.create("imagenet_fourier")
  print(model.num_parameters())
  """
  assert run(BLOCK + code).strip() == "48440627"


def test_the_blocker_blocks():
  with pytest.raises(AssertionError, match="blocked: safetensors"):
    run(BLOCK + "\n  import safetensors\n")
