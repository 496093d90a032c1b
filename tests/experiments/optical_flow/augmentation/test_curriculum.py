"""The phases of training."""

import chex
import numpy as np
from PIL import Image
import pytest

from experiments.data import loader
from experiments.optical_flow import examples
from experiments.optical_flow.augmentation import augment
from experiments.optical_flow.augmentation import backward_flow
from experiments.optical_flow.augmentation import curriculum
from experiments.optical_flow.benchmarks import flow_files
from experiments.optical_flow.benchmarks import pairs
from tests.helpers import tiny_flow

CONFIG = curriculum.CurriculumConfig(plain=0.25, growing=0.5)


@pytest.mark.parametrize(
  ("progress", "strength", "backward"),
  [
    (0.0, 0.0, True),
    (0.24, 0.0, True),
    (0.25, 0.0, False),
    (0.5, 0.5, False),
    (0.75, 1.0, False),
    (1.0, 1.0, False),
  ],
)
def test_phases(progress, strength, backward):
  assert CONFIG.strength(progress) == strength
  assert CONFIG.uses_backward_flow(progress) is backward


def test_phases_may_be_left_out():
  at_once = curriculum.CurriculumConfig(plain=0.0, growing=0.0)
  assert at_once.strength(0.0) == 1.0
  assert not at_once.uses_backward_flow(0.0)
  never = curriculum.CurriculumConfig(plain=1.0, growing=0.0)
  assert never.strength(0.999) == 0.0


@pytest.mark.parametrize(("plain", "growing"), [(0.6, 0.5), (-0.1, 0.5)])
def test_phases_that_do_not_fit_are_refused(plain, growing):
  with pytest.raises(ValueError, match="together at most 1"):
    curriculum.CurriculumConfig(plain=plain, growing=growing)


def transform(size=tiny_flow.SIZE):
  return curriculum.TrainTransform(
    source=tiny_flow.Translations(),
    curriculum=CONFIG,
    augmentation=augment.AugmentationConfig(box_sides=(3, 5)),
    size=size,
  )


def test_half_of_the_first_pairs_have_backward_flow():
  source = tiny_flow.Translations()
  expected = [source[2].flow, source.backward(2).flow]
  found = [
    transform()(2, np.random.default_rng(seed))["flow"] for seed in range(40)
  ]
  backward = [np.array_equal(flow, expected[1]) for flow in found]
  assert 10 < sum(backward) < 30
  for flow, is_backward in zip(found, backward):
    np.testing.assert_array_equal(flow, expected[is_backward])


def test_the_generator_is_not_used_for_direction_after_the_first_phase():
  example = tiny_flow.Translations()[1]
  expected = augment.augment(
    example,
    np.random.default_rng(3),
    size=tiny_flow.SIZE,
    config=transform().augmentation,
    strength=0.5,
  )
  found = transform()(1, np.random.default_rng(3), 0.5)
  np.testing.assert_array_equal(found["frames"], expected.frames)
  np.testing.assert_array_equal(found["flow"], expected.flow)


def test_pairs_in_files_have_approximate_backward_flow(tmp_path):
  example = tiny_flow.Translations()[2]
  paths = (tmp_path / "0.png", tmp_path / "1.png")
  for path, frame in zip(paths, example.frames):
    Image.fromarray(frame).save(path)
  flow_files.write_flo(tmp_path / "0.flo", example.flow)
  pair = pairs.Pair(name=example.name, frames=paths, flow=tmp_path / "0.flo")
  found = pairs.PairSource((pair,)).backward(0)
  expected = backward_flow.approximate(example)
  for name in ("frames", "flow", "valid"):
    np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def split(total=32):
  size = len(tiny_flow.Translations())
  return loader.Split(range(size), transform(), "translations", total)


def batches(number, start_step=0):
  iterator = loader.train_batches(
    split(), batch_size=4, seed=3, start_step=start_step
  )
  found = [next(iterator) for _ in range(number)]
  iterator.close()
  return found


def test_a_run_goes_through_all_phases():
  found = batches(8)
  assert found[0]["frames"].shape == (4, 2, *tiny_flow.SIZE, 3)
  assert found[0]["frames"].dtype == np.uint8
  flows = [batch["flow"][batch["valid"]] for batch in found]
  whole = [np.array_equal(flow, np.rint(flow)) for flow in flows]
  assert whole[:2] == [True, True]  # a quarter of the run: nothing is scaled
  assert whole[-2:] == [False, False]
  # Forward flow only goes up, backward flow down.
  up = [set(np.unique(flow[:, 1])) for flow in flows]
  assert up[0] | up[1] == {-1.0, 1.0}


def test_an_interrupted_run_gets_the_same_batches():
  whole = batches(8)
  for start in (1, 5):
    chex.assert_trees_all_equal(whole[start:], batches(8 - start, start))


def test_entries_are_those_of_the_example():
  example = tiny_flow.Translations()[1]
  assert isinstance(example, examples.FlowExample)
  entries = curriculum.to_entries(example)
  assert set(entries) == {"frames", "flow", "valid"}
