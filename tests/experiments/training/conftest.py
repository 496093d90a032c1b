"""A run that nothing disturbed."""

import pytest

from experiments.training import trainer
from tests.helpers import tiny_runs


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
  """The folder and the report of a run that nothing disturbed."""
  workdir = tmp_path_factory.mktemp("finished")
  return workdir, trainer.train(tiny_runs.experiment(), workdir)
