"""Models of series: laws, programs, files and impossible configurations."""

import dataclasses

import jax
from jax import export
import numpy as np
import pytest

import perceiver
from tests.helpers import fill
from tests.helpers.recipes import series

CLASSIFIER = series.MINI.model
REGRESSOR = series.EXPERIMENTS["interpolation"].model
LENGTH = 20
VALUES = fill.array((2, LENGTH, 2), "values")
# Their differences are exact.
TIMES = np.round(64 * np.abs(fill.array((2, LENGTH), "times"))) / 8
QUERIES = np.round(64 * np.abs(fill.array((2, 3), "queries"))) / 8
EXAMPLES = {"values": VALUES, "times": TIMES.astype(np.float32)}


@pytest.fixture(scope="module", params=[CLASSIFIER, REGRESSOR])
def model(request):
  model = perceiver.create(request.param)
  return model, model.init(jax.random.key(0))


def queries_of(model, queries=QUERIES):
  """Returns the further arguments of a model of either kind."""
  is_classifier = isinstance(model.config, type(CLASSIFIER))
  return () if is_classifier else (queries.astype(np.float32),)


def apply(model, examples, queries=QUERIES, **options):
  model, variables = model
  more = queries_of(model, queries)
  return np.asarray(model.apply(variables, examples, *more, **options))


def test_only_differences_of_times_count(model):
  found = apply(model, EXAMPLES)
  later = {**EXAMPLES, "times": EXAMPLES["times"] + 4096}
  shifted = apply(model, later, QUERIES + 4096)
  np.testing.assert_allclose(shifted, found, atol=1e-5)
  slower = {**EXAMPLES, "times": 2 * EXAMPLES["times"]}
  assert np.abs(apply(model, slower) - found).max() > 1e-3


def test_order_and_missing_values_change_nothing(model):
  found = apply(model, EXAMPLES)
  turned = {name: array[:, ::-1] for name, array in EXAMPLES.items()}
  np.testing.assert_allclose(apply(model, turned), found, atol=1e-5)
  more = {
    name: np.concatenate([array, np.full_like(array[:, :4], np.nan)], axis=1)
    for name, array in EXAMPLES.items()
  }
  mask = np.broadcast_to(np.arange(LENGTH + 4) < LENGTH, (2, LENGTH + 4))
  np.testing.assert_allclose(apply(model, more, mask=mask), found, atol=1e-5)


def test_latents_are_decoded_apart(model):
  found = apply(model, EXAMPLES)
  model, variables = model
  latents = model.encode(variables, EXAMPLES)
  times = model.config.latent_times(EXAMPLES["times"])
  decoded = model.decode(variables, latents, times, *queries_of(model))
  np.testing.assert_allclose(decoded, found, atol=1e-5)


def test_the_scale_of_values_is_that_of_the_configuration(model):
  found = apply(model, EXAMPLES)
  scale, mean = np.array([2.0, 0.5]), np.array([3.0, -1.0])
  config = dataclasses.replace(
    model[0].config, mean=tuple(mean), stddev=tuple(scale)
  )
  values = (VALUES * scale + mean).astype(np.float32)
  other = apply(
    (perceiver.create(config), model[1]), {**EXAMPLES, "values": values}
  )
  if queries_of(model[0]):
    found = found * scale + mean
  np.testing.assert_allclose(other, found, atol=1e-5)


def test_a_file_holds_the_model(model, tmp_path):
  perceiver.save(tmp_path / "model.safetensors", *model)
  again = perceiver.load(tmp_path / "model.safetensors")
  assert again[0].config == model[0].config
  np.testing.assert_array_equal(apply(again, EXAMPLES), apply(model, EXAMPLES))


def test_a_program_for_any_number_of_examples(model):
  """Also of a GPU and a TPU, which are not here."""
  exported = perceiver.export(*model)
  assert set(exported.platforms) == {"cpu", "cuda", "tpu"}
  (batch, *_), *_ = (x.shape for x in exported.out_avals)
  assert export.is_symbolic_dim(batch)


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"mean": (1.0,)}, "mean has 1 numbers; expected 2, one for each channel"),
    ({"stddev": (1.0, 0.0)}, r"stddev is \(1.0, 0.0\); expected"),
    ({"value_channels": 3}, "output_channels is 2; expected value_channels, 3"),
  ],
)
def test_impossible_configurations(changes, message):
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(REGRESSOR, **changes)


@pytest.mark.parametrize(
  ("examples", "error", "message"),
  [
    ({"values": VALUES[..., :1]}, ValueError, "Series: the array has shape"),
    ({"times": TIMES[:, 1:]}, ValueError, "Series times: the array has shape"),
    ({"times": TIMES > 1}, TypeError, "Series times: the array has dtype bool"),
  ],
)
def test_impossible_examples(examples, error, message):
  model = perceiver.create(CLASSIFIER)
  with pytest.raises(error, match=message):
    jax.eval_shape(model.apply, model.shapes(), {**EXAMPLES, **examples})
