"""Matrix products are at least as precise as the configuration says."""

import re

import jax
import pytest

from experiments.hardware import accelerators
from experiments.hardware import preflight
from experiments.training import evaluation
from experiments.training import precision
from experiments.training import trainer
from tests.helpers import tiny_runs

PRECISIONS = {
  precision.MatmulPrecision.DEFAULT: set(),
  precision.MatmulPrecision.TENSORFLOAT32: {"HIGH"},
  precision.MatmulPrecision.FLOAT32: {"HIGHEST"},
}
FIELDS = {"training": "matmul_precision", "evaluation": "eval_matmul_precision"}


@pytest.fixture
def lowered(monkeypatch):
  """Collects the texts of what preflight would compile."""
  texts = []

  def compile_(program, **_):
    texts.append(program.as_text())
    return preflight.Compiled()

  monkeypatch.setattr(preflight, "_compile", compile_)
  return texts


def precisions(text):
  """Returns the precisions of all products but the device's own."""
  assert "stablehlo.dot_general" in text
  return {*re.findall(r"precision = \[(\w+), \w+\]", text)} - {"DEFAULT"}


@pytest.mark.parametrize("chosen", PRECISIONS)
@pytest.mark.parametrize("part", ["training", "evaluation"])
def test_steps_are_lowered_with_it(lowered, chosen, part):
  default = precision.MatmulPrecision.DEFAULT
  settings = {"matmul_precision": default, "eval_matmul_precision": default}
  settings[FIELDS[part]] = chosen
  experiment = tiny_runs.experiment(**settings)
  tpu = accelerators.find("tpu-v5e-1")
  preflight.check(experiment, tpu, "tiny", None, jax.devices()[:1])
  found = dict(zip(("training", "evaluation"), lowered, strict=True))
  assert precisions(found.pop(part)) == PRECISIONS[chosen]
  (rest,) = found.values()
  assert precisions(rest) == set()


@pytest.mark.parametrize("chosen", PRECISIONS)
def test_a_run_traces_with_it(tmp_path, monkeypatch, chosen):
  """Each part of a run is traced within its own context."""
  task, seen = tiny_runs.experiment().task(), set()
  kind = type(task)
  losses = kind.losses

  def noting(self, *args, is_training, **kwargs):
    seen.add((is_training, jax.config.jax_default_matmul_precision))
    return losses(self, *args, is_training=is_training, **kwargs)

  monkeypatch.setattr(kind, "losses", noting)
  trainer.train(
    tiny_runs.experiment(eval_every=None, matmul_precision=chosen),
    tmp_path,
  )
  own = None if chosen.value == "default" else chosen.value
  # Shapes of the first state are found without.
  assert seen == {(True, None), (True, own), (False, "tensorfloat32")}


def test_evaluators_of_their_own_trace_with_it():
  seen = []

  class Task:
    def make_evaluator(self):
      return lambda variables, watch: seen.append(
        jax.config.jax_default_matmul_precision
      )

  config = tiny_runs.experiment().train
  evaluate = evaluation.make(Task(), None, config)
  with pytest.raises(AttributeError):  # It returns no evaluation.
    evaluate(None)
  assert seen == ["tensorfloat32"]
  assert jax.config.jax_default_matmul_precision is None


def test_predictions(monkeypatch):
  monkeypatch.delenv("JAX_DEFAULT_MATMUL_PRECISION", raising=False)
  with precision.of_predictions():
    assert jax.config.jax_default_matmul_precision == "tensorfloat32"
  monkeypatch.setenv("JAX_DEFAULT_MATMUL_PRECISION", "default")
  with precision.of_predictions():
    assert jax.config.jax_default_matmul_precision is None
