"""Work in processes that die."""

import os

import pytest

from experiments.data import parallel


def square(number):
  if number == 3:
    os._exit(1)  # as a fault in a library does
  return number**2


@pytest.mark.parametrize("workers", [0, 2])
def test_results_are_in_order(workers):
  numbers = [5, 2, 4, 1]
  found = parallel.ordered_map(square, numbers, workers, died=str)
  assert list(found) == [25, 4, 16, 1]


def test_a_process_that_dies_costs_its_own_item_only():
  found = parallel.ordered_map(square, range(7), 2, died=str)
  assert list(found) == [0, 1, 4, "3", 16, 25, 36]


def test_an_error_after_a_death_is_the_one_that_is_raised():
  found = parallel.ordered_map(square, [3], 1, died=lambda item: {}[item])
  with pytest.raises(KeyError, match="3"):
    list(found)
