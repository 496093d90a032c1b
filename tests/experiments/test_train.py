"""Options of the command that trains."""

import pytest

from experiments import train

TINY = "tests.helpers.recipes.sums"


def test_options_of_processes(tmp_path, capsys):
  arguments = ["--workdir", str(tmp_path), "--distributed.coordinator", "a:1"]
  with pytest.raises(SystemExit) as caught:
    train.main([TINY, *arguments])
  assert caught.value.code == 2
  assert "without num-processes, process-id" in capsys.readouterr().err
