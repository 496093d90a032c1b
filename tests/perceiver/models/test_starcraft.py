"""Sizes and laws of the entity encoders (2107.14795 §4.4, appendix F)."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import perceiver
from perceiver import decoder
from perceiver.adapters import entities as adapters_entities
from perceiver.models import starcraft
from tests.helpers import tiny_networks

# Name: (parameters, GFLOPs). Published are 3.3 and 0.93 GFLOPs.
TABLE = {
  "starcraft": (9_552_256, 0.947),
  "starcraft_64": (9_572_736, 1.609),
  "starcraft_transformer": (2_369_280 + 131_584, 3.288),
}

ENCODERS = {
  "transformer": (
    None,
    starcraft.EntityTransformerConfig(channels=6, num_layers=2, num_heads=2),
  ),
  "perceiver": (
    4,
    tiny_networks.network_config(
      4,
      decoder.DecoderConfig(query_channels=4, output_channels=None),
      num_latents=3,
      num_layers=2,
    ),
  ),
}


@pytest.fixture(scope="module", params=ENCODERS)
def model(request):
  embedding, encoding = ENCODERS[request.param]
  return perceiver.create(
    starcraft.EntityEncoderConfig(
      entities=adapters_entities.EntityInputConfig(
        num_slots=9, channels=6, embedding_channels=embedding
      ),
      encoder=encoding,
      output_channels=5,
    )
  )


@pytest.fixture(scope="module")
def variables(model):
  # Biases start at zero, where they could hide a mistake.
  params, state = model.init(jax.random.key(0))
  key = jax.random.key(1)
  return perceiver.Variables(
    jax.tree.map(lambda x: x + 0.1 * jax.random.normal(key, x.shape), params),
    state,
  )


@pytest.fixture(scope="module")
def entities():
  return jax.random.normal(jax.random.key(2), (3, 9, 6))


@pytest.fixture(scope="module")
def mask():
  used = jnp.array([9, 4, 0])
  return jnp.arange(9) < used[:, None]


@pytest.fixture(scope="module")
def outputs(model, variables, entities, mask):
  return model.apply(variables, entities, mask)


def assert_same(found, expected):
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, atol=1e-5), found, expected
  )


def test_table_is_complete():
  assert set(TABLE) == set(starcraft.CONFIGS)
  assert set(TABLE) <= set(perceiver.list_models())


@pytest.mark.parametrize("name", TABLE)
def test_parameters_and_operations(name):
  parameters, gflops = TABLE[name]
  model = perceiver.create(name)
  assert model.num_parameters() == parameters
  assert model.num_flops(reference=True) / 1e9 == pytest.approx(
    gflops, rel=1e-3
  )
  assert model.num_flops() <= model.num_flops(reference=True)


def test_operations_are_near_the_published_ones():
  published = {"starcraft": 0.93, "starcraft_transformer": 3.3}
  for name, gflops in published.items():
    found = perceiver.create(name).num_flops(reference=True) / 1e9
    assert found == pytest.approx(gflops, rel=0.02)


def test_shapes(outputs):
  each, summary = outputs
  assert each.shape == (3, 9, 5)
  assert summary.shape == (3, 5)
  assert np.all(summary >= 0)


def test_unused_slots_give_zeros_and_change_nothing(
  model, variables, entities, mask, outputs
):
  assert np.all(np.where(mask[..., None], 0, outputs[0]) == 0)
  assert np.all(np.abs(outputs[0][0]).max(axis=-1) > 0)
  for rubbish in (7.0, jnp.nan):
    filled = jnp.where(mask[..., None], entities, rubbish)
    assert_same(model.apply(variables, filled, mask), outputs)
  # Which slots entities stand in does not matter either.
  rolled = [jnp.roll(x, 2, axis=1) for x in (entities, mask)]
  each, summary = model.apply(variables, *rolled)
  assert_same((jnp.roll(each, -2, axis=1), summary), outputs)


def test_unused_slots_might_as_well_not_exist(
  model, variables, entities, outputs
):
  slots = dataclasses.replace(model.config.entities, num_slots=4)
  small = perceiver.create(dataclasses.replace(model.config, entities=slots))
  each, summary = small.apply(variables, entities[1:2, :4])
  assert_same((each, summary), (outputs[0][1:2, :4], outputs[1][1:2]))


def test_empty_sets_are_finite(model, variables, entities, mask, outputs):
  assert not mask[2].any()
  assert np.isfinite(outputs[1]).all()

  def objective(params):
    each, summary = model.apply(
      perceiver.Variables(params, variables.state), entities, mask
    )
    return jnp.sum(each**2) + jnp.sum(summary**2)

  gradient = jax.jit(jax.grad(objective))(variables.params)
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(gradient))


def test_permuting_entities_permutes_outputs(model, variables, entities):
  each, summary = model.apply(variables, entities)
  order = jax.random.permutation(jax.random.key(3), 9)
  found = model.apply(variables, entities[:, order])
  assert_same(found, (each[:, order], summary))
  # Entities know of one another.
  changed = model.apply(variables, entities.at[:, 0, 0].add(1.0))
  assert np.abs(changed[0] - each)[:, 1:].max() > 1e-4


def test_no_mask_is_a_full_mask(model, variables, entities):
  full = jnp.ones((3, 9), bool)
  assert_same(
    model.apply(variables, entities), model.apply(variables, entities, full)
  )


def test_encode_then_decode(model, variables, entities, mask, outputs):
  latents = model.encode(variables, entities, mask=mask)
  assert_same(model.decode(variables, latents, entities, mask=mask), outputs)
  reference = perceiver.Model(model.config, reference=True)
  assert_same(reference.apply(variables, entities, mask), outputs)


def test_bad_inputs_are_refused(model, variables, entities, mask):
  with pytest.raises(ValueError, match=r"\[batch, 9, 6\]"):
    model.apply(variables, entities[:, :8])
  with pytest.raises(ValueError, match=r"mask has shape \(3, 8\)"):
    model.apply(variables, entities, mask[:, :8])
  with pytest.raises(TypeError, match="mask has dtype float32"):
    model.apply(variables, entities, mask.astype(jnp.float32))
  with pytest.raises(ValueError, match="expected 7, the channels"):
    dataclasses.replace(
      model.config,
      entities=adapters_entities.EntityInputConfig(num_slots=9, channels=7),
    )


def test_attention_map_needs_latents(model, variables, entities, mask):
  if isinstance(model.config.encoder, starcraft.EntityTransformerConfig):
    with pytest.raises(ValueError, match="no latents"):
      model.attention_map(variables, entities)
    return
  found = model.attention_map(variables, entities, mask=mask)
  assert np.all(jnp.where(mask[:, None, None], 0, found) == 0)
