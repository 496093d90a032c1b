"""Examples of unequal length in rows."""

import numpy as np
import pytest

from experiments.data import packing


def test_rows_are_filled_in_order():
  assert packing.plan([3, 4, 2, 9, 1, 1, 1, 1], 9, 3) == [
    (0, 3),
    (3, 4),
    (4, 7),
    (7, 8),
  ]
  assert not packing.plan([], 9, 3)
  with pytest.raises(ValueError, match="example 1 has 10 positions"):
    packing.plan([3, 10], 9, 3)


def test_a_row_has_its_examples_and_zeros():
  source = [3, 1, 4]
  transform = lambda n, _: {
    "points": np.full((n, 2), n, np.float32),
    "labels": np.int32(n),
  }
  rows = packing.Rows(source, packing.plan(source, 6, 3))
  assert len(rows) == 2
  pack = packing.Pack(transform, ("points",), 6, 3)
  found = pack(rows[0], np.random.default_rng(0))
  np.testing.assert_array_equal(found["points"][:, 0], [3, 3, 3, 1, 0, 0])
  np.testing.assert_array_equal(found["labels"], [3, 1, 0])
  np.testing.assert_array_equal(found["segment_ids"], [0, 0, 0, 1, -1, -1])
  np.testing.assert_array_equal(found["set_weight"], [1, 1, 0])
  assert found["segment_ids"].dtype == np.int32
