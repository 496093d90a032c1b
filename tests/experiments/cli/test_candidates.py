"""Classes of a model are held against those of the data."""

import dataclasses

import jax
import pytest

from experiments.cli import candidates
from experiments.data import fashion_mnist
from experiments.image_classification.fashion_mnist import configs
import perceiver

NAMES = fashion_mnist.CLASS_NAMES


def save(tmp_path, names):
  model = perceiver.create(configs.MINI.model)
  variables = model.init(jax.random.key(0))
  path = tmp_path / "model.safetensors"
  perceiver.save(path, dataclasses.replace(model, class_names=names), variables)
  return path


def load(tmp_path, names):
  return candidates.load(configs.MINI, save(tmp_path, names))


@pytest.mark.parametrize("names", [None, NAMES])
def test_the_same_classes_or_unknown_ones_are_taken(tmp_path, capsys, names):
  assert load(tmp_path, names).step is None
  assert "classes" not in "".join(capsys.readouterr())


def test_another_order_is_refused(tmp_path):
  order = (NAMES[1], NAMES[0], *NAMES[2:])
  with pytest.raises(perceiver.CheckpointError, match=r"class 0 of .* order"):
    load(tmp_path, order)


def test_another_order_of_a_run_is_refused(tmp_path):
  save(tmp_path, NAMES[::-1])
  with pytest.raises(perceiver.CheckpointError, match=r"class 0 of .* order"):
    candidates.load(configs.MINI, tmp_path)
  save(tmp_path, NAMES)
  with pytest.raises(FileNotFoundError, match="no checkpoint"):
    candidates.load(configs.MINI, tmp_path)


def test_other_names_are_told(tmp_path, capsys):
  load(tmp_path, ("a shirt", *NAMES[1:]))
  told = "".join(capsys.readouterr())
  assert "1 of 10 have other names" in told
  assert repr("a shirt") in told
  assert repr(NAMES[0]) in told
