"""Options of the command that trains."""

import pytest

from experiments import train
from experiments.training import trainer

TINY = "tests.helpers.recipes.sums"


def test_options_of_processes(tmp_path, capsys):
  arguments = ["--workdir", str(tmp_path), "--distributed.coordinator", "a:1"]
  with pytest.raises(SystemExit) as caught:
    train.main([TINY, *arguments])
  assert caught.value.code == 2
  assert "without num-processes, process-id" in capsys.readouterr().err


def test_restart(tmp_path, capsys):
  arguments = [TINY, "--mini", "--workdir", str(tmp_path / "run")]
  (tmp_path / "run" / "checkpoints-damaged").mkdir(parents=True)
  assert train.main(arguments) == 1
  assert capsys.readouterr().err.endswith("in another folder.\n")
  assert train.main([*arguments, "--restart"]) == 0
  assert (tmp_path / "run-before-restart" / "checkpoints-damaged").is_dir()
  assert train.main(arguments) == 0


def test_a_link_is_followed_once(tmp_path, monkeypatch):
  """It may lead elsewhere before the run has ended."""

  class Begun(Exception):
    pass

  def begin(experiment, workdir, **options):
    raise Begun(workdir)

  monkeypatch.setattr(trainer, "train", begin)
  (tmp_path / "link").symlink_to(tmp_path / "run")
  with pytest.raises(Begun) as caught:
    train.main([TINY, "--mini", "--workdir", str(tmp_path / "link")])
  assert caught.value.args == (tmp_path / "run",)
