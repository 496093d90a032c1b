"""Variables of a model from the checkpoint of a similar one."""

import dataclasses
import math

import jax
import numpy as np
import pytest

import perceiver
from perceiver import decoder
from perceiver import position_encoding
from perceiver.adapters import image
from perceiver.adapters import multimodal
from perceiver.checkpoints import check
from perceiver.checkpoints.deepmind import files
from tests.helpers import noise
from tests.helpers import released_models
from tests.helpers import tiny_audioset

CONV1X1 = image.Conv1x1(num_channels=5)
HEAD = "params:classifier/perceiver/decoder/output"
POSITIONS = "params:classifier/image_input/learned_positions:embeddings"


def learned(size=(8, 8), num_classes=3):
  return released_models.classifier(
    CONV1X1, size=size, learned=True, num_classes=num_classes
  )


def saved(config, tmp_path):
  """Writes a model; returns path and variables by name."""
  model = perceiver.create(config)
  variables = noise.variables(model)
  perceiver.save(tmp_path / "model", model, variables)
  return tmp_path / "model", check.flatten(variables)


def assert_pretrained(variables, found, names):
  flat = check.flatten(variables)
  for name in names:
    np.testing.assert_array_equal(flat[name], found[name], err_msg=name)


def test_all_arrays_of_the_same_model_are_pretrained(tmp_path):
  path, found = saved(learned(), tmp_path)
  model, variables, report = perceiver.load_for_finetuning(learned(), path)
  assert model.config == learned()
  assert report == ((), (), ())
  assert_pretrained(variables, found, found)


def test_a_head_of_another_size_is_reinitialised(tmp_path):
  path, found = saved(learned(), tmp_path)
  _, variables, report = perceiver.load_for_finetuning(
    learned(num_classes=7), path
  )
  head = (f"{HEAD}:b", f"{HEAD}:w")
  assert report == (head, head, ())
  flat = check.flatten(variables)
  assert flat[f"{HEAD}:w"].shape == (6, 7)
  assert 0.1 < np.std(flat[f"{HEAD}:w"]) < 1
  assert not flat[f"{HEAD}:b"].any()
  assert_pretrained(variables, found, found.keys() - set(head))


def test_reinitialised_arrays_depend_on_the_key(tmp_path):
  path, _ = saved(learned(), tmp_path)
  heads = [
    check.flatten(
      perceiver.load_for_finetuning(
        learned(num_classes=7), path, rng=jax.random.key(seed)
      )[1]
    )[f"{HEAD}:w"]
    for seed in (0, 0, 1)
  ]
  np.testing.assert_array_equal(heads[0], heads[1])
  assert np.abs(heads[0] - heads[2]).max() > 0.1


@pytest.mark.parametrize("size", [(16, 4), (8, 5), (3, 3), (4, 16)])
def test_positions_are_resized(size, tmp_path):
  path, found = saved(learned(), tmp_path)
  _, variables, report = perceiver.load_for_finetuning(learned(size), path)
  assert report == ((), (), (POSITIONS,))
  table = check.flatten(variables)[POSITIONS].reshape(*size, 5)
  old = found[POSITIONS].reshape(8, 8, 5)
  np.testing.assert_allclose(
    table[:: size[0] - 1, :: size[1] - 1], old[::7, ::7]
  )
  assert_pretrained(variables, found, found.keys() - {POSITIONS})


def test_grids_of_as_many_positions_differ(tmp_path):
  path, found = saved(learned((4, 16)), tmp_path)
  _, variables, report = perceiver.load_for_finetuning(learned((16, 4)), path)
  assert report.interpolated == (POSITIONS,)
  assert np.abs(check.flatten(variables)[POSITIONS] - found[POSITIONS]).any()


def test_texts_may_become_longer(tmp_path):
  path, found = saved(released_models.language_model(), tmp_path)
  _, variables, report = perceiver.load_for_finetuning(
    released_models.language_model(max_length=20), path
  )
  assert report.interpolated == (
    "params:language_model/queries:embeddings",
    "params:language_model/text_input/learned_positions:embeddings",
  )
  assert not report.left_out
  assert not report.reinitialised
  for name in report.interpolated:
    table = check.flatten(variables)[name]
    assert table.shape == (20, 8)
    np.testing.assert_allclose(table[[0, -1]], found[name][[0, -1]])


