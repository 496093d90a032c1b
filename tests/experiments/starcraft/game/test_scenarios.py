"""How battles begin, and what is seen of them."""

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
  return scenarios.BattleConfig(**settings)


draw = jax.jit(scenarios.draw, static_argnums=(1, 2))


def drawn(seed=0, **changes):
  """Returns the beginnings of 256 battles as NumPy arrays."""
  state = draw(jax.random.key(seed), 256, config(**changes))
  return jax.tree.map(np.asarray, state)


def test_armies_have_all_sizes_and_their_own_slots():
  state = drawn()
  alive = state.health > 0
  sizes = np.stack([alive[:, :4].sum(1), alive[:, 4:].sum(1)])
  assert [set(row.tolist()) for row in sizes] == [{0, 1, 2, 3, 4}] * 2
  assert not alive[:, 8].any()
  assert np.all(state.owner[:, :8] == [0] * 4 + [1] * 4)


def test_units_are_within_their_bounds():
  state = drawn()
  assert set(state.kind[state.health > 0].tolist()) == {0, 1, 2, 3}
  full = np.array([kind.health for kind in units.KINDS])[state.kind]
  share = (state.health / full)[state.health > 0]
  assert share.min() >= 0.5
  assert share.max() <= 1
  assert np.abs(state.position).max() <= units.FIELD
  assert not state.cooldown.any()


def test_armies_stand_apart():
  """Their edges are 8 lengths apart if every army fills its circle."""
  state = drawn(min_units=4)
  offsets = state.position[:, :4, None] - state.position[:, None, 4:8]
  assert np.linalg.norm(offsets, axis=-1).min() > 5
  middles = [state.position[:, p].mean(1) for p in (slice(4), slice(4, 8))]
  # In any direction from one another.
  angles = np.arctan2(*(middles[1] - middles[0]).T)
  assert np.histogram(angles, 4, (-np.pi, np.pi))[0].min() > 32


def test_even_armies_are_mirror_images():
  state = drawn(even=True, min_units=1)
  np.testing.assert_array_equal(state.kind[:, :4], state.kind[:, 4:8])
  np.testing.assert_array_equal(state.health[:, :4], state.health[:, 4:8])
  np.testing.assert_allclose(
    state.position[:, :4], -state.position[:, 4:8], atol=1e-4
  )


def test_a_full_and_an_empty_field():
  assert np.all(drawn(num_slots=8, min_units=4).health > 0)
  assert not drawn(max_units=0).health.any()


def test_draws_depend_on_the_key_alone():
  jax.tree.map(np.testing.assert_array_equal, drawn(seed=3), drawn(seed=3))
  assert np.any(drawn(seed=3).health != drawn(seed=4).health)


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
  # Side, share of its health, of all kinds' most, waiting, ready; kind; place:
  # they are √500 lengths apart, and the first axis leads from one to the other.
  half = np.sqrt(500) / 2 / units.FIELD
  archer = [-1, 0.2, 0.035, 0.75, 0, 0, 0, 1, 0, half, 0]
  np.testing.assert_allclose(found[0, 0, :11], archer, atol=1e-6)
  giant = [1, 1, 1, 0, 1, 0, 0, 0, 1, -half, 0]
  np.testing.assert_allclose(found[0, 1, :11], giant, atol=1e-6)


def test_entities_are_seen_from_one_side():
  state = battle(unit("archer", 1, 10, 3), unit("giant", 0, 0))
  found = [entities.encode(state, side)[0] for side in (0, 1)]
  np.testing.assert_array_equal(found[0][..., 0], -found[1][..., 0])
  np.testing.assert_array_equal(found[0][..., 1:9], found[1][..., 1:9])
  places = [entities.seen(state, side) for side in (0, 1)]
  np.testing.assert_allclose(places[0], -places[1], atol=1e-5)
  assert np.all(places[0][0, :, 0] * np.array([1, -1]) > 5)


@pytest.fixture(scope="module")
def several():
  return draw(jax.random.key(5), 8, config(min_units=2))


def test_armies_may_stand_anywhere_and_look_anywhere(several):
  """Moved and turned, two armies see the same; free slots have no place."""
  angle = jnp.linspace(0, 6, 8)[:, None]
  x, y = jnp.moveaxis(several.position, -1, 0)
  turned = jnp.stack(
    [
      x * jnp.cos(angle) - y * jnp.sin(angle) + 7,
      x * jnp.sin(angle) + y * jnp.cos(angle) - 3,
    ],
    axis=-1,
  )
  lost = jnp.where(units.living(several)[..., None], turned, 1e6)
  alive = units.living(several)
  for side in (0, 1):
    seen = entities.seen(several, side)
    moved = entities.seen(several._replace(position=lost), side)
    np.testing.assert_allclose(seen[alive], moved[alive], atol=1e-4)


def test_what_is_seen_is_as_far_apart_as_it_is(several):
  seen = several._replace(position=entities.seen(several))
  np.testing.assert_allclose(
    units.distances(seen), units.distances(several), atol=1e-4
  )


def test_armies_with_one_middle_keep_their_directions():
  sides, xs = (0, 0, 1), (4, 6, 5)
  state = battle(*(unit("giant", s, x, 4) for s, x in zip(sides, xs)))
  expected = [[-1, 0], [1, 0], [0, 0]]
  np.testing.assert_allclose(entities.seen(state)[0], expected, atol=1e-6)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("health", [0, 1])
def test_a_field_without_enemies_can_be_seen(side, health):
  """There need not be anybody of one's own, or anybody at all."""
  state = battle(unit("giant", side, 4, 3, health=health), free=2)
  found = entities.seen(state)
  assert np.all(np.isfinite(found))
  if health:  # Halfway to the origin, which stands in for the others.
    at = -2.5 if side == 0 else 2.5
    np.testing.assert_allclose(found[0, 0], [at, 0], atol=1e-6)


def test_the_least_of_every_row():
  """Of equal ones the first; of infinite ones too."""
  pairs = jax.random.randint(jax.random.key(0), (4, 9, 9), 0, 4)
  pairs = jnp.where(pairs == 3, jnp.inf, pairs).at[0, 0].set(jnp.inf)
  np.testing.assert_array_equal(units.least(pairs), np.argmin(pairs, axis=-1))
