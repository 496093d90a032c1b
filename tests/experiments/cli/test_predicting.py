"""Parts that the predict commands share."""

import pytest

from experiments.cli import predicting


@pytest.mark.parametrize(
  "content",
  ["cat\u2028 1\nd\x85g\n", "\ufeffcat\u2028 1\r\nd\x85g\r\n\r\n"],
)
def test_label_files(tmp_path, content):
  path = tmp_path / "labels.txt"
  path.write_bytes(content.encode())
  assert predicting.read_labels(path, 2) == ("cat\u2028 1", "d\x85g")
