"""Batches of examples: the same for any number of processes and workers.

Example number i of a run, with its augmentation, depends on the seed and on i
alone. A global batch is a slice of consecutive examples, and a process's share
is a slice of that; a run resumes at a step by slicing.
"""

from collections.abc import Callable, Generator, Iterator
import contextlib
import dataclasses
import errno
import functools
import multiprocessing
import os
import re
import threading
from typing import Any, Protocol

from absl import flags
import grain
import numpy as np

from experiments.cluster import machine
from experiments.cluster import signals
from perceiver import errors

Batches = Generator[dict[str, np.ndarray], None, None]
# transform(raw, generator) or transform(raw, generator, progress)
Transform = Callable[..., dict[str, np.ndarray]]

# Batches that threads prepare ahead of the one in use.
_BATCHES_AHEAD = 2


class WorkerError(errors.PerceiverError, RuntimeError):
  """A process that prepares examples has died."""


class Source(Protocol):
  """Raw examples that can be read in any order."""

  def __len__(self) -> int:
    """Returns the number of examples."""

  def __getitem__(self, index: int, /) -> Any:
    """Returns a raw example."""


@dataclasses.dataclass(frozen=True)
class Split:
  """Examples that can be read in any order, and their transform.

  Attributes:
    source: raw examples. With worker processes it must survive pickling.
    transform: turns a raw example into arrays of one shape for all examples.
      All its randomness comes from the generator that is its second argument;
      transforms for evaluation ignore it. With worker processes it must survive
      pickling.
    name: of the split, for messages, from `split_name`.
    total_examples: examples of the training run, through all epochs, if the
      transform changes as training goes on: in training, its third argument
      `progress` is the part of the run that is over, in [0, 1). Without that
      argument it has the default of the transform.
  """

  source: Source
  transform: Transform
  name: str
  total_examples: int | None = None


def split_name(dataset: str, part: str, *, official: bool = True) -> str:
  """Returns the name of a part of a data set.

  Args:
    dataset: kind of data set, such as "kinetics"; not the name of a folder.
    part: such as "validation", or a slice of it.
    official: whether it is all of the data set's own part, so that published
      numbers compare.
  """
  return f"{dataset} {part}{'' if official else ', not the official one'}"


def first(split: Split, count: int) -> Split:
  """Returns a split of the first `count` examples, or of all if it has less."""
  source = grain.MapDataset.source(split.source)[:count]
  return dataclasses.replace(split, source=source)


def stacked(split: Split, count: int) -> dict[str, np.ndarray]:
  """Returns `count` examples from all over a split, stacked."""
  rows = np.linspace(0, len(split.source) - 1, count).astype(int)
  examples = [
    split.transform(split.source[int(row)], np.random.default_rng(0))
    for row in rows
  ]
  return {name: np.stack([e[name] for e in examples]) for name in examples[0]}


def train_batches(
  split: Split,
  *,
  batch_size: int,
  seed: int,
  start_step: int = 0,
  process_index: int = 0,
  process_count: int = 1,
  num_threads: int | None = None,
  num_workers: int = 0,
) -> Batches:
  """Yields shuffled batches for ever, in a new order every epoch.

  Examples are neither dropped nor padded at the end of an epoch: a batch may
  hold the end of one epoch and the start of the next.

  Args:
    split: the examples.
    batch_size: examples in the global batch, a multiple of `process_count`.
    seed: decides the order and all augmentation.
    start_step: number of batches to skip; the rest are as if they had been
      read.
    process_index: number of this process.
    process_count: number of processes that share a batch. Process 0 gets the
      first of its examples, the last process the last.
    num_threads: threads that read and transform; None is one per core. Unused
      with worker processes.
    num_workers: processes that read and transform; 0 uses threads instead.

  Returns:
    An iterator over this process's share, [batch_size / process_count, ...] for
    each entry of an example, and "weight", float32 ones. `close()` stops its
    threads and processes.

  Raises:
    ValueError: the split is empty, or the numbers do not fit one another.
  """
  share = _share(split, batch_size, process_index, process_count)
  if start_step < 0:
    raise ValueError(f"start_step must be 0 or more, not {start_step}")
  dataset = grain.MapDataset.source(split.source).seed(seed).shuffle().repeat()
  total = split.total_examples
  if total is None:
    dataset = dataset.random_map(functools.partial(_transform, split))
  else:
    dataset = dataset.map_with_index(
      lambda number, example: (example, number / total)
    ).random_map(
      lambda pair, generator: _transform(split, pair[0], generator, pair[1])
    )
  dataset = _process_share(dataset, share, process_index, process_count)
  return _batches(
    dataset[start_step * share :], share, num_threads, num_workers
  )


