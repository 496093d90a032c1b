"""The public names, and models made by name."""

import copy
import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import perceiver
from perceiver import decoder
from perceiver.adapters import image
from perceiver.models import imagenet
from perceiver.models import registry
from tests.helpers import fill
from tests.helpers import tiny_networks

IMAGES = fill.array((2, 8, 8, 1), "interface")


@functools.cache
def classifier():
  """Returns a small model with freshly initialised variables."""
  model = perceiver.create(tiny_networks.classifier_config())
  return model, model.init(jax.random.key(0))


@functools.cache
def dropping():
  """Returns the same model with dropout."""
  return perceiver.create(tiny_networks.classifier_config(dropout_rate=0.5))


@functools.cache
def conv_classifier():
  """Returns a small model that has state, with fresh variables."""
  config = tiny_networks.classifier_config()
  seen = dataclasses.replace(
    config.inputs, features=image.ConvPool(num_channels=4)
  )
  encoder = dataclasses.replace(
    config.perceiver.encoder, input_channels=seen.input_channels
  )
  network = dataclasses.replace(config.perceiver, encoder=encoder)
  model = perceiver.create(
    dataclasses.replace(config, inputs=seen, perceiver=network)
  )
  return model, model.init(jax.random.key(0))


# ----------------------------------------------------------------------- names


def test_public_names_are_sorted_present_and_described():
  assert perceiver.__all__ == sorted(perceiver.__all__)
  assert set(perceiver.__all__) >= {
    "Model",
    "Variables",
    "create",
    "list_models",
    "load",
    "save",
  }
  for name in perceiver.__all__:
    assert getattr(perceiver, name).__doc__


def test_models_are_listed_in_order():
  names = perceiver.list_models()
  assert names == sorted(names)
  assert set(names) >= set(imagenet.CONFIGS)


@pytest.mark.parametrize("name", perceiver.list_models())
def test_every_listed_model_can_be_made(name):
  model = perceiver.create(name)
  # Compiled functions are kept by the values of configurations.
  again = copy.deepcopy(model.config)
  assert again is not model.config
  assert again == model.config
  assert hash(again) == hash(model.config)
  for leaf in jax.tree.leaves(model.config.example(3)):
    assert leaf.shape[0] == 3


def test_two_domains_with_a_model_of_the_same_name_are_refused():
  first, second = {"a": imagenet.FOURIER}, {"b": imagenet.CONV}
  assert registry._collect(first, second) == {**first, **second}
  with pytest.raises(ValueError, match="'a' is listed twice; expected once"):
    registry._collect(first, second, {"a": imagenet.LEARNED})


def test_a_model_is_printed_in_one_short_line():
  text = repr(perceiver.create("imagenet_fourier"))
  assert text == "Model(ImageClassifierConfig(...))"


def test_a_model_is_made_from_a_configuration():
  assert perceiver.create(imagenet.FOURIER) == perceiver.create(
    "imagenet_fourier"
  )
  narrower = dataclasses.replace(
    imagenet.FOURIER,
    perceiver=dataclasses.replace(
      imagenet.FOURIER.perceiver,
      decoder=decoder.DecoderConfig(query_channels=1024, output_channels=10),
    ),
  )
  model = perceiver.create(narrower)
  assert model.config.num_classes == 10
  fewer = perceiver.create("imagenet_fourier").num_parameters()
  assert fewer - model.num_parameters() == 990 * (1024 + 1)


@pytest.mark.parametrize(
  ("name", "hint"),
  [
    ("imagenet_furier", "Did you mean .*imagenet_fourier"),
    ("perceiver_imagnet", "Did you mean perceiver_imagenet"),
    (
      "perceiver_imagenet_2_reads",
      r"Did you mean perceiver_imagenet_2_cross_attends\?",
    ),
    ("zzz", r"perceiver\.list_models\(\) gives\.$"),
    ("", "there is no ''"),
  ],
)
def test_unknown_names_are_answered_with_close_ones(name, hint):
  with pytest.raises(ValueError, match=hint):
    perceiver.create(name)


@pytest.mark.parametrize("argument", [None, 3, {"name": "a"}, imagenet])
def test_what_is_no_configuration_is_refused(argument):
  with pytest.raises(
    TypeError, match="is no model's configuration; expected a"
  ):
    perceiver.create(argument)


def test_configurations_cannot_be_changed():
  model, _ = classifier()
  with pytest.raises(dataclasses.FrozenInstanceError):
    model.config.precision = perceiver.Precision.BFLOAT16
  with pytest.raises(dataclasses.FrozenInstanceError):
    model.config = imagenet.FOURIER


# --------------------------------------------------------------------- a model


