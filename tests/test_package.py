"""The wheel, its installation, and the command that comes with it."""

import email.message
import email.parser
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import zipfile

import jax
import pytest

import experiments
import perceiver
from perceiver import __main__ as command
from tests.helpers import documents
from tests.helpers import folders

_PROJECT = ("LICENSE", "README.md", "pyproject.toml", "setup.py")


def run(*words, cwd, code=0):
  """Returns the output of a program, its errors if `code` is not 0.

  It gets no path of packages, which parallel tests have.
  """
  environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
  options = {"cwd": cwd, "env": environment, "text": True}
  found = subprocess.run(
    [str(word) for word in words], capture_output=True, **options
  )
  assert found.returncode == code, found.stderr
  return found.stderr if code else found.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
  """The wheel of this library, built without a network."""
  project = tmp_path_factory.mktemp("project")
  for name in _PROJECT:
    shutil.copy(folders.ROOT / name, project)
  ignored = shutil.ignore_patterns("__pycache__")
  shutil.copytree(
    folders.ROOT / "perceiver", project / "perceiver", ignore=ignored
  )
  (project / "experiments").mkdir()
  (project / "experiments" / "__init__.py").touch()
  build = "from setuptools import build_meta; build_meta.build_wheel('.')"
  run(sys.executable, "-c", build, cwd=project)
  (found,) = project.glob("*.whl")
  return found


@pytest.fixture(scope="module")
def metadata(wheel) -> email.message.Message:
  """The metadata of the wheel."""
  with zipfile.ZipFile(wheel) as archive:
    (name,) = [x for x in archive.namelist() if x.endswith("/METADATA")]
    return email.parser.Parser().parsestr(archive.read(name).decode())


def test_wheel_holds_the_library_alone(wheel):
  with zipfile.ZipFile(wheel) as archive:
    names = set(archive.namelist())
  info = f"perceiver_haiku-{perceiver.__version__}.dist-info"
  assert {name.split("/")[0] for name in names} == {"perceiver", info}
  assert {"perceiver/py.typed", f"{info}/licenses/LICENSE"} <= names
  ours = {
    path.relative_to(folders.ROOT).as_posix()
    for path in (folders.ROOT / "perceiver").rglob("*.py")
  }
  assert ours <= names


def test_metadata(metadata):
  assert metadata["Name"] == "perceiver-haiku"
  assert metadata["Version"] == perceiver.__version__
  assert metadata["License-Expression"] == "Apache-2.0"
  assert metadata["Description-Content-Type"] == "text/markdown"
  needed = [x for x in metadata.get_all("Requires-Dist") if "extra ==" not in x]
  assert {re.split("[<>=]", x)[0] for x in needed} == set(command._LIBRARY)
  assert all(">=" in x for x in needed)
  assert "# perceiver" in metadata.get_payload()


def links(text):
  """Returns the targets of Markdown's links that are no addresses."""
  found = re.findall(r"\]\(([^)\s]+)\)", text)
  return [x for x in found if not re.match(r"https?://", x)]


def test_links_of_the_description_lead_somewhere(metadata):
  assert not links(metadata.get_payload())
  readme = (folders.ROOT / "README.md").read_text()
  assert links(readme)
  missing = [x for x in links(readme) if not (folders.ROOT / x).exists()]
  assert not missing


def test_extras_that_messages_name_exist(metadata):
  command = re.compile(r"pip install [^\n`]*?([\w.-]*)\[([\w-]+)\]")
  paths = [*folders.ROOT.glob("*.md"), *folders.ROOT.glob("docs/**/*.md")]
  for top in ("experiments", "perceiver", "scripts"):
    paths += (folders.ROOT / top).rglob("*.py")
  named = set()
  for path in paths:
    # Strings of two lines are joined.
    text = re.sub(r"\"\n\s*f?\"", "", path.read_text(encoding="utf-8"))
    named |= set(command.findall(text))
  extras = set(metadata.get_all("Provides-Extra"))
  assert {"points", "tf", "train", "video"} <= {extra for _, extra in named}
  assert {project for project, _ in named} <= {".", "jax"}
  assert {extra for project, extra in named if project == "."} <= extras


