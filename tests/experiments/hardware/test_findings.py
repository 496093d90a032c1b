"""What was found for hardware is what recipes do there."""

import jax
import pytest

from experiments.cli import registry
from experiments.hardware import accelerators
from experiments.hardware import findings
from experiments.hardware import preflight
from experiments.runs import folder as run_folder
from experiments.training import config as training_config

FOUND = {
  "fits": True,
  "accumulate": 4,
  "fsdp": 2,
  "remat": "nothing",
  "options": "--train.accumulate 4",
}


def digits():
  return registry.choose("digits", mini=True)


def test_a_recipe_is_computed_as_was_found():
  before = digits().experiment
  stored = {"h100-8": {"digits mini": FOUND}}
  after = findings.apply(before, "digits mini", "h100-8", stored)
  assert after.train.accumulate == 4
  assert after.train.parallel.fsdp == 2
  assert preflight.remat(after.model) == "nothing"
  assert after.train.batch_size == before.train.batch_size


@pytest.mark.parametrize(
  ("hardware", "recipe", "changes"),
  [
    ("h100-1", "digits mini", {}),
    (None, "digits mini", {}),
    ("h100-8", "digits fourier", {}),
    ("h100-8", "digits mini", {"fits": False}),
    ("h100-8", "digits mini", {"options": ""}),
  ],
)
def test_all_else_stays_the_recipe(hardware, recipe, changes):
  before = digits().experiment
  stored = {"h100-8": {"digits mini": FOUND | changes}}
  assert findings.apply(before, recipe, hardware, stored) == before


def test_a_run_takes_what_was_found_for_its_devices(monkeypatch, capsys):
  stored = {"h100-8": {"digits mini": FOUND}}
  monkeypatch.setattr(findings, "read", lambda: stored)
  assert registry.for_hardware(digits()) == digits()  # this machine is none
  monkeypatch.setattr(findings, "here", lambda: "h100-8")
  assert registry.for_hardware(digits()).experiment.train.accumulate == 4
  assert "--train.accumulate 4, as found for h100-8" in capsys.readouterr().err


@pytest.mark.parametrize(
  ("kind", "count", "name"),
  [
    ("TPU v5 lite", 64, "tpu-v5e-64"),
    ("TPU v4", 4, "tpu-v4-8"),
    ("TPU v3", 8, "tpu-v3-8"),
    ("TPU v3", 3, None),
    ("TPU v5", 4, "tpu-v5p-8"),
    ("NVIDIA H100 80GB HBM3", 8, "h100-8"),
    ("NVIDIA H100 80GB HBM3", 3, None),
    ("cpu", 4, None),
  ],
)
def test_devices_have_names(kind, count, name):
  assert accelerators.name_of(kind, count) == name


def test_this_machine_has_none():
  assert jax.devices()[0].platform == "cpu"
  assert findings.here() is None


def test_stored_findings_are_of_recipes_and_can_be_applied():
  stored = findings.read()
  for hardware, rows in stored.items():
    devices = accelerators.find(hardware).num_devices
    for name in rows:
      choice = registry.choose(*name.split())
      changed = findings.apply(choice.experiment, name, hardware, stored).train
      assert changed.batch_size == choice.experiment.train.batch_size
      shares = devices * changed.accumulate
      assert not changed.batch_size % shares or not rows[name]["fits"]


def test_a_run_may_go_on_where_something_else_was_found(tmp_path):
  choice = digits()
  found = {"h100-8": {"digits mini": FOUND}}
  changed = findings.apply(choice.experiment, "digits mini", "h100-8", found)
  for experiment in (choice.experiment, changed):
    config = run_folder.to_json(experiment)
    run_folder.claim(tmp_path, config, training_config.MAY_DIFFER)
  other = config.replace('"channels"', '"other"')
  with pytest.raises(run_folder.ConfigError):
    run_folder.claim(tmp_path, other, training_config.MAY_DIFFER)
