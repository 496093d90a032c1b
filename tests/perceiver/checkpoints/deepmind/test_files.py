"""Files in the form of DeepMind's releases, there and back."""

import pickle

import jax
import numpy as np
import pytest

import perceiver
from perceiver.checkpoints.deepmind import files
from tests.helpers import noise
from tests.helpers import released
from tests.helpers import released_models
from tests.helpers import trees

NAMES = sorted(released_models.CONFIGS)


@pytest.fixture
def path(tmp_path):
  return tmp_path / "weights.pystate"


def small(name):
  model = perceiver.create(released_models.CONFIGS[name])
  return model, noise.variables(model)


def test_all_released_models_are_known():
  assert set(files.RELEASED) == set(NAMES)
  assert set(files.RELEASED) == set(released.released_shapes())


@pytest.mark.parametrize("name", NAMES)
def test_there_and_back_nothing_changes(name, path):
  model, variables = small(name)
  files.save(path, model, variables)
  assert list(path.parent.iterdir()) == [path]
  trees.assert_identical(files.load(model, path), variables)


@pytest.mark.parametrize("name", NAMES)
def test_the_form_is_the_released_one(name, path):
  model, variables = small(name)
  files.save(path, model, variables)
  content = pickle.loads(path.read_bytes())
  if name.startswith("imagenet"):
    assert sorted(content) == ["params", "state"]
    expected = released.released_shapes()[name]["state"] or {}
    assert set(content["state"]) == set(expected)
    content = content["params"]
  # The released ones have more layers.
  assert set(content) <= set(released.released_shapes()[name]["params"])
  assert all(type(entries) is dict for entries in content.values())


@pytest.mark.parametrize("name", NAMES)
def test_both_forms_are_read_for_all(name, path):
  model, variables = small(name)
  params, state = files.to_theirs(model, variables)
  forms = [{"params": params, "state": state}]
  forms += [] if state else [params, {"params": params}]
  for form in forms:
    path.write_bytes(pickle.dumps(form))
    trees.assert_identical(files.load(model, path), variables)


@pytest.mark.parametrize("name", ["imagenet_conv", "video_autoencoding"])
def test_the_six_are_recognised(name, path):
  model = perceiver.create(name)
  zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), model.shapes())
  files.save(path, model, zeros)
  found, variables = files.identify(path)
  assert found == model
  trees.assert_identical(variables, zeros)


def test_none_of_the_six_is_refused(path):
  model, variables = small("optical_flow")
  files.save(path, model, variables)
  with pytest.raises(perceiver.CheckpointError, match="are not those of imag"):
    files.identify(path)


def changed(name, change, path):
  """Returns why a changed file is refused."""
  model, variables = small(name)
  params, state = files.to_theirs(model, variables)
  change(params)
  path.write_bytes(pickle.dumps({"params": params, "state": state}))
  with pytest.raises(perceiver.CheckpointError) as caught:
    files.load(model, path)
  assert str(path) in str(caught.value)
  return str(caught.value)


LAYER = "perceiver_encoder/~/self_attention_1/mlp/linear"


@pytest.mark.parametrize(
  ("change", "messages"),
  [
    (
      lambda x: x.update({LAYER + "_9": x.pop(LAYER)}),
      [f"has no params:{LAYER}:b (it has params:{LAYER}_9:b)", "in all: 4."],
    ),
    (
      lambda x: x[LAYER].pop("w"),
      [f"has no params:{LAYER}:w; expected float32[8, 8]", "in all: 1."],
    ),
    (
      lambda x: x[LAYER].update(scale=np.zeros(3)),
      [f"has params:{LAYER}:scale; expected no such array"],
    ),
    (
      lambda x: x[LAYER].update(w=np.zeros((8, 9), np.float32)),
      [f"{LAYER}:w as float32[8, 9]; expected float32[8, 8]"],
    ),
    (
      lambda x: x[LAYER].update(w=x[LAYER]["w"].T[None]),
      [f"{LAYER}:w as float32[1, 8, 8]; expected float32[8, 8]"],
    ),
    (
      lambda x: x[LAYER].update(w=x[LAYER]["w"].astype(np.float64)),
      [f"{LAYER}:w as float64[8, 8]; expected float32[8, 8]"],
    ),
    (
      lambda x: x[LAYER].update(w={"w": x[LAYER]["w"]}),
      [f"is not of a Haiku model: params:{LAYER} holds mappings"],
    ),
    (
      lambda x: x.update({LAYER: np.zeros(3)}),
      [f"is not of a Haiku model: params:{LAYER} is an array"],
    ),
    (dict.clear, ["has no params:", "in all: 88."]),
  ],
  ids=range(9),
)
def test_other_arrays_are_refused(change, messages, path):
  found = changed("imagenet_fourier", change, path)
  for message in messages:
    assert message in found


def test_state_of_a_model_without_any_is_refused(path):
  model, variables = small("imagenet_fourier")
  params, _ = files.to_theirs(model, variables)
  state = {"norm": {"average": np.zeros(3)}}
  path.write_bytes(pickle.dumps({"params": params, "state": state}))
  with pytest.raises(perceiver.CheckpointError, match="state:norm:average"):
    files.load(model, path)


def test_a_failed_write_leaves_nothing(path, monkeypatch):
  model, variables = small("optical_flow")

  def fail(*args, **kwargs):
    args[1].write(b"half")
    raise OSError("disk full")

  monkeypatch.setattr(pickle, "dump", fail)
  with pytest.raises(OSError, match="disk full"):
    files.save(path, model, variables)
  assert not list(path.parent.iterdir())


def test_models_that_were_not_released_are_refused(path):
  model = perceiver.create("perceiver_modelnet40")
  with pytest.raises(ValueError, match="no PointClassifierConfig was released"):
    files.save(path, model, noise.variables(model))
  assert not list(path.parent.iterdir())
