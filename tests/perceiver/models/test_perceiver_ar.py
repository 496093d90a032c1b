"""The published configurations of Perceiver AR."""

import json

import numpy as np
import pytest

import perceiver
from perceiver.checkpoints.deepmind import files
from perceiver.models import perceiver_ar
from tests.helpers import perceiver_ar_goldens as goldens

# Trained parameters, and those of the released code's fixed table.
COUNTS = {
  "perceiver_ar_mirrored_32": (26_776_835, 33_792),
  "perceiver_ar_mirrored_131072": (89_757_955, 134_218_752),
  "perceiver_ar_imagenet_64": (770_094_339, 0),
}
RELEASED = {
  "perceiver_ar_mirrored_32": "random_mirrored_32",
  "perceiver_ar_mirrored_131072": "random_mirrored_131072",
  "perceiver_ar_imagenet_64": "imagenet_w_positions",
}


def test_table_is_complete():
  assert COUNTS.keys() == perceiver_ar.CONFIGS.keys()


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_have_released_names_shapes_and_number(name):
  model = perceiver.create(name)
  trained, fixed = COUNTS[name]
  assert model.num_parameters() == trained
  released = json.loads((goldens.FOLDER / "parameters.json").read_text())
  mine = {
    (module, key): array.shape
    for module, entries in files.shapes(model).params.items()
    for key, array in entries.items()
  }
  assert mine == {
    (module, key): tuple(shape)
    for module, entries in released[RELEASED[name]].items()
    for key, shape in entries.items()
  }
  sizes = [np.prod(shape) for shape in mine.values()]
  assert sum(sizes) == trained + fixed


@pytest.mark.parametrize("name", perceiver_ar.CONFIGS)
def test_operations_are_counted(name):
  model = perceiver.create(name)
  assert model.num_flops() == model.num_flops(reference=True) > 0
