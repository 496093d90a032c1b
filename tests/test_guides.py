"""Guides whose code runs as it stands."""

import re

import pytest

from tests.helpers import folders


@pytest.mark.parametrize("name", ["checkpoints", "serving", "uncertainty"])
def test_the_code_of_a_guide_runs(name):
  path = folders.ROOT / "docs" / f"{name}.md"
  text = path.read_text(encoding="utf-8")
  blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
  assert blocks
  exec(compile("\n".join(blocks), str(path), "exec"), {})
