"""First states of battles, and the entities made of them."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.starcraft import entities
from experiments.starcraft.game import scenarios
from experiments.starcraft.game import units
from tests.helpers.tiny_battles import battle
from tests.helpers.tiny_battles import unit


def config(**changes):
  settings = {"num_slots": 9, "min_units": 0, "max_units": 4, **changes}
  return scenarios.ScenarioConfig(**settings)


sample = jax.jit(scenarios.sample, static_argnums=(1, 2))


def sampled(seed=0, **changes):
  """Returns the first states of 256 battles as NumPy arrays."""
  state = sample(jax.random.key(seed), 256, config(**changes))
  return jax.tree.map(np.asarray, state)


def test_armies_have_all_sizes_and_their_own_slots():
  state = sampled()
  alive = state.health > 0
  sizes = np.stack([alive[:, :4].sum(1), alive[:, 4:].sum(1)])
  assert [set(row.tolist()) for row in sizes] == [{0, 1, 2, 3, 4}] * 2
  assert not alive[:, 8].any()
  assert np.all(state.owner[:, :8] == [0] * 4 + [1] * 4)


def test_units_are_within_their_bounds():
  state = sampled()
  assert set(state.kind[state.health > 0].tolist()) == {0, 1, 2, 3}
  full = np.array([kind.health for kind in units.KINDS])[state.kind]
  share = (state.health / full)[state.health > 0]
  assert share.min() >= 0.5
  assert share.max() <= 1
  assert np.abs(state.position).max() <= units.FIELD
  assert not state.cooldown.any()


def test_armies_stand_apart():
  """Their edges are 8 lengths apart if every army fills its circle."""
  state = sampled(min_units=4)
  offsets = state.position[:, :4, None] - state.position[:, None, 4:8]
  assert np.linalg.norm(offsets, axis=-1).min() > 5
  middles = [state.position[:, p].mean(1) for p in (slice(4), slice(4, 8))]
  # The direction from one to the other is uniform.
  angles = np.arctan2(*(middles[1] - middles[0]).T)
  assert np.histogram(angles, 4, (-np.pi, np.pi))[0].min() > 32


def test_even_armies_are_rotated_copies():
  state = sampled(even=True, min_units=1)
  np.testing.assert_array_equal(state.kind[:, :4], state.kind[:, 4:8])
  np.testing.assert_array_equal(state.health[:, :4], state.health[:, 4:8])
  np.testing.assert_allclose(
    state.position[:, :4], -state.position[:, 4:8], atol=1e-4
  )


def test_a_full_and_an_empty_field():
  assert np.all(sampled(num_slots=8, min_units=4).health > 0)
  assert not sampled(max_units=0).health.any()


def test_samples_depend_on_the_key_alone():
  chex.assert_trees_all_equal(sampled(seed=3), sampled(seed=3))
  assert np.any(sampled(seed=3).health != sampled(seed=4).health)


@pytest.mark.parametrize("changes", [{"min_units": 5}, {"max_units": 5}])
def test_armies_must_fit(changes):
  with pytest.raises(ValueError, match="expected 0 <= min_units <= max_units"):
    config(**changes)


def test_entities():
  first = unit("archer", 1, 10, -20, health=7, cooldown=3)
  state = battle(first, unit("giant", 0, 0), free=1)
  found, mask = entities.encode(state)
  assert found.shape == (1, 3, entities.NUM_CHANNELS)
  assert found.dtype == jnp.float32
  assert mask.tolist() == [[True, True, False]]
  # Side, health over that of its kind, over the largest of all, cooldown,
  # ready; kind; position: they are √500 lengths apart on the first axis.
  half = np.sqrt(500) / 2 / units.FIELD
  archer = [-1, 0.2, 0.035, 0.75, 0, 0, 0, 1, 0, half, 0]
  np.testing.assert_allclose(found[0, 0, :11], archer, atol=1e-6)
  giant = [1, 1, 1, 0, 1, 0, 0, 0, 1, -half, 0]
  np.testing.assert_allclose(found[0, 1, :11], giant, atol=1e-6)


def test_positions_are_those_of_one_army():
  state = battle(unit("archer", 1, 10, 3), unit("giant", 0, 0))
  found = [entities.encode(state, side)[0] for side in (0, 1)]
  np.testing.assert_array_equal(found[0][..., 0], -found[1][..., 0])
  np.testing.assert_array_equal(found[0][..., 1:9], found[1][..., 1:9])
  positions = [entities.army_positions(state, side) for side in (0, 1)]
  np.testing.assert_allclose(positions[0], -positions[1], atol=1e-5)
  assert np.all(positions[0][0, :, 0] * np.array([1, -1]) > 5)


@pytest.fixture(scope="module")
def several():
  return sample(jax.random.key(5), 8, config(min_units=2))


def test_positions_do_not_depend_on_translation_and_rotation(several):
  """Free slots do not count."""
  angle = jnp.linspace(0, 6, 8)[:, None]
  x, y = jnp.moveaxis(several.position, -1, 0)
  turned = jnp.stack(
    [
      x * jnp.cos(angle) - y * jnp.sin(angle) + 7,
      x * jnp.sin(angle) + y * jnp.cos(angle) - 3,
    ],
    axis=-1,
  )
  moved = jnp.where(units.living(several)[..., None], turned, 1e6)
  alive = units.living(several)
  for side in (0, 1):
    found = entities.army_positions(several, side)
    other = entities.army_positions(several._replace(position=moved), side)
    np.testing.assert_allclose(found[alive], other[alive], atol=1e-4)


def test_coordinates_of_an_army_keep_distances(several):
  found = several._replace(position=entities.army_positions(several))
  np.testing.assert_allclose(
    units.distances(found), units.distances(several), atol=1e-4
  )


def test_armies_with_equal_centres_keep_the_axes():
  sides, xs = (0, 0, 1), (4, 6, 5)
  state = battle(*(unit("giant", s, x, 4) for s, x in zip(sides, xs)))
  expected = [[-1, 0], [1, 0], [0, 0]]
  np.testing.assert_allclose(
    entities.army_positions(state)[0], expected, atol=1e-6
  )


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("health", [0, 1])
def test_a_field_without_enemies_has_finite_positions(side, health):
  """One army is empty, or both are."""
  state = battle(unit("giant", side, 4, 3, health=health), free=2)
  found = entities.army_positions(state)
  assert np.all(np.isfinite(found))
  if health:  # Halfway to the origin, the default centre of the others.
    at = -2.5 if side == 0 else 2.5
    np.testing.assert_allclose(found[0, 0], [at, 0], atol=1e-6)


def test_argmin_of_every_row():
  """The first of equal entries, infinite ones included."""
  pairs = jax.random.randint(jax.random.key(0), (4, 9, 9), 0, 4)
  pairs = jnp.where(pairs == 3, jnp.inf, pairs).at[0, 0].set(jnp.inf)
  np.testing.assert_array_equal(units.argmin(pairs), np.argmin(pairs, axis=-1))
