"""Steps compiled for this machine's devices in another's place."""

import dataclasses

import jax
from jax.experimental.compilation_cache import compilation_cache
import numpy as np
import pytest

from experiments.cli import registry
from experiments.hardware import accelerators
from experiments.hardware import fitting
from experiments.hardware import preflight
from experiments.training import tasks
from perceiver import rematerialisation
from tests.helpers import tiny_runs

TPU = accelerators.find("tpu-v5e-1")


def check(experiment, accelerator=TPU, cache=None):
  return preflight.check(
    experiment, accelerator, "tiny plain", cache, jax.devices()[:1]
  )


def test_both_steps_are_compiled_and_remembered(tmp_path):
  experiment = tiny_runs.experiment()
  page = check(experiment, cache=tmp_path)
  assert page.fits()
  assert page.num_steps == tiny_runs.STEPS
  assert page.training.arguments > 0
  assert page.training.memory > page.training.arguments
  assert page.evaluation.memory < page.training.memory
  assert page.flops > 0
  assert len(list(tmp_path.iterdir())) == 2
  again = check(experiment, cache=tmp_path)
  assert again == page  # the seconds of compiling included
  other = tiny_runs.experiment(batch_size=2 * experiment.train.batch_size)
  check(other, cache=tmp_path)
  assert len(list(tmp_path.iterdir())) > 2


def test_jax_caches_none_of_the_programs(tmp_path):
  """It would load them onto devices that are not here; others it caches."""
  lowered = jax.jit(lambda x: x + 1).lower(1.0)
  other = jax.jit(lambda x: x + 2).lower(1.0)
  settings = {
    "jax_compilation_cache_dir": str(tmp_path),
    "jax_persistent_cache_min_compile_time_secs": 0.0,
  }
  before = {name: getattr(jax.config, name) for name in settings}
  try:
    for name, value in settings.items():
      jax.config.update(name, value)
    compilation_cache.reset_cache()
    preflight._compile(lowered, accelerator=TPU, cache=None)
    assert not list(tmp_path.iterdir())
    other.compile()
    assert list(tmp_path.iterdir())
  finally:
    for name, value in before.items():
      jax.config.update(name, value)
    compilation_cache.reset_cache()


def test_too_little_memory_does_not_fit():
  page = check(tiny_runs.experiment())
  smaller = dataclasses.replace(TPU, memory=page.training.memory - 1)
  assert page.fits()
  assert not dataclasses.replace(page, accelerator=smaller).fits()


def test_an_undivided_batch_is_refused():
  with pytest.raises(ValueError, match=r"batch_size=.* in 5 parts"):
    check(tiny_runs.experiment(accumulate=5))


def fake_check(memory_of, milliseconds_of):
  """Returns a `check` of invented accounts, and the candidates it was given."""
  tried = []

  def check(experiment, accelerator, name, cache):
    config = experiment.train
    key = (
      config.accumulate,
      config.parallel.fsdp,
      preflight.remat(experiment.model),
    )
    tried.append(key)
    program = preflight.Compiled(
      arguments=100,
      temporaries=memory_of(*key),
      cycles=int(milliseconds_of(*key) * accelerator.clock / 1e3),
    )
    return preflight.Page(
      recipe=name,
      accelerator=accelerator,
      batch_size=config.batch_size,
      accumulate=key[0],
      fsdp=key[1],
      remat=key[2],
      num_steps=None,
      flops=0.0,
      training=program,
      evaluation=None,
    )

  return check, tried


def test_fitting_takes_the_fastest_that_fits():
  experiment = registry.choose("digits", None, mini=True).experiment
  accelerator = dataclasses.replace(TPU, memory=1100)
  check, tried = fake_check(
    lambda parts, fsdp, remat: 4000 // parts, lambda parts, *_: 10 + parts
  )
  page = fitting.fit(experiment, accelerator, "digits mini", check=check)
  assert page.accumulate == 4
  assert page.fits()
  assert tried[0] == (1, 1, "all")
  assert 2 < len(tried) <= fitting.MAX_CANDIDATES
  assert fitting.options(page, experiment) == "--train.accumulate 4"


def test_fitting_computes_less_again_where_there_is_room():
  experiment = registry.choose("digits", None, mini=True).experiment
  check, _ = fake_check(
    lambda *_: 10, lambda parts, fsdp, remat: {"nothing": 5}.get(remat, 9)
  )
  page = fitting.fit(experiment, TPU, "digits mini", check=check)
  assert page.remat == "nothing"
  assert fitting.options(page, experiment).endswith("remat nothing")


def test_nothing_fits_is_the_page_of_least_memory():
  experiment = registry.choose("digits", None, mini=True).experiment
  check, tried = fake_check(lambda parts, *_: 10**12 // parts, lambda *_: 1)
  page = fitting.fit(experiment, TPU, "digits mini", check=check)
  assert not page.fits()
  assert page.accumulate == max(parts for parts, *_ in tried) > 1


def test_rematerialisation_is_set_everywhere():
  model = registry.choose("digits", None, mini=True).experiment.model
  changed = preflight.with_remat(model, rematerialisation.Remat.NOTHING)
  assert preflight.remat(changed) == "nothing"
  back = preflight.with_remat(
    changed, rematerialisation.Remat(preflight.remat(model))
  )
  assert back == model


@pytest.mark.parametrize("name", registry.names())
def test_shapes_without_data_are_those_of_the_data(name):
  experiment = registry.choose(name, None, mini=True).experiment
  task = experiment.task()
  known = tasks.batched(task.example_shapes(), 2)
  real = tasks.batch_shapes(task.train_split(), 2)
  kinds = lambda shapes: {
    name: (x.shape, jax.dtypes.canonicalize_dtype(x.dtype))
    for name, x in shapes.items()
  }
  assert kinds(known) == kinds(real)


@pytest.mark.parametrize("name", registry.names())
def test_recipes_need_no_data_for_their_shapes(name):
  for choice in registry.choices(name):
    shapes = tasks.batched(choice.experiment.task().example_shapes(), 3)
    assert shapes["weight"].dtype == np.float32, choice.recipe
    assert all(x.shape[0] == 3 for x in shapes.values()), choice.recipe
