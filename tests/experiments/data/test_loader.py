"""Batches for any number of processes, threads and workers."""

import dataclasses
import hashlib
import itertools

import chex
import numpy as np
import pytest

from experiments.data import loader


class _Squares:
  """Example i is i squared."""

  def __init__(self, size):
    self.size = size

  def __len__(self):
    return self.size

  def __getitem__(self, index):
    if not 0 <= index < self.size:
      raise IndexError(index)
    return int(index) ** 2


def _transform(example, generator):
  return {
    "value": np.array(example, np.int64),
    "noise": generator.uniform(size=3).astype(np.float32),
  }


def _split(size):
  return loader.Split(_Squares(size), _transform, "squares")


def _take(batches, number):
  taken = list(itertools.islice(batches, number))
  batches.close()
  return taken


def _train(number, **kwargs):
  kwargs = {"batch_size": 4, "seed": 7, **kwargs}
  return _take(loader.train_batches(_split(10), **kwargs), number)


def _joined(shares):
  """The global batches, from each process's."""
  return [
    {key: np.concatenate([b[key] for b in batches]) for key in batches[0]}
    for batches in zip(*shares)
  ]


def test_training_batches_have_values_noise_and_weights_of_one():
  (batch,) = _train(1)
  assert set(batch) == {"value", "noise", "weight"}
  assert batch["value"].shape == (4,)
  assert batch["noise"].shape == (4, 3)
  assert batch["weight"].dtype == np.float32
  np.testing.assert_array_equal(batch["weight"], np.ones(4))


@pytest.mark.parametrize("process_count", [2, 4])
def test_global_training_batches_do_not_depend_on_process_count(process_count):
  shares = [
    _train(6, process_index=p, process_count=process_count)
    for p in range(process_count)
  ]
  chex.assert_trees_all_equal(_joined(shares), _train(6))


@pytest.mark.parametrize("start_step", [1, 3, 5])
def test_a_later_first_step_continues_an_uninterrupted_run(start_step):
  later = _train(6 - start_step, start_step=start_step)
  chex.assert_trees_all_equal(later, _train(6)[start_step:])


def test_a_later_first_step_continues_on_every_process():
  share = _train(6, process_index=1, process_count=2)
  later = _train(4, start_step=2, process_index=1, process_count=2)
  chex.assert_trees_all_equal(later, share[2:])


def test_batches_do_not_depend_on_threads():
  chex.assert_trees_all_equal(
    _train(6, num_threads=0), _train(6, num_threads=3)
  )


def test_batches_do_not_depend_on_worker_processes():
  chex.assert_trees_all_equal(_train(4, num_workers=2), _train(4))


def test_seed_decides_order_and_noise():
  hashes = {
    hashlib.sha256(_train(1, seed=s)[0][key].tobytes()).hexdigest()
    for s in (1, 2)
    for key in ("value", "noise")
  }
  assert len(hashes) == 4


def test_every_epoch_has_every_example_in_a_new_order_with_new_noise():
  batches = _train(5)  # 20 examples of 10
  values = np.concatenate([b["value"] for b in batches])
  noise = np.concatenate([b["noise"] for b in batches])
  squares = np.arange(10) ** 2
  np.testing.assert_array_equal(np.sort(values[:10]), squares)
  np.testing.assert_array_equal(np.sort(values[10:]), squares)
  assert not np.array_equal(values[:10], values[10:])
  assert len(np.unique(noise)) == 60


def test_a_batch_may_be_larger_than_the_split():
  (batch,) = _train(1, batch_size=20)
  np.testing.assert_array_equal(
    np.sort(batch["value"]), np.repeat(np.arange(10) ** 2, 2)
  )


def _with_progress(example, generator, progress=-1.0):
  return {"progress": np.array(progress), **_transform(example, generator)}


def _progressive(size=10):
  return dataclasses.replace(
    _split(size), transform=_with_progress, total_examples=20
  )


def _growing(**kwargs):
  kwargs = {"batch_size": 4, "seed": 7, **kwargs}
  return loader.train_batches(_progressive(), **kwargs)


