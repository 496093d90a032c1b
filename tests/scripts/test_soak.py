"""The soak script, for one run of a tiny experiment."""

import re
import subprocess
import sys

from tests.helpers import folders

TINY = "tests.helpers.recipes.sums --mini --train.log-every 1"


def _soak(folder, *options, code=0):
  folder.mkdir()
  command = [sys.executable, "-m", "scripts.soak", "--folder", folder]
  result = subprocess.run(
    [*command, *options],
    cwd=folders.ROOT,
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.returncode == code, result.stdout + result.stderr
  return result.stdout


def test_a_disturbed_run_ends_the_same(tmp_path):
  folder = tmp_path / "soak"
  options = ("--seed", "1", "--seconds", "3", "--experiment", TINY)
  output = _soak(folder, *options)
  assert re.search(r"SIG\w+ .*at a (time|step|writing)", output)
  assert "seed 1: the same; " in output
  assert "bit for bit: 1, runs: 1" in output
  assert not folder.exists()


def test_a_fault_is_shown_with_its_seed(tmp_path):
  wrong = f"{TINY} --train.no-such 1"
  options = ("--seed", "5", "--experiment", wrong)
  output = _soak(tmp_path / "soak", *options, code=1)
  assert "fault: the exit codes are {2}, not among {0}" in output
  assert "python -m scripts.soak --seed 5 --seconds 600" in output
  assert "seed 5: a fault" in output
