"""Nested latents that are made a few at a time."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import perceiver
from perceiver import compilation
from perceiver import encoder
from perceiver import flops
from perceiver import latent_sizes
from tests.helpers import nested_models
from tests.helpers import noise
from tests.helpers import tiny_points

_SIZES = nested_models.SIZES


def nested_model(config, reference=False, **settings):
  """Returns a model with nested latents, and its variables and inputs."""
  config = nested_models.model_of(config, nested_sizes=_SIZES, **settings)
  model = perceiver.Model(config, reference=reference)
  return model, noise.variables(model), nested_models.examples_of(model)


def arranged(num_blocks, attends, arrangement, share_weights):
  """Returns a classifier with other cross-attends."""
  config = nested_models.CONFIGS["images"]
  network = config.perceiver
  changed = dataclasses.replace(
    network,
    encoder=dataclasses.replace(
      network.encoder, num_cross_attends=attends, arrangement=arrangement
    ),
    processor=dataclasses.replace(
      network.processor, num_blocks=num_blocks, num_self_attends_per_block=2
    ),
    share_weights=share_weights,
  )
  return dataclasses.replace(config, perceiver=changed)


def check_growth(model, variables, inputs, **options):
  expected = model.encode(variables, *inputs, **options)
  grown = None
  for size in (1, 5, 8):
    grown = model.grow(variables, grown, *inputs, num_latents=size, **options)
    np.testing.assert_allclose(
      grown.latents, expected[:, :size], rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("domain", nested_models.CONFIGS)
def test_grown_latents_are_those_of_one_pass(domain):
  check_growth(*nested_model(nested_models.CONFIGS[domain]))


@pytest.mark.parametrize(
  "arrangement",
  [
    (1, 1, encoder.Arrangement.INTERLEAVED, True),
    (4, 2, encoder.Arrangement.INTERLEAVED, True),
    (3, 2, encoder.Arrangement.INTERLEAVED, True),
    (3, 2, encoder.Arrangement.AT_START, True),
    (2, 2, encoder.Arrangement.INTERLEAVED, False),
  ],
  ids=["one", "even", "uneven", "start", "unshared"],
)
@pytest.mark.parametrize("reference", [False, True])
def test_cross_attends_anywhere(arrangement, reference):
  widths = {"qk_channels": 16, "v_channels": 4}
  check_growth(*nested_model(arranged(*arrangement), reference, **widths))


def test_masked_inputs_stay_masked():
  model, variables, inputs = nested_model(nested_models.CONFIGS["points"])
  mask = np.arange(inputs[0].shape[1]) < 5
  check_growth(model, variables, inputs, mask=np.stack([mask, ~mask]))


def test_bfloat16():
  model, variables, inputs = nested_model(nested_models.CONFIGS["images"])
  half = perceiver.Model(
    dataclasses.replace(model.config, precision=perceiver.Precision.BFLOAT16)
  )
  expected = model.encode(variables, *inputs)
  grown = half.grow(variables, None, *inputs, num_latents=2)
  grown = half.grow(variables, grown, *inputs, num_latents=8)
  assert {x.dtype for x in grown} == {jnp.dtype(jnp.bfloat16)}
  error = np.abs(grown.latents - expected).max()
  whole = half.encode(variables, *inputs)
  assert error <= 2 * np.abs(whole - expected).max()


def test_outputs_are_decoded():
  model, variables, inputs = nested_model(nested_models.CONFIGS["images"])
  grown = model.grow(variables, None, *inputs, num_latents=2)
  found = model.decode(variables, grown.latents)
  expected = model.apply(variables, *inputs, num_latents=2)
  np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_held_latents_cost_no_projection_again():
  """Only what a pass does with its inputs alone is done in every step."""
  model, variables, inputs = nested_model(nested_models.CONFIGS["images"])

  def operations(grown, size):
    config = latent_sizes.with_first(model.config, size)
    module = compilation.transformed(config, "grow", True)
    params = jax.tree.map(
      jnp.asarray, latent_sizes.first(variables.params, size)
    )
    run = lambda *xs: module.apply(params, {}, None, False, *xs)[0]
    return flops.count(run, grown, *inputs), jax.eval_shape(run, grown, *inputs)

  counts, grown = [], None
  for size in _SIZES:
    count, grown = operations(grown, size)
    counts.append(count)
  inputs_alone = sum(counts[:2]) - operations(None, _SIZES[1])[0]
  assert 0 < inputs_alone < counts[0]
  repeated = (len(_SIZES) - 1) * inputs_alone
  assert sum(counts) - repeated == operations(None, _SIZES[-1])[0]


def test_latents_that_depend_on_all_do_not_grow():
  config = nested_models.model_of(nested_models.CONFIGS["images"])
  model = perceiver.Model(config)
  with pytest.raises(ValueError, match="has no nested latents; expected"):
    model.grow(model.shapes(), None, num_latents=2)
  with pytest.raises(ValueError, match="PointNetConfig has no nested latents"):
    perceiver.create(tiny_points.point_net()).grow(model.shapes(), None)


def test_sizes_that_are_there_already_are_refused():
  model, variables, inputs = nested_model(nested_models.CONFIGS["images"])
  grown = model.grow(variables, None, *inputs, num_latents=5)
  for size in (2, 5):
    with pytest.raises(ValueError, match=r"5 latents are to grow to .*\(1,"):
      model.grow(variables, grown, *inputs, num_latents=size)
  with pytest.raises(ValueError, match="num_latents is 3; expected one of"):
    model.grow(variables, None, *inputs, num_latents=3)