def test_transforms_depend_on_the_progress_of_the_run():
  batches = _take(_growing(), 5)
  progress = np.concatenate([b["progress"] for b in batches])
  np.testing.assert_array_equal(progress, np.arange(20) / 20)


@pytest.mark.parametrize("kwargs", [{"num_threads": 0}, {"num_workers": 1}])
def test_transforms_with_progress_resume_exactly(kwargs):
  whole = _take(_growing(), 6)
  chex.assert_trees_all_equal(
    _take(_growing(start_step=2, **kwargs), 4), whole[2:]
  )
  shares = [
    _take(_growing(start_step=2, process_index=p, process_count=2), 4)
    for p in range(2)
  ]
  chex.assert_trees_all_equal(_joined(shares), whole[2:])


def test_evaluation_has_no_progress():
  (batch,) = loader.eval_batches(_progressive(3), batch_size=3)
  np.testing.assert_array_equal(batch["progress"], [-1, -1, -1])


def test_resuming_far_along_is_immediate():
  (batch,) = _train(1, start_step=10_000_000)
  assert batch["value"].shape == (4,)


def _evaluate(size, batch_size, process_count, **kwargs):
  shares = [
    list(
      loader.eval_batches(
        _split(size),
        batch_size=batch_size,
        process_index=p,
        process_count=process_count,
        **kwargs,
      )
    )
    for p in range(process_count)
  ]
  assert len({len(share) for share in shares}) == 1
  return _joined(shares)


@pytest.mark.parametrize("size", [1, 7, 8])
@pytest.mark.parametrize(
  ("batch_size", "process_count"), [(1, 1), (3, 1), (4, 2), (4, 4), (16, 4)]
)
def test_evaluation_sees_every_example_once(size, batch_size, process_count):
  batches = _evaluate(size, batch_size, process_count)
  assert len(batches) == -(-size // batch_size)
  assert {b["value"].shape for b in batches} == {(batch_size,)}
  values = np.concatenate([b["value"] for b in batches])
  weights = np.concatenate([b["weight"] for b in batches])
  padding = len(values) - size
  squares = np.arange(size) ** 2
  np.testing.assert_array_equal(values[:size], squares)
  np.testing.assert_array_equal(values[size:], [squares[-1]] * padding)
  np.testing.assert_array_equal(weights, [1] * size + [0] * padding)
  assert weights.dtype == np.float32


def test_evaluation_by_worker_processes_is_the_same():
  chex.assert_trees_all_equal(
    _evaluate(7, 4, 1, num_workers=1), _evaluate(7, 4, 1)
  )


def test_batches_can_be_left_unread():
  iterator = loader.train_batches(_split(10), batch_size=2, seed=0)
  iterator.close()
  with pytest.raises(StopIteration):
    next(iterator)


@pytest.mark.parametrize(
  ("size", "kwargs", "message"),
  [
    (0, {}, 'split "squares" has no examples'),
    (5, {"batch_size": 3, "process_count": 2}, "batch_size 3 must be a posit"),
    (5, {"batch_size": 0}, "batch_size 0 must be a positive multiple"),
    (5, {"process_index": 1}, r"process_index must be in \[0, 1\), not 1"),
    (5, {"num_workers": -1}, "num_workers must be 0 or more"),
  ],
)
def test_impossible_requests_are_refused_at_once(size, kwargs, message):
  kwargs = {"batch_size": 2, **kwargs}
  with pytest.raises(ValueError, match=message):
    loader.eval_batches(_split(size), **kwargs)
  with pytest.raises(ValueError, match=message):
    loader.train_batches(_split(size), seed=0, **kwargs)


def test_negative_start_step_is_refused():
  with pytest.raises(ValueError, match="start_step must be 0 or more, not -1"):
    _train(1, start_step=-1)


def test_transform_may_not_give_a_weight():
  split = loader.Split(
    _Squares(3), lambda example, generator: {"weight": np.ones(())}, "w"
  )
  with pytest.raises(ValueError, match='transform of split "w" gives an entry'):
    next(loader.eval_batches(split, batch_size=1))


def test_examples_from_all_over_a_split():
  batch = loader.stacked(_split(10), 4)
  assert batch["value"].tolist() == [0, 9, 36, 81]
  assert batch["noise"].shape == (4, 3)
