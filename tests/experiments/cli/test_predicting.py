"""Parts that the predict commands share."""

import numpy as np
import pytest

from experiments.cli import predicting
from experiments.data import files


@pytest.mark.parametrize(
  "content",
  ["cat\u2028 1\nd\x85g\n", "\ufeffcat\u2028 1\r\nd\x85g\r\n\r\n"],
)
def test_label_files(tmp_path, content):
  path = tmp_path / "labels.txt"
  path.write_bytes(content.encode())
  assert predicting.read_labels(path, 2) == ("cat\u2028 1", "d\x85g")


@pytest.mark.parametrize(
  "classes", [predicting.best_classes, predicting.likeliest]
)
def test_outputs_that_are_not_finite_are_refused(classes):
  with pytest.raises(files.InputError, match="not finite"):
    classes(np.array([0.5, np.nan]), 1, None)