def test_variables_are_float32_and_have_the_shapes_that_were_announced():
  model, variables = classifier()
  found = jax.tree.map(lambda x: (x.shape, x.dtype), variables)
  expected = jax.tree.map(lambda x: (x.shape, x.dtype), model.shapes())
  assert found == expected
  assert {x.dtype for x in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
  assert not variables.state
  count = sum(x.size for x in jax.tree.leaves(variables.params))
  assert model.num_parameters() == count


def test_initialisation_depends_on_the_key_alone():
  model, variables = classifier()
  again, other = (model.init(jax.random.key(i)) for i in (0, 1))
  chex.assert_trees_all_equal(again, variables)
  module = "classifier/perceiver/latents"
  assert np.any(
    other.params[module]["embeddings"] != again.params[module]["embeddings"]
  )


def test_applying_needs_no_key():
  model, variables = classifier()
  logits = model.apply(variables, IMAGES)
  assert logits.shape == (2, 3)
  assert logits.dtype == jnp.float32
  np.testing.assert_array_equal(logits, model.apply(variables, IMAGES))
  evaluated = model.apply(variables, IMAGES, is_training=False)
  np.testing.assert_array_equal(logits, evaluated)


def test_evaluation_is_the_default_even_where_training_is_random():
  model, variables = classifier()
  np.testing.assert_allclose(
    dropping().apply(variables, IMAGES),
    model.apply(variables, IMAGES),
    atol=1e-6,
  )
  train = lambda key: dropping().apply(
    variables, IMAGES, rng=key, is_training=True
  )
  keys = [jax.random.key(i) for i in (0, 0, 1)]
  first, again, other = map(train, keys)
  np.testing.assert_array_equal(first, again)
  assert float(jnp.abs(first - other).max()) > 1e-4


def test_a_key_that_is_needed_is_asked_for():
  _, variables = classifier()
  with pytest.raises(ValueError, match="PRNGKey"):
    dropping().apply(variables, IMAGES, is_training=True)


def test_encoding_then_decoding_is_applying():
  model, variables = classifier()
  latents = model.encode(variables, IMAGES)
  assert latents.shape == (2, 5, 8)
  np.testing.assert_allclose(
    model.decode(variables, latents), model.apply(variables, IMAGES), atol=1e-6
  )


def test_attention_map_shows_where_each_latent_looks():
  model, variables = classifier()
  found = model.attention_map(variables, IMAGES)
  assert found.shape == (2, 1, 5, 64)
  assert float(found.min()) >= 0
  np.testing.assert_allclose(found.sum(-1), np.ones((2, 1, 5)), rtol=1e-5)
  assert float(jnp.abs(found[0] - found[1]).max()) > 0


def test_attention_maps_of_later_cross_attends():
  model = perceiver.create(
    tiny_networks.classifier_config(num_cross_attends=2, num_blocks=2)
  )
  variables = model.init(jax.random.key(0))
  maps = [
    model.attention_map(variables, IMAGES, cross_attend=i) for i in range(2)
  ]
  assert float(jnp.abs(maps[0] - maps[1]).max()) > 1e-4
  np.testing.assert_allclose(maps[1].sum(-1), np.ones((2, 1, 5)), rtol=1e-5)
  with pytest.raises(ValueError, match="cross_attend is 2; expected 0 to 1"):
    model.attention_map(variables, IMAGES, cross_attend=2)


def test_a_model_works_inside_other_transformations():
  model, variables = classifier()
  expected = model.apply(variables, IMAGES)
  each = jax.vmap(lambda image: model.apply(variables, image[None])[0])
  np.testing.assert_allclose(each(IMAGES), expected, atol=1e-5)


def test_precision_decides_what_is_computed_in_and_not_what_is_given():
  model, variables = classifier()
  half = perceiver.create(
    dataclasses.replace(model.config, precision=perceiver.Precision.BFLOAT16)
  )
  assert half.encode(variables, IMAGES).dtype == jnp.bfloat16
  logits = half.apply(variables, IMAGES)
  assert logits.dtype == jnp.float32
  np.testing.assert_allclose(
    logits, model.apply(variables, IMAGES), rtol=0.1, atol=0.03
  )
  shapes = jax.tree.map(lambda x: (x.shape, x.dtype), half.shapes())
  assert shapes == jax.tree.map(lambda x: (x.shape, x.dtype), model.shapes())


def test_operations_grow_with_the_batch():
  model, _ = classifier()
  one, four = model.num_flops(1), model.num_flops(4)
  assert one < four <= 4 * one
  reference = [model.num_flops(n, reference=True) for n in (1, 4)]
  assert reference[0] >= one


# ----------------------------------------------------------------------- state


def test_state_changes_in_training_only():
  model, variables = conv_classifier()
  assert variables.state
  _, after = model.apply_and_update(variables, IMAGES)
  chex.assert_trees_all_equal(after, variables.state)
  logits, after = model.apply_and_update(variables, IMAGES, is_training=True)
  assert logits.shape == (2, 3)
  assert jax.tree.structure(after) == jax.tree.structure(
    jax.tree.map(lambda x: x, variables.state)
  )
  for module, entries in after.items():
    before = variables.state[module]
    assert int(entries["counter"]) == int(before["counter"]) + 1
    assert float(jnp.abs(entries["average"] - before["average"]).max()) > 0


def test_models_without_state_return_none():
  model, variables = classifier()
  _, after = model.apply_and_update(variables, IMAGES, is_training=True)
  assert not after


def test_training_normalises_by_the_batch():
  model, variables = conv_classifier()
  train = lambda images: model.apply(variables, images, is_training=True)
  other = IMAGES * np.array([1, 5], np.float32)[:, None, None, None]
  assert float(jnp.abs(train(other)[0] - train(IMAGES)[0]).max()) > 1e-4
  evaluate = lambda images: model.apply(variables, images)
  np.testing.assert_allclose(evaluate(other)[0], evaluate(IMAGES)[0], atol=1e-6)
