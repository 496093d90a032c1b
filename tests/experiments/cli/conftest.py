"""Fixtures of the command lines: a tiny experiment and its run."""

import pytest

from experiments import train
from experiments.cli import registry
from perceiver.models import registry as models
from tests.helpers.recipes import sums

TINY = "tests.helpers.recipes.sums"


@pytest.fixture(autouse=True)
def _tiny_is_a_known_model(monkeypatch):
  monkeypatch.setattr(models, "ModelConfig", sums.ModelConfig)


@pytest.fixture
def tiny(monkeypatch):
  """The tiny recipe as an experiment with a short name, and the only one."""
  monkeypatch.setattr(registry, "_MODULES", {"tiny": TINY})
  return "tiny"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  """The folder of a finished run."""
  workdir = tmp_path_factory.mktemp("run")
  assert train.main([TINY, "--mini", "--workdir", str(workdir)]) == 0
  return workdir