def eval_batches(
  split: Split,
  *,
  batch_size: int,
  process_index: int = 0,
  process_count: int = 1,
  num_threads: int | None = None,
  num_workers: int = 0,
) -> Batches:
  """Yields every example of a split once, in order.

  All processes get the same number of batches, ceil(len / batch_size). The last
  global batch is filled up with copies of the last example, whose "weight" is
  0.

  Args:
    split: the examples.
    batch_size: examples in the global batch, a multiple of `process_count`.
    process_index: number of this process.
    process_count: number of processes that share a batch. Process 0 gets the
      first of its examples, the last process the last.
    num_threads: threads that read and transform; None is one per core. Unused
      with worker processes.
    num_workers: processes that read and transform; 0 uses threads instead.

  Returns:
    An iterator over this process's share, [batch_size / process_count, ...] for
    each entry of an example, and "weight", float32, 1 for examples and 0 for
    padding. `close()` stops its threads and processes.

  Raises:
    ValueError: the split is empty, or the numbers do not fit one another.
  """
  share = _share(split, batch_size, process_index, process_count)
  num_batches = -(-len(split.source) // batch_size)
  dataset = grain.MapDataset.range(num_batches * batch_size)
  dataset = dataset.map(functools.partial(_padded_example, split))
  dataset = _process_share(dataset, share, process_index, process_count)
  return _batches(dataset, share, num_threads, num_workers)


def _share(
  split: Split, batch_size: int, process_index: int, process_count: int
) -> int:
  """Returns the examples per batch and process, after checking the numbers."""
  if len(split.source) == 0:
    raise ValueError(f'split "{split.name}" has no examples')
  if not 0 <= process_index < process_count:
    raise ValueError(
      f"process_index must be in [0, {process_count}), not {process_index}"
    )
  if batch_size < 1 or batch_size % process_count:
    raise ValueError(
      f"batch_size {batch_size} must be a positive multiple of the number of "
      f"processes, {process_count}"
    )
  return batch_size // process_count


def _process_share(
  dataset: grain.MapDataset, share: int, process_index: int, process_count: int
) -> grain.MapDataset:
  """Returns the examples of one process, `share` of every global batch."""
  if process_count == 1:
    return dataset

  def example(number: int) -> dict[str, np.ndarray]:
    batch, row = divmod(int(number), share)
    return dataset[(batch * process_count + process_index) * share + row]

  return grain.MapDataset.range(len(dataset) // process_count).map(example)


def _transform(
  split: Split, raw: Any, generator: np.random.Generator, *progress: float
) -> dict[str, np.ndarray]:
  """Transforms an example of a split and gives it the weight 1."""
  example = split.transform(raw, generator, *progress)
  if "weight" in example:
    raise ValueError(
      f'the transform of split "{split.name}" gives an entry "weight", which '
      "belongs to the loader"
    )
  return {**example, "weight": np.ones((), np.float32)}


def _padded_example(split: Split, index: int) -> dict[str, np.ndarray]:
  """Returns example `index`, or a copy of the last one with weight 0."""
  last = len(split.source) - 1
  raw = split.source[min(index, last)]
  example = _transform(split, raw, np.random.default_rng(index))
  return {**example, "weight": np.array(index <= last, np.float32)}


def _batches(
  dataset: grain.MapDataset,
  size: int,
  num_threads: int | None,
  num_workers: int,
) -> Batches:
  """Batches examples that threads prepare, or has processes prepare batches."""
  if num_threads is None:
    num_threads = len(os.sched_getaffinity(0))
  if num_threads < 0 or num_workers < 0:
    raise ValueError(
      "num_threads and num_workers must be 0 or more, not "
      f"{num_threads} and {num_workers}"
    )
  if num_workers == 0:
    ahead = _BATCHES_AHEAD * size if num_threads else 0
    options = grain.ReadOptions(
      num_threads=num_threads, prefetch_buffer_size=ahead
    )
    examples = dataset.to_iter_dataset(options)
    return _closing(examples.batch(size, drop_remainder=True))
  if not flags.FLAGS.is_parsed():
    flags.FLAGS.mark_as_parsed()  # Grain's workers read them.
  # Batched before the workers: Grain would lose rows the other way round.
  options = grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
  batches = dataset.batch(size, drop_remainder=True).to_iter_dataset(options)
  workers = grain.MultiprocessingOptions(num_workers=num_workers)
  return _closing(batches.mp_prefetch(workers, _end_with_run), num_workers)


def _end_with_run(index: int, count: int) -> None:
  """Makes this process, a worker, end when the run's is killed."""
  del index, count

  def wait() -> None:
    run = multiprocessing.parent_process()
    assert run is not None
    run.join()
    os._exit(1)

  threading.Thread(target=wait, daemon=True).start()


def _closing(dataset: grain.IterDataset, num_workers: int = 0) -> Batches:
  """Yields all of a data set, names dead workers, and stops its threads."""
  with _naming_dead_workers(), contextlib.ExitStack() as stack:
    iterator = iter(dataset)
    stack.callback(iterator.close)
    # Workers, which start with their first batches, leave signals to the run.
    for _ in range(num_workers):
      with signals.not_inherited():
        batch = next(iterator, None)
      if batch is None:
        return
      yield batch
    yield from iterator


@contextlib.contextmanager
def _naming_dead_workers() -> Iterator[None]:
  try:
    yield
  except RuntimeError as error:
    # Grain has no error class for it.
    code = re.search(r"exit code (-?\d+)", str(error))
    if code is None:
      raise
    raise WorkerError(
      "A process that prepares examples has died; "
      f"{machine.cause_of_death(int(code[1]))}. ({error})"
    ) from error
  except OSError as error:
    if error.filename or error.errno != errno.ENOSPC:
      raise
    # Semaphores are files in shared memory, and have no names.
    raise WorkerError(
      "The processes that prepare examples cannot start; "
      f"{machine.cause_of_death(None)}. ({error})"
    ) from error
