"""Where arrays live on four simulated devices."""

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
import numpy as np
import pytest

from experiments.training import sharding as training_sharding

Config = training_sharding.ParallelConfig


@pytest.mark.parametrize(
  ("config", "shape"),
  [
    (Config(), (4, 1)),
    (Config(fsdp=2), (2, 2)),
    (Config(fsdp=4), (1, 4)),
    (Config(data=2), (2, 1)),
    (Config(data=1), (1, 1)),
  ],
)
def test_mesh_shapes(config, shape):
  mesh = training_sharding.make_mesh(config)
  assert tuple(mesh.shape.items()) == (("data", shape[0]), ("fsdp", shape[1]))


def test_meshes_that_do_not_fit_are_refused():
  with pytest.raises(ValueError, match=r"4 devices do not divide .*fsdp=3"):
    training_sharding.make_mesh(Config(fsdp=3))
  with pytest.raises(ValueError, match="needs 6 devices, but there are 4"):
    training_sharding.make_mesh(Config(data=3, fsdp=2))
  with pytest.raises(ValueError, match=r"data is .*; expected at least 1"):
    Config(data=0)
  with pytest.raises(ValueError, match=r"fsdp is .*; expected at least 1"):
    Config(fsdp=0)


def test_a_batch_that_does_not_divide_is_refused_with_its_numbers():
  mesh = training_sharding.make_mesh(Config())
  training_sharding.check_batch_size(mesh, 8, "batch_size")
  with pytest.raises(ValueError, match=r"batch_size=6 .* 4 devices; 8 does"):
    training_sharding.check_batch_size(mesh, 6, "batch_size")


def test_the_largest_divisible_axis_is_divided():
  mesh = training_sharding.make_mesh(Config(fsdp=2))
  shapes = {
    "rows": (6, 4),
    "columns": (3, 8),
    "last": (4, 6),
    "first": (4, 4),
    "odd": (5, 3),
    "small": (2, 2),
    "scalar": (),
  }
  tree = {k: jax.ShapeDtypeStruct(s, jnp.float32) for k, s in shapes.items()}
  found = training_sharding.state_shardings(mesh, tree, min_size=10)
  specs = {name: sharding.spec for name, sharding in found.items()}
  assert specs == {
    "rows": PartitionSpec("fsdp", None),
    "columns": PartitionSpec(None, "fsdp"),
    "last": PartitionSpec(None, "fsdp"),
    "first": PartitionSpec("fsdp", None),
    "odd": PartitionSpec(),
    "small": PartitionSpec(),
    "scalar": PartitionSpec(),
  }


def test_without_fsdp_everything_is_repeated():
  mesh = training_sharding.make_mesh(Config())
  tree = jax.ShapeDtypeStruct((1024, 1024), jnp.float32)
  assert training_sharding.state_shardings(mesh, tree).spec == PartitionSpec()


@pytest.mark.parametrize("config", [Config(), Config(fsdp=2), Config(data=1)])
def test_a_batch_is_divided_over_all_devices(config):
  mesh = training_sharding.make_mesh(config)
  host = np.arange(16, dtype=np.float32).reshape(8, 2)
  batch = training_sharding.put_batch(mesh, {"x": host})
  np.testing.assert_array_equal(batch["x"], host)
  shapes = {shard.data.shape for shard in batch["x"].addressable_shards}
  assert shapes == {(8 // mesh.size, 2)}
