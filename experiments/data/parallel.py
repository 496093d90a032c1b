"""Work shared among processes, any of which may die of it."""

import collections
from collections.abc import Callable, Generator, Iterable
from concurrent import futures
from concurrent.futures import process
import itertools
import multiprocessing
from typing import TypeVar

from experiments.cluster import signals

T = TypeVar("T")
R = TypeVar("R")


def ordered_map(
  function: Callable[[T], R],
  items: Iterable[T],
  workers: int,
  died: Callable[[T], R],
) -> Generator[R, None, None]:
  """Yields a function's results, in order, a few items ahead.

  Args:
    function: survives pickling, as items and results do.
    items: its arguments.
    workers: processes that work; 0 works in this one.
    died: result for an item of which a process dies, as in a fault of a
      library or for lack of memory.
  """
  if not workers:
    yield from map(function, items)
    return
  items = iter(items)
  waiting: collections.deque[tuple[T, futures.Future[R]]] = collections.deque()
  pool = _pool(workers)
  try:
    while True:
      for item in itertools.islice(items, 2 * workers - len(waiting)):
        waiting.append((item, _submit(pool, function, item)))
      if not waiting:
        return
      item, future = waiting.popleft()
      try:
        result = future.result()
      except process.BrokenProcessPool:  # of this item, or of another
        _end(pool)
        pool = _pool(workers)
        result = _alone(function, item, died)
        again = [(x, _submit(pool, function, x)) for x, _ in waiting]
        waiting = collections.deque(again)
      yield result
  finally:
    _end(pool)


def _end(pool: futures.ProcessPoolExecutor) -> None:
  """Ends all processes of a pool, whatever they do.

  They block the signal by which Python ends them once one has died.
  """
  for worker in list(pool._processes.values()):
    worker.kill()
  pool.shutdown(cancel_futures=True)


def _pool(workers: int) -> futures.ProcessPoolExecutor:
  context = multiprocessing.get_context("spawn")
  return futures.ProcessPoolExecutor(workers, mp_context=context)


def _submit(
  pool: futures.ProcessPoolExecutor, function: Callable[[T], R], item: T
) -> "futures.Future[R]":
  try:
    with signals.not_inherited():  # The processes leave signals to this one.
      return pool.submit(function, item)
  except process.BrokenProcessPool as error:
    broken: futures.Future[R] = futures.Future()
    broken.set_exception(error)
    return broken


def _alone(function: Callable[[T], R], item: T, died: Callable[[T], R]) -> R:
  with _pool(1) as pool:
    try:
      return _submit(pool, function, item).result()
    except process.BrokenProcessPool:
      return died(item)
