"""How battles begin, and what is seen of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_battles import battle
from tiny_battles import unit

from experiments.starcraft import battles
from experiments.starcraft import entities
from experiments.starcraft import units


def config(**changes):
  settings = {"num_slots": 9, "min_units": 0, "max_units": 4, **changes}
  return battles.BattleConfig(**settings)


draw = jax.jit(battles.draw, static_argnums=(1, 2))


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
  # Side, share of its health, of all kinds' most, waiting, ready; kind; place.
  archer = [-1, 0.2, 0.035, 0.75, 0, 0, 0, 1, 0, 0.5, -1]
  np.testing.assert_allclose(found[0, 0, :11], archer, atol=1e-6)
  giant = [1, 1, 1, 0, 1, 0, 0, 0, 1, 0, 0]
  np.testing.assert_allclose(found[0, 1, :11], giant, atol=1e-6)


def test_entities_are_seen_from_one_side():
  state = battle(unit("archer", 1, 10), unit("giant", 0, 0))
  seen = [entities.encode(state, side)[0] for side in (0, 1)]
  np.testing.assert_array_equal(seen[0][..., 0], -seen[1][..., 0])
  np.testing.assert_array_equal(seen[0][..., 1:], seen[1][..., 1:])
