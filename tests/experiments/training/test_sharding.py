"""Where arrays live on four simulated devices."""

import dataclasses
import re

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


def _options(message):
  """Returns the values of the options that a message advises."""
  found = re.findall(r"--train\.(?:parallel\.)?([a-z-]+) (\d+)", message)
  return {name: int(value) for name, value in found}


@pytest.mark.parametrize(
  ("config", "batch_size", "parts", "devices", "message"),
  [
    (Config(), 32, 1, 3, "data 2 does (1 of 3 devices stay idle). "),
    (Config(), 7, 1, 4, "data 1 does (3 of 4 devices stay idle). "),
    (Config(fsdp=4), 32, 1, 3, "data 1 --train.parallel.fsdp 2 does (1 of 3"),
    (Config(fsdp=4), 32, 1, 1, "data 1 --train.parallel.fsdp 1 does."),
    (Config(fsdp=3), 12, 1, 4, "data 2 --train.parallel.fsdp 2 does."),
    (Config(data=4), 32, 1, 2, "data 2 does."),
    (Config(), 12, 4, 4, "data 3 does (1 of 4 devices stay idle). "),
    (Config(), 8, 3, 4, "data 4 --train.accumulate 1 does. "),
    (Config(fsdp=2), 9, 6, 4, "data 3 --train.parallel.fsdp 1 --train.accum"),
  ],
)
def test_advice_that_is_followed_does(
  monkeypatch, config, batch_size, parts, devices, message
):
  some = jax.devices()[:devices]
  monkeypatch.setattr(jax, "devices", lambda: some)
  make = training_sharding.make_training_mesh
  with pytest.raises(ValueError, match=re.escape(message)) as caught:
    make(config, batch_size, parts)
  first, _, second = str(caught.value).partition(" In a new run ")
  options = _options(first)
  followed = dataclasses.replace(
    config, data=options["data"], fsdp=options.get("fsdp", config.fsdp)
  )
  make(followed, batch_size, options.get("accumulate", parts))
  if second:
    make(config, _options(second)["batch-size"], parts)


def test_two_processes_are_advised_to_use_all_devices(monkeypatch):
  monkeypatch.setattr(training_sharding, "process_count", lambda: 2)
  make = training_sharding.make_training_mesh
  with pytest.raises(
    ValueError, match=r"batch_size=6 .* 4 devices\. In a new run .* 8 does"
  ):
    make(Config(), 6)
  with pytest.raises(ValueError, match=r"not 2\. \S+data 2 does\.$"):
    make(Config(data=1, fsdp=2), 8)


@pytest.mark.parametrize(
  ("config", "devices", "shape"),
  [
    (Config(fsdp=4), 1, (1, 1)),
    (Config(fsdp=4), 3, (1, 3)),
    (Config(fsdp=3), 4, (2, 2)),
    (Config(data=4), 2, (2, 1)),
    (Config(data=2), 4, (2, 1)),
    (Config(fsdp=2), 4, (2, 2)),
  ],
)
def test_evaluation_takes_the_devices_that_there_are(
  monkeypatch, config, devices, shape
):
  some = jax.devices()[:devices]
  monkeypatch.setattr(jax, "devices", lambda: some)
  found = training_sharding.for_evaluation(config)
  assert training_sharding.make_mesh(found).devices.shape == shape


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
