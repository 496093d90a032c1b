"""The check of an accelerator, tried without one."""

import dataclasses
import os
import re
import subprocess
import sys

import perceiver
from perceiver.models import optical_flow
from scripts.benchmarking import cases
from scripts.benchmarking import decoding_rate
from scripts.benchmarking import flow_rate
from scripts.benchmarking import paths
from tests.helpers import folders

SCRIPT = folders.ROOT / "scripts" / "accelerator_check.sh"


def check(tmp_path, *parts):
  return subprocess.run(
    [str(SCRIPT), *parts],
    env=os.environ
    | {"DRY_RUN": "1", "OUTPUT": str(tmp_path), "PYTHON": sys.executable},
    capture_output=True,
    text=True,
    timeout=600,
  )


def test_a_run_is_killed_and_goes_on(tmp_path):
  result = check(tmp_path, "training")
  assert result.returncode == 0, result.stderr + result.stdout
  assert re.search(r"killed with checkpoints .*\b5\b", result.stdout)
  assert "Going on from step" in result.stdout + result.stderr
  assert (tmp_path / "digits" / "checkpoints" / "20").is_dir()
  assert "== training:" in result.stdout


def test_parts_are_named(tmp_path):
  result = check(tmp_path, "forward", "nonsense")
  assert result.returncode == 2
  assert "no part nonsense; expected paths, forward" in result.stderr
  assert "==" not in result.stdout
  usage = check(tmp_path)
  assert usage.returncode == 2
  for part in ("paths", "forward", "gradient", "flow", "training"):
    assert f"\n  {part} " in usage.stdout


def tiny_path(name):
  (path,) = (x for x in paths.PATHS if x.name == name)
  sizes = {"queries": (8, path.queries[1])}
  if path.inputs:
    sizes["inputs"] = (20, path.inputs[1])
  if path.queries[0] > (path.inputs or path.queries)[0]:
    sizes = {"queries": (20, path.queries[1]), "inputs": (8, path.inputs[1])}
  return dataclasses.replace(path, **sizes)


def test_paths_of_attention_agree_with_float64(monkeypatch, capsys):
  names = ("flow encoder, masked", "language latents", "flow decoder")
  chosen = tuple(map(tiny_path, names))
  monkeypatch.setattr(paths, "PATHS", chosen)
  assert paths.main() == 0
  table = capsys.readouterr().out
  assert all(table.count(f"| {name} ") == 3 for name in names)
  assert "too large" not in table


def test_an_error_above_its_limit_is_a_failure(monkeypatch, capsys):
  key = ("bfloat16", "default")
  monkeypatch.setattr(paths, "PATHS", (tiny_path("flow latents"),))
  monkeypatch.setattr(paths, "LIMITS", {key: (1e-9, 1)})
  assert paths.main() == 1
  assert "too large" in capsys.readouterr().out


def test_frames_per_second(monkeypatch, capsys):
  tiny = optical_flow.optical_flow(
    size=(24, 32), num_bands=2, num_latents=8, latent_channels=16, num_layers=1
  )
  monkeypatch.setattr(
    cases.Case, "model", lambda self, size, precision: perceiver.Model(tiny)
  )
  assert flow_rate.main(size=(20, 40), repeats=2) == 0
  printed = capsys.readouterr().out
  assert "2 × 32×24 for 40×20 pixels" in printed
  assert "frames per second" in printed


def test_milliseconds_per_element(capsys):
  sizes = {"context": 16, "num_latents": 8, "channels": 8, "num_layers": 1}
  assert decoding_rate.main(**sizes, num_elements=9, repeats=1) == 0
  printed = capsys.readouterr().out
  assert "by quarters of 9, with refills" in printed
  assert "times as long" in printed