def test_every_extra_is_listed(metadata):
  text = (folders.ROOT / "docs" / "install.md").read_text(encoding="utf-8")
  rows = "".join(re.findall(r"^\| `.*\|", text, re.MULTILINE))
  extras = metadata.get_all("Provides-Extra")
  assert not [extra for extra in extras if f"`{extra}`" not in rows]


def test_modules_that_experiments_need_are_those_of_the_extra(metadata):
  requirements = metadata.get_all("Requires-Dist")
  needed = [x for x in requirements if x.endswith('extra == "train"')]
  owners = command.metadata.packages_distributions()
  found = {x for module in experiments._NEEDED for x in owners[module]}
  named = {re.split("[<>=;]", x)[0] for x in needed}
  plain = lambda names: {name.lower().replace("_", "-") for name in names}
  assert plain(found) == plain(named)


def test_citation_has_the_version():
  text = (folders.ROOT / "CITATION.cff").read_text()
  assert f"\nversion: {perceiver.__version__}\n" in text


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
  """A fresh environment with the wheel, and what is installed here."""
  folder = tmp_path_factory.mktemp("environment")
  run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
  options = ["--quiet", "--no-deps", "--no-index", "--no-compile"]
  python = folder / "bin" / "python"
  run(
    *(sys.executable, "-m", "pip", "--python", python, "install"),
    *(*options, wheel),
    cwd=folder,
  )
  path = "import sysconfig; print(sysconfig.get_path('purelib'))"
  packages = pathlib.Path(run(python, "-c", path, cwd=folder).strip())
  here = [p for p in sys.path if p.endswith("-packages")]
  assert sysconfig.get_path("purelib") in here
  (packages / "outer.pth").write_text("\n".join(here))
  return folder / "bin"


def test_installed_command_runs_elsewhere(environment, tmp_path):
  printed = run(environment / "perceiver", "list", "starcraft", cwd=tmp_path)
  assert printed.split() == [
    x for x in perceiver.list_models() if "starcraft" in x
  ]
  version = run(environment / "perceiver", "--version", cwd=tmp_path)
  assert version == f"perceiver {perceiver.__version__}\n"


def test_experiments_of_a_users_own_are_found(environment, tmp_path):
  (tmp_path / "experiments").mkdir()
  (tmp_path / "experiments" / "train.py").write_text("print('mine')")
  python = environment / "python"
  assert run(python, "-m", "experiments.train", cwd=tmp_path) == "mine\n"
  code = "import perceiver; print(perceiver.__file__)"
  found = pathlib.Path(run(python, "-c", code, cwd=tmp_path).strip())
  assert found.is_relative_to(environment.parent)


def test_experiments_name_the_extra_that_is_missing():
  words = (sys.executable, "-S", "-m", "experiments.train")  # without packages
  found = run(*words, cwd=folders.ROOT, code=1)
  assert re.fullmatch(
    r"error: experiments need array_record, .*, tyro: install the extra "
    r"\"train\", `pip install -e '\.\[train\]'` in this project's folder, or, "
    r"where scripts/install\.sh did, `source \.venv/bin/activate`\n",
    found,
  )


# ------------------------------------------------------------------ the command


def test_jax_is_not_imported_before_it_is_needed():
  code = (
    "import sys, perceiver; from perceiver import __main__; "
    "assert perceiver.PerceiverError and perceiver.errors.reason; "
    "print('jax' in sys.modules, perceiver.layers.__name__)"
  )
  found = run(sys.executable, "-c", code, cwd=folders.ROOT)
  assert found == "False perceiver.layers\n"


def test_other_names_are_refused():
  with pytest.raises(AttributeError, match="has no attribute 'laod'"):
    perceiver.laod  # noqa: B018
  with pytest.raises(ImportError, match="laod"):
    exec("from perceiver import laod")


def test_commands_in_documents_are_accepted():
  named = set()
  for page in documents.pages():
    for line in re.findall(
      r"^(?:\.venv/bin/)?perceiver (.*)", page.read_text(), re.MULTILINE
    ):
      words = shlex.split(line, comments=True)
      named.add(command._parser(pathlib.Path).parse_args(words).command)
  assert named == {"list", "convert", "doctor"}


