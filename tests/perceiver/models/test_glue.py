"""GLUE models on a language model's trunk (2107.14795 table 2, F.4)."""

import dataclasses

import haiku as hk
import jax.numpy as jnp
import numpy as np
import pytest

import perceiver
from perceiver import config_json
from perceiver.models import glue
from perceiver.models import language
from perceiver.models import registry
from tests.helpers import noise
from tests.perceiver.models import test_language

# 201,108,230 of the byte model, less what is not used (the bias of the logits,
# and the trunk's queries where tasks have their own), plus the tasks' vectors
# and heads: 768·768 + 768 + 768·n + n for n outputs.
HEADS = 8 * (768 * 768 + 768) + 769 * (7 * 2 + 1 + 1)
TABLE = {
  "glue_multitask_queries": 201_108_230 - 262 - 2048 * 768 + 8 * 768 + HEADS,
  "glue_multitask_shared_token": 201_108_230 - 262 + 768 + HEADS,
  "glue_multitask_task_tokens": 201_108_230 - 262 + 8 * 768 + HEADS,
}


def test_table_is_complete():
  assert set(TABLE) == set(glue.CONFIGS)
  assert set(TABLE) <= set(perceiver.list_models())


@pytest.mark.parametrize("name", TABLE)
def test_parameters(name):
  assert perceiver.create(name).num_parameters() == TABLE[name]


def test_the_tasks():
  outputs = {name: task.num_outputs for name, task in glue.TASKS.items()}
  assert outputs == {
    "cola": 2,
    "mnli": 3,
    "mrpc": 2,
    "qnli": 2,
    "qqp": 2,
    "rte": 2,
    "sst2": 2,
    "stsb": 1,
  }
  assert [t.name for t in glue.single_task("mnli").tasks] == ["mnli"]
  with pytest.raises(ValueError, match="wnli"):
    glue.single_task("wnli")


# ------------------------------------------------------------------------ laws

TASKS = (
  glue.TaskConfig(name="one", num_outputs=2),
  glue.TaskConfig(name="two", num_outputs=3),
)
QUERY_KINDS = list(glue.QueryKind)
IDS = test_language.IDS[:, :10]
MASK = test_language.MASK[:, :10]


def small(query_kind: glue.QueryKind) -> perceiver.Model:
  """Returns a model of two tasks on the small language model."""
  return perceiver.create(
    glue.GlueConfig(
      trunk=test_language.small_config(), tasks=TASKS, query_kind=query_kind
    )
  )


@pytest.fixture(scope="module", params=QUERY_KINDS, ids=lambda r: r.value)
def filled(request):
  """A model and its parameters, none of them zero."""
  model = small(request.param)
  return model, noise.variables(model)


def test_every_task_is_answered(filled):
  model, variables = filled
  logits = model.apply(variables, IDS, input_mask=MASK)
  shapes = {name: x.shape for name, x in logits.items()}
  assert shapes == {"one": (3, 2), "two": (3, 3)}
  assert all(x.dtype == np.float32 for x in logits.values())


def test_masked_tokens_change_nothing(filled):
  model, variables = filled
  other = np.where(MASK, IDS, (IDS + 3) % 11)
  first, second, third = (
    model.apply(variables, x, input_mask=m)
    for x, m in ((IDS, MASK), (other, MASK), (other, None))
  )
  np.testing.assert_array_equal(first["two"], second["two"])
  assert np.abs(first["two"] - third["two"]).max() > 1e-4


def test_encode_then_decode(filled):
  model, variables = filled
  logits = model.apply(variables, IDS, input_mask=MASK)
  latents = model.encode(variables, IDS, input_mask=MASK)
  decoded = model.decode(variables, latents)
  for name, expected in logits.items():
    np.testing.assert_allclose(decoded[name], expected, rtol=1e-5, atol=1e-6)


def test_each_task_reads_its_own_answer(filled):
  model, variables = filled
  latents = model.encode(variables, IDS)
  before = model.decode(variables, latents)
  queries = model.config.query_kind is glue.QueryKind.QUERIES
  module = "language_model/" + ("task_queries" if queries else "queries")
  shared = model.config.query_kind is glue.QueryKind.SHARED_TOKEN
  expected = [{"one", "two"}, set()] if shared else [{"one"}, {"two"}]
  for row, changed in enumerate(expected):
    params = {m: dict(e) for m, e in variables.params.items()}
    table = params[module]["embeddings"].copy()
    table[row] += 1 - 2 * np.arange(8) % 3
    params[module]["embeddings"] = table
    after = model.decode(variables._replace(params=params), latents)
    found = {n for n in before if np.abs(after[n] - before[n]).max() > 1e-5}
    assert found == changed


def test_a_head_is_two_linear_maps_with_a_tanh_between():
  run = lambda x: glue.TaskHead(TASKS[0], name="head")(x)
  params = {
    "head/hidden": {"w": 2 * np.eye(2), "b": np.array([0.5, 0.0])},
    "head/output": {"w": np.array([[1.0, 0], [3, 1]]), "b": np.array([0, 7])},
  }
  x = jnp.array([[1.0, -2.0]])
  found = hk.without_apply_rng(hk.transform(run)).apply(params, x)
  a, b = np.tanh(2.5), np.tanh(-4.0)
  np.testing.assert_allclose(found, [[a + 3 * b, b + 7]], rtol=1e-6)


def test_attention_map_has_the_tokens_first(filled):
  model, variables = filled
  attention = model.attention_map(variables, IDS, input_mask=MASK)
  tokens = model.config.num_tokens
  assert attention.shape == (3, 2, 5, tokens + 10)
  assert not np.asarray(attention)[0, ..., tokens + 7 :].any()
  assert np.asarray(attention)[..., :tokens].all()


def test_the_longest_text(filled):
  model, variables = filled
  longest = {"queries": 12, "shared_token": 11, "task_tokens": 10}
  expected = longest[model.config.query_kind.value]
  assert model.config.example()[0].shape == (1, expected)
  with pytest.raises(ValueError, match=f"length from 1 to {expected}"):
    model.apply(variables, np.zeros((1, expected + 1), np.int32))


def test_queries_and_trunk_agree_on_the_latents():
  """With no tokens before the text, the trunk reads as in pre-training."""
  pretrained = noise.variables(test_language.MODEL, seed=7)
  model = small(glue.QueryKind.QUERIES)
  params = noise.variables(model).params
  variables = pretrained._replace(params={**params, **pretrained.params})
  np.testing.assert_array_equal(
    model.encode(variables, IDS, input_mask=MASK),
    test_language.MODEL.encode(pretrained, IDS, input_mask=MASK),
  )


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"tasks": ()}, "at least one"),
    ({"tasks": TASKS[:1] * 2}, "all different"),
    (
      {
        "tasks": tuple(
          glue.TaskConfig(name=f"t{i}", num_outputs=1) for i in range(12)
        ),
        "query_kind": glue.QueryKind.TASK_TOKENS,
      },
      "no room",
    ),
  ],
)
def test_bad_configs(changes, message):
  config = small(glue.QueryKind.QUERIES).config
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(config, **changes)


def test_bad_tasks():
  with pytest.raises(ValueError, match="identifier"):
    glue.TaskConfig(name="mnli-mm", num_outputs=3)
  with pytest.raises(ValueError, match="at least 1"):
    glue.TaskConfig(name="mnli", num_outputs=0)


def test_config_as_json():
  config = glue.multitask(glue.QueryKind.TASK_TOKENS, language.BYTES_LARGE)
  written = config_json.to_json(config)
  assert config_json.from_json(written, registry.ModelConfig) == config
