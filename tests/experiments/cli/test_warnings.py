"""Warnings of the machine at the start of training and of evaluation."""

import json

from experiments import evaluate
from experiments import train
from experiments.cluster import machine
from experiments.runs import provenance

TINY = "tests.helpers.recipes.sums"


def test_gpu_that_stays_unused(tmp_path, run, monkeypatch, capsys):
  monkeypatch.setattr(machine, "_DEVICES", tmp_path)
  monkeypatch.delenv("JAX_PLATFORMS", raising=False)
  (tmp_path / "nvidia0").touch()
  words = [TINY, "--mini", "--workdir", str(run)]
  for command in (lambda: train.main(words), lambda: evaluate.main([str(run)])):
    assert command() == 0
    assert capsys.readouterr().err.count("warning: this machine has a GPU") == 1


def test_run_that_goes_on_with_other_devices(run, capsys):
  starts = provenance.read(run)
  starts[-1]["devices"]["kind"] = "NVIDIA H100"
  (run / provenance.NAME).write_text(json.dumps(starts))
  assert train.main([TINY, "--mini", "--workdir", str(run)]) == 0
  message = capsys.readouterr().err
  assert "× cpu" in message
  assert "computed on NVIDIA H100, and goes on with cpu; num" in message
