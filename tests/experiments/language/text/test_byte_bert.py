"""The baseline: a Transformer of bytes."""

import dataclasses

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.data import loader
from experiments.language.masked_language import configs
from experiments.language.masked_language import data as language_data
from experiments.language.masked_language import task as language_task
from experiments.language.text import bert
from experiments.language.text import corpora
from perceiver import model as perceiver_model
from perceiver.adapters import text
from perceiver.models import glue
from tests.helpers import noise

TASKS = (glue.TASKS["rte"], glue.TASKS["stsb"])
TINY = bert.BertConfig(
  text=text.TextInputConfig(vocab_size=20, max_length=9, channels=8),
  tasks=TASKS,
  num_layers=2,
  num_heads=2,
)


@pytest.fixture(scope="module")
def tiny():
  model = perceiver_model.Model(TINY)
  return model, noise.variables(model)


def test_the_papers_size():
  # Table 1: 20 M. Embeddings, positions, class, norm; layers; head.
  embedding = (262 + 2048 + 1 + 2) * 512
  attention = 4 * (512 * 512 + 512)
  mlp = 512 * 2048 + 2048 + 2048 * 512 + 512
  head = 512 * 512 + 512 + 2 * 512 + 2
  expected = embedding + 6 * (attention + mlp + 4 * 512) + head
  config = bert.byte_bert((glue.TASKS["rte"],))
  assert (
    perceiver_model.Model(config).num_parameters() == expected == 20_362_242
  )
  # Table 1: 130 B operations.
  assert 125e9 < perceiver_model.Model(config).num_flops() < 135e9
  assert config.max_length == 2047


def test_padding_changes_nothing(tiny):
  model, variables = tiny
  ids = jnp.arange(10, dtype=jnp.int32).reshape(2, 5)
  mask = jnp.arange(8) < 5
  short = model.apply(variables, ids)
  for padding in (0, 7):
    padded = jnp.pad(ids, ((0, 0), (0, 3)), constant_values=padding)
    long = model.apply(
      variables, padded, input_mask=jnp.broadcast_to(mask, (2, 8))
    )
    for name in ("rte", "stsb"):
      np.testing.assert_allclose(long[name], short[name], atol=1e-5)
  assert short["rte"].shape == (2, 2)
  assert short["stsb"].shape == (2, 1)


def test_every_position_matters(tiny):
  model, variables = tiny
  ids = jnp.arange(8, dtype=jnp.int32)[None]
  before = model.apply(variables, ids)["rte"]
  for position in range(8):
    after = model.apply(variables, ids.at[0, position].set(15))["rte"]
    assert np.abs(after - before).max() > 1e-4


def test_order_matters(tiny):
  model, variables = tiny
  ids = jnp.arange(8, dtype=jnp.int32)[None]
  outputs = [model.apply(variables, x)["rte"] for x in (ids, ids[:, ::-1])]
  assert np.abs(outputs[0] - outputs[1]).max() > 1e-4


def test_layers_normalise_after_their_residuals():
  def run(x):
    return bert.Layer(TINY, name="layer")(x, None)

  transformed = hk.without_apply_rng(hk.transform(run))
  x = jax.random.normal(jax.random.key(0), (2, 5, 8))
  params = transformed.init(jax.random.key(1), x)
  y = transformed.apply(params, x)
  np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-5)
  np.testing.assert_allclose(y.var(axis=-1), 1, atol=1e-3)


def test_sizes_are_checked():
  with pytest.raises(ValueError, match="num_layers is 0"):
    bert.BertConfig(text=TINY.text, tasks=TASKS, num_layers=0)
  with pytest.raises(ValueError, match="3 heads do not divide"):
    bert.BertConfig(text=TINY.text, tasks=TASKS, num_heads=3)


# ---------------------------------------------------------------- pre-training


@pytest.fixture(scope="module")
def pretraining():
  model = perceiver_model.Model(dataclasses.replace(TINY, tasks=()))
  return model, noise.variables(model)


def test_without_tasks_it_is_a_masked_language_model(pretraining):
  model, variables = pretraining
  ids = jnp.arange(16, dtype=jnp.int32).reshape(2, 8)
  mask = jnp.broadcast_to(jnp.arange(8) < 5, (2, 8))
  logits = model.apply(variables, ids, input_mask=mask)
  assert logits.shape == (2, 8, 20)
  positions = jnp.array([[4, 0, 1], [2, 2, 3]])
  some = model.apply(variables, ids, input_mask=mask, positions=positions)
  expected = np.take_along_axis(logits, positions[..., None], axis=1)
  np.testing.assert_allclose(some, expected, atol=1e-5)
  changed = model.apply(variables, ids.at[:, 0].set(19), input_mask=mask)
  assert np.all(np.abs(changed - logits).max(axis=-1)[:, :5] > 1e-5)


def test_fine_tuning_takes_all_but_the_heads(tiny, pretraining):
  before, after = (model.shapes().params for model, _ in (pretraining, tiny))
  shared = set(before) & set(after)
  heads = ("token_", "logits", "rte_head", "stsb_head")
  for name in set(before) ^ set(after):
    assert name.split("/")[1].startswith(heads), name
  assert {f"bert/layer_1/mlp/{part}" for part in ("hidden", "output")} < shared
  assert all(before[name] == after[name] for name in shared)


def test_the_pre_training_of_table_12():
  experiment = configs.EXPERIMENTS["bert_bytes"]
  assert experiment.train == configs.EXPERIMENTS["bytes"].train
  assert experiment.model == bert.byte_bert()
  model = perceiver_model.Model(experiment.model)
  assert 20e6 < model.num_parameters() < 21e6


def test_a_training_step_lowers_the_loss():
  data = language_data.DataConfig(
    source=corpora.PYTHON_TOPICS, max_masked=0.5, eval_examples=None
  )
  task = language_task.MaskedLanguage(
    model=perceiver_model.Model(
      dataclasses.replace(
        TINY, text=dataclasses.replace(TINY.text, vocab_size=262), tasks=()
      )
    ),
    data=data,
  )
  variables = noise.variables(task.model)
  batch = next(loader.train_batches(task.train_split(), batch_size=4, seed=0))
  loss = lambda params: task.losses(
    variables._replace(params=params), batch, rng=None, is_training=True
  ).loss.mean()
  before, gradient = jax.jit(jax.value_and_grad(loss))(variables.params)
  params = jax.tree.map(lambda x, g: x - 0.01 * g, variables.params, gradient)
  assert jax.jit(loss)(params) < before