def test_batch_statistics_are_kept(tmp_path):
  config = released_models.CONFIGS["imagenet_conv"]
  path, found = saved(config, tmp_path)
  new = dataclasses.replace(
    config.perceiver.decoder, output_channels=config.num_classes + 1
  )
  new = dataclasses.replace(
    config, perceiver=dataclasses.replace(config.perceiver, decoder=new)
  )
  _, variables, report = perceiver.load_for_finetuning(new, path)
  assert set(report.reinitialised) == {f"{HEAD}:b", f"{HEAD}:w"}
  state = {name for name in found if name.startswith("state:")}
  assert len(state) == 6
  assert_pretrained(variables, found, state)


def test_another_kind_of_decoder_is_reinitialised(tmp_path):
  path, found = saved(learned(), tmp_path)
  network = dataclasses.replace(
    learned().perceiver, decoder=decoder.MeanDecoderConfig(output_channels=3)
  )
  config = dataclasses.replace(learned(), perceiver=network)
  _, variables, report = perceiver.load_for_finetuning(config, path)
  assert set(report.reinitialised) == {f"{HEAD}:b", f"{HEAD}:w"}
  assert "params:classifier/queries:embeddings" in report.left_out
  assert all(
    name.startswith(("params:classifier/perceiver/decoder/", "params:class"))
    for name in report.left_out
  )
  assert_pretrained(variables, found, found.keys() - set(report.left_out))


def test_pickles_of_deepmind_need_their_model(tmp_path):
  model = perceiver.create(learned())
  variables = noise.variables(model)
  path = tmp_path / "model"
  files.save(path, model, variables)
  new = learned((4, 4), num_classes=2)
  with pytest.raises(perceiver.CheckpointError, match="name or config as well"):
    perceiver.load_for_finetuning(new, path)
  _, _, report = perceiver.load_for_finetuning(new, path, source=learned())
  assert report.interpolated == (POSITIONS,)
  assert report.reinitialised == (f"{HEAD}:b", f"{HEAD}:w")


def narrower(config):
  encoder = dataclasses.replace(config.perceiver.encoder, num_latents=3)
  network = dataclasses.replace(config.perceiver, encoder=encoder)
  return dataclasses.replace(config, perceiver=network)


def shallower(config):
  processor = dataclasses.replace(
    config.perceiver.processor, num_self_attends_per_block=2
  )
  network = dataclasses.replace(config.perceiver, processor=processor)
  return dataclasses.replace(config, perceiver=network)


def shuffled(config):
  return dataclasses.replace(
    config, inputs=dataclasses.replace(config.inputs, permutation_seed=1)
  )


@pytest.mark.parametrize(
  ("old", "new", "message"),
  [
    (
      learned(),
      narrower(learned()),
      r"perceiver/latents:embeddings as float32",
    ),
    (learned(), shallower(learned()), "Differences in all: 16"),
    (learned(), released_models.classifier(), "has no params:|image_input"),
    (
      released_models.classifier(),
      learned(),
      "has no params:classifier/image_",
    ),
    (shuffled(learned()), learned((4, 4)), "learned_positions:embeddings as"),
    (learned(), released_models.language_model(), "Differences in all"),
  ],
  ids=range(6),
)
def test_differences_before_the_latents_are_refused(
  old, new, message, tmp_path
):
  path, _ = saved(old, tmp_path)
  with pytest.raises(perceiver.CheckpointError, match=message) as caught:
    perceiver.load_for_finetuning(new, path)
  assert str(path) in str(caught.value)


def test_fourier_codes_need_nothing(tmp_path):
  small = released_models.classifier(size=(4, 4))
  assert isinstance(small.inputs.positions, position_encoding.Fourier)
  path, found = saved(released_models.classifier(), tmp_path)
  model, variables, report = perceiver.load_for_finetuning(small, path)
  assert report == ((), (), ())
  assert_pretrained(variables, found, found)
  images = np.zeros((1, 4, 4, 3), np.float32)
  assert model.apply(variables, images).shape == (1, 3)


VIDEO = dataclasses.replace(
  tiny_audioset.VIDEO.input, positions=position_encoding.Learned(channels=4)
)


@pytest.mark.parametrize(
  "config",
  [
    learned(),
    released_models.language_model(),
    tiny_audioset.model_config(
      dataclasses.replace(tiny_audioset.VIDEO, input=VIDEO),
      multimodal.ModalityConfig(
        name="label", input=multimodal.VectorInputConfig(channels=3)
      ),
    ),
  ],
  ids=range(3),
)
def test_tables_that_may_be_resized_are_those_of_the_model(config):
  params = perceiver.create(config).shapes().params
  tables = config.resizable_tables()
  learned_positions = {x for x in params if x.endswith("/learned_positions")}
  assert learned_positions
  assert learned_positions <= tables.keys()
  for module, grid in tables.items():
    assert params[module]["embeddings"].shape[0] == math.prod(grid)
