"""Models that are initialised from a checkpoint."""

import dataclasses

import chex
import jax
import numpy as np
import pytest

from experiments.data import files
from experiments.language.glue import pretrained as glue_pretrained
from experiments.training import pretrained
from experiments.training import sharding
import perceiver
from perceiver.models import glue
from tests.helpers import noise
from tests.helpers import tiny_glue
from tests.helpers import tiny_networks

CONFIG = glue.single_task("rte", tiny_glue.TRUNK)
EMBEDDING = "language_model/text_input/token_embedding"


def saved(config, path):
  model = perceiver.create(config)
  variables = noise.variables(model)
  perceiver.save(path, model, variables)
  return path, variables.params


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
  path = tmp_path_factory.mktemp("trunk") / "model.safetensors"
  return saved(tiny_glue.TRUNK, path)


def test_the_trunk_is_pretrained(trunk, capsys):
  path, expected = trunk
  pretrained.from_checkpoint.cache_clear()
  model = pretrained.from_checkpoint(CONFIG, path)
  assert (
    "arrays are reinitialised, params:language_model/"
    in capsys.readouterr().err
  )
  key = jax.random.key(3)
  params = jax.jit(model.init)(key).params
  fresh = perceiver.create(CONFIG).init(key).params
  found = 0
  for module, entries in params.items():
    source = expected if module in expected else fresh
    found += module in expected
    chex.assert_trees_all_equal(entries, source[module])
  assert found > 10
  assert "language_model/rte_head/output" not in expected
  assert EMBEDDING in expected


def test_parameters_may_be_sharded(trunk):
  model = pretrained.from_checkpoint(CONFIG, trunk[0])
  mesh = sharding.make_mesh(sharding.ParallelConfig(fsdp=2))
  init = lambda: model.init(jax.random.key(0))
  shardings = sharding.state_shardings(mesh, jax.eval_shape(init), min_size=1)
  params = jax.jit(init, out_shardings=shardings)().params
  value = params[EMBEDDING]["embeddings"]
  assert not value.sharding.is_fully_replicated
  np.testing.assert_array_equal(value, trunk[1][EMBEDDING]["embeddings"])


def test_the_model_is_the_same_otherwise(trunk):
  model = pretrained.from_checkpoint(CONFIG, trunk[0])
  plain = perceiver.create(CONFIG)
  assert model.num_parameters() == plain.num_parameters()
  variables = model.init(jax.random.key(0))
  ids = np.arange(10, dtype=np.int32)[None] + 50
  one, other = (m.apply(variables, ids)["rte"] for m in (model, plain))
  np.testing.assert_array_equal(one, other)


def test_trunks_of_checkpoints(trunk, tmp_path):
  assert glue_pretrained.trunk_of(trunk[0]) == tiny_glue.TRUNK
  path, _ = saved(CONFIG, tmp_path / "glue.safetensors")
  assert glue_pretrained.trunk_of(path) == tiny_glue.TRUNK
  path, _ = saved(
    tiny_networks.classifier_config(), tmp_path / "other.safetensors"
  )
  with pytest.raises(files.InputError, match="ImageClassifierConfig; expected"):
    glue_pretrained.trunk_of(path)
  (tmp_path / "broken").write_bytes(b"\x00" * 100)
  with pytest.raises(perceiver.CheckpointError, match="broken cannot be read"):
    glue_pretrained.trunk_of(tmp_path / "broken")
  with pytest.raises(FileNotFoundError, match="none"):
    glue_pretrained.trunk_of(tmp_path / "none")


def test_another_trunk_is_refused(trunk):
  text = dataclasses.replace(tiny_glue.TRUNK.text, vocab_size=300)
  other = dataclasses.replace(tiny_glue.TRUNK, text=text)
  config = glue.single_task("rte", other)
  with pytest.raises(perceiver.CheckpointError, match=r"float32\[300, 8\]"):
    pretrained.from_checkpoint(config, trunk[0])
