"""Laws of policies, for both encoders."""

import dataclasses

import chex
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.starcraft import comparison
from experiments.starcraft import configs
from experiments.starcraft import entities as starcraft_entities
from experiments.starcraft import model as starcraft_model
from experiments.starcraft import objective
import perceiver
from perceiver.models import starcraft
from tests.helpers import tiny_battles

SLOTS, CHANNELS = tiny_battles.SLOTS, starcraft_entities.NUM_CHANNELS
ENCODERS = {
  "perceiver": tiny_battles.PERCEIVER,
  "transformer": tiny_battles.TRANSFORMER,
}


@pytest.fixture(scope="module", params=ENCODERS)
def model(request):
  return perceiver.create(tiny_battles.policy_config(ENCODERS[request.param]))


@pytest.fixture(scope="module")
def variables(model):
  # Biases start at zero, where they could hide a mistake. Weights stay as they
  # are: with noise in them too, logits reach 14, and half a unit in the last
  # place of inputs and parameters alone moves them by 1.3e-5, in float64 too.
  params, state = model.init(jax.random.key(0))
  leaves, tree = jax.tree.flatten(params)
  keys = jax.random.split(jax.random.key(1), len(leaves))
  noise = lambda x, key: 0.1 * jax.random.normal(key, x.shape) * (x.ndim < 2)
  moved = [x + noise(x, key) for x, key in zip(leaves, keys)]
  return perceiver.Variables(jax.tree.unflatten(tree, moved), state)


@pytest.fixture(scope="module")
def entities():
  return jax.random.normal(jax.random.key(2), (3, SLOTS, CHANNELS))


@pytest.fixture(scope="module")
def mask():
  """A full battlefield, one with free slots, and an empty one."""
  return jnp.arange(SLOTS) < jnp.array([SLOTS, 5, 0])[:, None]


@pytest.fixture(scope="module")
def decisions(model, variables, entities, mask):
  return model.apply(variables, entities, mask=mask)


def assert_same(found, expected):
  chex.assert_trees_all_close(found, expected, atol=1e-5)


def test_shapes(decisions):
  assert decisions.action_kinds.shape == (3, SLOTS, 3)
  assert decisions.targets.shape == (3, SLOTS, SLOTS)
  assert decisions.winning.shape == (3,)
  assert all(x.dtype == jnp.float32 for x in decisions)
  assert all(np.isfinite(x).all() for x in decisions)


@pytest.mark.parametrize("value", [7.0, np.nan])
def test_values_of_free_slots_change_nothing(
  model, variables, entities, mask, decisions, value
):
  filled = jnp.where(mask[..., None], entities, value)
  assert_same(model.apply(variables, filled, mask=mask), decisions)


def test_more_free_slots_change_nothing(model, variables, entities, mask):
  encoding = model.config.encoder
  size = dataclasses.replace(encoding.entities, num_slots=SLOTS + 4)
  wider = dataclasses.replace(
    model.config, encoder=dataclasses.replace(encoding, entities=size)
  )
  padded = jnp.pad(entities, [(0, 0), (0, 4), (0, 0)])
  found = perceiver.create(wider).apply(
    variables, padded, mask=jnp.pad(mask, [(0, 0), (0, 4)])
  )
  expected = model.apply(variables, entities, mask=mask)
  used, targets = mask[..., None], mask[..., None] & mask[:, None]
  masked = lambda x: (
    jnp.where(used, x.action_kinds[:, :SLOTS], 0),
    jnp.where(targets, x.targets[:, :SLOTS, :SLOTS], 0),
    x.winning,
  )
  assert_same(masked(found), masked(expected))


def test_free_slots_are_no_targets(decisions):
  chances = jax.nn.softmax(decisions.targets[1], axis=-1)  # [M, M]
  assert np.all(chances[:, 5:] == 0)
  assert np.all(chances[:, :5] > 0)


def test_free_slots_do_not_spoil_gradients(model, variables, entities, mask):
  filled = jnp.where(mask[..., None], entities, jnp.nan)

  @jax.jit
  def objective_of(params):
    found = model.apply(
      perceiver.Variables(params, variables.state), filled, mask=mask
    )
    chances = jax.nn.log_softmax(found.targets)[0]
    return found.action_kinds.sum() + found.winning.sum() + chances.sum()

  gradient = jax.grad(objective_of)(variables.params)
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(gradient))


def test_decisions_permute_with_the_entities(
  model, variables, entities, mask, decisions
):
  order = jax.random.permutation(jax.random.key(3), SLOTS)
  found = model.apply(variables, entities[:, order], mask=mask[:, order])
  expected = starcraft_model.Decisions(
    decisions.action_kinds[:, order],
    decisions.targets[:, order][:, :, order],
    decisions.winning,
  )
  assert_same(found, expected)


