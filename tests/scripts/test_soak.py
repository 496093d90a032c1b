"""The soak script, for one run of a tiny experiment."""

import re

from scripts import soak

TINY = "tests.helpers.recipes.sums --mini --train.log-every 1"


def test_a_disturbed_run_ends_the_same(tmp_path, capfd):
  folder = tmp_path / "soak"
  folder.mkdir()
  found = soak.main(seed=1, seconds=0.1, folder=folder, experiment=TINY)
  output = capfd.readouterr().out
  assert found == 0, output
  assert re.search(r"SIG\w+ .*at a (time|step|writing)", output)
  assert "seed 1: the same; " in output
  assert "bit for bit: 1, runs: 1" in output
  assert not folder.exists()


def test_a_fault_is_shown_with_its_seed(tmp_path, capfd):
  wrong = f"{TINY} --train.no-such 1"
  assert soak.main(seed=5, folder=tmp_path, experiment=wrong) == 1
  output = capfd.readouterr().out
  assert "fault: the exit codes are {2}, not among {0}" in output
  assert "python -m scripts.soak --seed 5 --seconds 600" in output
  assert "seed 5: a fault" in output
