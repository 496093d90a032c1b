"""What training shows when."""

import dataclasses

import numpy as np
import pytest

from experiments.data import loader
from experiments.optical_flow import examples
from experiments.optical_flow.augmentation import augmentation
from experiments.optical_flow.augmentation import backward_flow
from experiments.optical_flow.augmentation import curriculum
from tests.helpers import tiny_flow

CONFIG = curriculum.CurriculumConfig(plain=0.25, growing=0.5)


@pytest.mark.parametrize(
  ("progress", "strength", "reverses"),
  [
    (0.0, 0.0, True),
    (0.24, 0.0, True),
    (0.25, 0.0, False),
    (0.5, 0.5, False),
    (0.75, 1.0, False),
    (1.0, 1.0, False),
  ],
)
def test_phases(progress, strength, reverses):
  assert CONFIG.strength(progress) == strength
  assert CONFIG.reverses(progress) is reverses


def test_phases_may_be_left_out():
  at_once = curriculum.CurriculumConfig(plain=0.0, growing=0.0)
  assert at_once.strength(0.0) == 1.0
  assert not at_once.reverses(0.0)
  never = curriculum.CurriculumConfig(plain=1.0, growing=0.0)
  assert never.strength(0.999) == 0.0


@pytest.mark.parametrize(("plain", "growing"), [(0.6, 0.5), (-0.1, 0.5)])
def test_phases_that_do_not_fit_are_refused(plain, growing):
  with pytest.raises(ValueError, match="together at most 1"):
    curriculum.CurriculumConfig(plain=plain, growing=growing)


class _Told:
  """A source that knows the other direction."""

  def __len__(self):
    return 1

  def __getitem__(self, index):
    return _example(f"forth {index}")

  def reversed_example(self, index):
    return _example(f"back {index}")


def _example(name):
  translation = tiny_flow.Translations()[0]
  return dataclasses.replace(translation, name=name)


def test_a_source_may_know_the_other_direction():
  pair = curriculum.BothWays(_Told())[0]
  assert pair.read().name == "forth 0"
  assert pair.read(reverse=True).name == "back 0"


def test_otherwise_the_reverse_is_approximate():
  source = tiny_flow.Translations()
  pairs = curriculum.BothWays(source)
  assert len(pairs) == 8
  found = pairs[2].read(reverse=True)
  expected = backward_flow.reverse(source[2])
  np.testing.assert_array_equal(found.frames, source[2].frames[::-1])
  np.testing.assert_array_equal(found.flow, expected.flow)
  np.testing.assert_array_equal(found.valid, expected.valid)


def split(total=32, **config):
  source = curriculum.BothWays(tiny_flow.Translations())
  schedule = curriculum.Curriculum(
    config=dataclasses.replace(CONFIG, **config),
    total_examples=total,
    size=tiny_flow.SIZE,
    augmentation=augmentation.AugmentationConfig(box_sides=(3, 5)),
  )
  return loader.Split(source, schedule(0), "translations", schedule)


def batches(number, start_step=0, **config):
  iterator = loader.train_batches(
    split(**config), batch_size=4, seed=3, start_step=start_step
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
  # What only moves up, and moves down when reversed.
  up = [set(np.unique(flow[:, 1])) for flow in flows]
  assert up[0] | up[1] == {-1.0, 1.0}


def test_an_interrupted_run_sees_the_same():
  whole = batches(8)
  for start in (1, 5):
    rest = batches(8 - start, start)
    for one, other in zip(whole[start:], rest):
      for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_entries_are_those_of_the_example():
  example = tiny_flow.Translations()[1]
  assert isinstance(example, examples.FlowExample)
  entries = curriculum.to_entries(example)
  assert set(entries) == {"frames", "flow", "valid"}