def test_actions_depend_on_all_entities(model, variables, entities, mask):
  change = jax.grad(
    lambda x: model.apply(variables, x, mask=mask).action_kinds[1, 0, 0]
  )(entities)
  assert np.all(np.abs(change[1, :5]).sum(-1) > 0)
  assert np.all(change[1, 5:] == 0)
  assert np.all(change[jnp.array([0, 2])] == 0)


def test_decode_of_encode_equals_apply(
  model, variables, entities, mask, decisions
):
  latents = model.encode(variables, entities, mask=mask)
  assert_same(model.decode(variables, latents, entities, mask=mask), decisions)
  reference = perceiver.Model(model.config, reference=True)
  assert_same(reference.apply(variables, entities, mask=mask), decisions)


def test_attention_maps(model, variables, entities, mask):
  if isinstance(
    model.config.encoder.encoder, starcraft.EntityTransformerConfig
  ):
    with pytest.raises(ValueError, match="no latents"):
      model.attention_map(variables, entities, mask=mask)
    return
  maps = model.attention_map(variables, entities, mask=mask)
  assert maps.shape == (3, 1, 3, SLOTS)
  np.testing.assert_allclose(maps[:2].sum(-1), 1, atol=1e-5)
  assert np.all(maps[1, ..., 5:] == 0)


def test_other_entities_are_refused(model, variables, entities):
  with pytest.raises(ValueError, match=rf"\[batch, {SLOTS}, {CHANNELS}\]"):
    model.apply(variables, entities[..., 1:])
  for name in ("pointer_channels", "message_channels"):
    with pytest.raises(ValueError, match=f"{name} is 0"):
      dataclasses.replace(model.config, **{name: 0})


def test_gradients_of_the_head_are_not_zero(model, variables, entities, mask):
  def size_of(params):
    found = model.apply(
      perceiver.Variables(params, variables.state), entities, mask=mask
    )
    targets = jnp.where(mask[:, None], found.targets, 0)
    return sum(jnp.sum(x**2) for x in (*found[::2], targets))

  gradient = jax.jit(jax.grad(size_of))(variables.params)
  still = [
    f"{module}/{name}"
    for module, group in gradient.items()
    for name, x in group.items()
    if "entity_encoder" not in module and not np.any(x)
  ]
  assert not still


@pytest.fixture(scope="module")
def communicate(model):
  """Exchanges messages of six entities, two of them equal."""

  def run(each, target):
    policy = model.config.network()
    return policy._communicate(
      each, jax.nn.one_hot(target, each.shape[1]), None
    )

  function = hk.without_apply_rng(hk.transform(run))
  each = jax.random.normal(jax.random.key(7), (1, 6, 16))
  each = each.at[0, 1].set(each[0, 0])
  params = function.init(jax.random.key(8), each, jnp.zeros((1, 6), int))
  return lambda target, change=0.0: function.apply(
    params, each.at[0, 0].add(change), jnp.array([target])
  )[0]


def test_messages_reach_entities_of_the_same_target_alone(communicate):
  """The first two aim at the fourth; all three receive messages."""
  target = [3, 3, 4, 5, 5, 5]
  difference = np.abs(
    communicate(target, change=1.0) - communicate(target)
  ).sum(-1)
  np.testing.assert_array_equal(
    difference > 1e-5, [True, True, False, True, False, False]
  )


def test_messages_grow_with_their_number(communicate):
  both, alone = communicate([3, 3, 4, 5, 5, 5]), communicate([3, 5, 4, 5, 5, 5])
  assert np.abs(both[0] - alone[0]).max() > 1e-3
  np.testing.assert_allclose(both[2], alone[2], atol=1e-6)


def test_actions_are_the_likeliest():
  decisions = starcraft_model.Decisions(
    action_kinds=jnp.array([[[9.0, 1, 2], [0, 0, 1]]]),
    targets=jnp.array([[[0.0, 1], [2, 3]]]),
    winning=jnp.zeros(1),
  )
  assert tiny_battles.action_names(objective.to_actions(decisions)) == [
    "hold",
    1,
  ]


@pytest.mark.parametrize("recipe", ["mini", "perceiver_io_32"])
def test_a_perceiver_io_takes_fewer_operations(recipe):
  """At 512 entities, with and without the head; published: 3.5 times."""
  small = configs.MINI if recipe == "mini" else configs.EXPERIMENTS[recipe]
  other = {"mini": "mini_transformer", "perceiver_io_32": "transformer"}[recipe]
  encoders, policies, trained = [], [], []
  for experiment in (small, configs.EXPERIMENTS[other]):
    policy = comparison.at_full_size(experiment.model)
    encoder, whole = (
      perceiver.create(config).num_flops(reference=True)
      for config in (policy.encoder, policy)
    )
    encoders.append(encoder)
    policies.append(whole)
    trained.append(whole * experiment.train.steps)
  assert encoders[1] >= 3.4 * encoders[0]
  assert policies[1] >= 2.5 * policies[0]
  assert trained[1] >= 1.6 * trained[0]
