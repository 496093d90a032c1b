"""The command that compiles for hardware that is not here."""

import dataclasses

import jax

from experiments import preflight as command
from experiments.hardware import accelerators
from experiments.hardware import preflight
from tests.helpers import tiny_runs

TINY = "tests.helpers.recipes.sums"


def test_hardware_is_listed(capsys):
  assert command.main(["--on", "list"]) == 0
  lines = capsys.readouterr().out.splitlines()
  assert len(lines) == len(accelerators.names())
  assert any(
    line.startswith("tpu-v5e-64: chips 64, devices 64") for line in lines
  )


def test_unknown_hardware_makes_no_sense(capsys):
  assert command.main([TINY, "--mini", "--on", "tpu-v5e-63"]) == 2
  assert "there is no hardware 'tpu-v5e-63'" in capsys.readouterr().err


def page(memory):
  found = preflight.check(
    tiny_runs.experiment(),
    dataclasses.replace(accelerators.find("tpu-v5e-1"), memory=memory),
    "tiny",
    devices=jax.devices()[:1],
  )
  training = dataclasses.replace(
    found.training, cycles=3_005_981_446, collectives={"all-reduce": (2, 10**6)}
  )
  return dataclasses.replace(found, training=training)


def test_a_page_says_what_fits_and_how_long():
  text = "\n".join(
    command.describe(page(10**10), tiny_runs.experiment(), rate=4.0)
  )
  assert "3,006 M cycles, 2,000 ms at 1.50 GHz" in text
  assert "2 all-reduce, 1.0 MB in all" in text
  assert f"{tiny_runs.STEPS} steps: 0.0 days" in text
  assert "input pipeline: 4 examples/s" in text
  assert text.endswith("\nfits")


def test_a_page_says_what_to_do_where_it_does_not_fit():
  lines = command.describe(page(1), tiny_runs.experiment(), rate=None)
  assert lines[-1].startswith("does not fit: --fit tries")