def test_list(capsys):
  assert command.main(["list"]) == 0
  assert capsys.readouterr().out.split() == perceiver.list_models()
  assert command.main(["list", "starcraft_t", "--parameters"]) == 0
  assert capsys.readouterr().out == "starcraft_transformer      2,500,864\n"
  assert command.main(["list", "starcarft"]) == 1
  assert "no model's name has starcarft" in capsys.readouterr().err


def test_doctor(capsys, monkeypatch):
  monkeypatch.setattr(command, "problems", lambda *_: [])
  assert command.main(["doctor"]) == 0
  printed = capsys.readouterr().out
  assert f"\njax                  {jax.__version__}\n" in printed
  assert f"devices              {jax.device_count()} × cpu (cpu)\n" in printed
  assert printed.endswith("problem              none is known\n")


def test_doctor_survives_a_broken_jax(capsys, monkeypatch):
  monkeypatch.setitem(sys.modules, "jax", None)
  assert command.main(["doctor"]) == 1
  found = capsys.readouterr().out.splitlines()[-1]
  assert found.startswith("problem              JAX does not start: ")


def test_an_unused_accelerator_is_a_problem(monkeypatch):
  monkeypatch.setattr(pathlib.Path, "exists", lambda x: x.name == "accel0")
  monkeypatch.delenv("JAX_PLATFORMS", raising=False)
  (found,) = command._unused({"cpu"})
  assert "/dev/accel0 is there" in found
  assert "jax[tpu]" in found
  assert not command._unused({"tpu"})
  monkeypatch.setenv("JAX_PLATFORMS", "cpu")
  assert not command._unused({"cpu"})


@pytest.mark.parametrize(
  ("versions", "environment", "expected"),
  [
    ({"jax": "0.10.2", "jaxlib": "0.10.2"}, {}, []),
    ({"perceiver": "0.1.2"}, {}, ["another project, the distribution"]),
    (
      {"jax": "0.10.2", "numpy": "1.26.4"},
      {},
      ["numpy is 1.26.4; jax 0.10.2 expects >=2.0"],
    ),
    (
      {"perceiver-haiku": "0.2.0", "dm-haiku": "0.0.14", "optax": "0.3.0"},
      {},
      ["dm-haiku is 0.0.14; perceiver-haiku", "optax is 0.3.0; perceiver-"],
    ),
    (
      {"jaxlib": "0.10.2", "jax-cuda13-plugin": "0.10.1"},
      {},
      ["jax-cuda13-plugin is 0.10.1; expected jaxlib's version, 0.10.2"],
    ),
    (
      {},
      {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"},
      ["simulated devices wait"],
    ),
    ({}, {"XLA_FLAGS": "device_count=4", "NPROC": "32"}, []),
  ],
)
def test_known_problems(monkeypatch, versions, environment, expected):
  required = {
    "jax": ["jaxlib<=0.10.2,>=0.10.1", "numpy>=2.0", "scipy>=1.14"],
    "perceiver-haiku": [
      "dm-haiku<0.1,>=0.0.17",
      'optax<0.3,>=0.2.8; extra == "train"',
    ],
  }
  monkeypatch.setattr(
    command.metadata, "requires", lambda name: required.get(name)
  )
  found = command.problems(versions, environment)
  assert len(found) == len(expected)
  assert all(x.startswith(y) for x, y in zip(found, expected))


@pytest.mark.parametrize(
  ("version", "relation", "bound", "holds"),
  [
    ("0.10.2", ">=", "0.9", True),
    ("0.12.0.1", "<", "0.13", True),
    ("2.0.0", "==", "2.0", True),
    ("2.13.0+cpu", "==", "2.13.0", True),
    ("0.10.2.dev20261101", "<=", "0.10.2", True),
    ("1.26.4", ">=", "2.0", False),
  ],
)
def test_versions_are_compared_by_number(version, relation, bound, holds):
  assert command._holds(version, relation, bound) is holds
