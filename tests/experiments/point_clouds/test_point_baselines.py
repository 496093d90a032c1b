"""The models that the Perceiver is compared with."""

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.point_clouds import baselines
import perceiver
from tests.helpers import noise
from tests.helpers import tiny_points

MODELS = {
  "max": tiny_points.point_net(),
  "mean": tiny_points.point_net(baselines.Pooling.MEAN),
  "groups": tiny_points.transformer(),
  "single": tiny_points.transformer(group_size=1),
}


@pytest.fixture(scope="module")
def points():
  generator = np.random.default_rng(0)
  shape = (3, tiny_points.NUM_POINTS, 3)
  return generator.uniform(-1, 1, shape).astype(np.float32)


@pytest.fixture(scope="module", params=MODELS)
def model(request):
  return perceiver.create(MODELS[request.param])


def test_order_does_not_matter(model, points):
  """Grouped points lie in cells of their own here."""
  variables = noise.variables(model)
  logits = model.apply(variables, points)
  assert logits.shape == (3, 10)
  order = np.random.default_rng(1).permutation(tiny_points.NUM_POINTS)
  shuffled = model.apply(variables, points[:, order])
  np.testing.assert_allclose(shuffled, logits, rtol=1e-4, atol=1e-5)
  assert np.abs(model.apply(variables, -points) - logits).max() > 1e-3
  alone = model.apply(variables, np.roll(points, 1, axis=0))
  np.testing.assert_allclose(np.roll(alone, -1, 0), logits, rtol=1e-4)


def test_pooling(points):
  """Repeated points change a mean and no maximum."""
  repeated = np.concatenate([points, points[:, :1].repeat(9, 1)], axis=1)
  for name, changes in (("max", False), ("mean", True)):
    model = perceiver.create(MODELS[name])
    variables = noise.variables(model)
    one, other = (model.apply(variables, x) for x in (points, repeated))
    assert np.allclose(one, other, atol=1e-5) is not changes


def test_parameters():
  """Weights and biases, and scale and offset of norms."""
  expected = (3 + 1) * 8 + 2 * 8 + (8 + 1) * 16 + 2 * 16 + (16 + 1) * 8 + 2 * 8
  expected += (8 + 1) * 10
  assert perceiver.create(MODELS["max"]).num_parameters() == expected
  one, other = (
    perceiver.create(MODELS[name]).num_parameters()
    for name in ("single", "groups")
  )
  assert other - one == 3 * tiny_points.INPUT.input_channels * 16


def test_points_along_the_curve():
  """All of an eighth of the cube comes before the next, and so within it."""
  corners = [(x, y, z) for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)]
  corners = np.float32(corners)
  expected = (corners[:, None] / 2 + corners / 4).reshape(1, 64, 3)
  order = np.random.default_rng(2).permutation(64)
  found = baselines.along_curve(jnp.asarray(expected[:, order]))
  np.testing.assert_array_equal(found, expected)


def test_neighbours_stay_together():
  generator = np.random.default_rng(0)
  points = generator.uniform(-1, 1, (1, 4096, 3)).astype(np.float32)
  curve = np.asarray(baselines.along_curve(jnp.asarray(points)))
  deviation = lambda x: x.reshape(-1, 8, 3).std(axis=1).mean()
  assert deviation(curve) < 0.3 * deviation(points)


def test_impossible_models_are_refused():
  with pytest.raises(ValueError, match="group_size is 5; expected a divisor"):
    tiny_points.transformer(group_size=5)
  model = perceiver.create(MODELS["max"])
  with pytest.raises(ValueError, match=r"\[batch, points, 3\]"):
    model.apply(noise.variables(model), np.zeros((1, 4, 2), np.float32))
