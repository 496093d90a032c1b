"""The page on sets, streams and derivatives: its code runs."""

import re

from tests.helpers import folders

PAGE = folders.ROOT / "docs" / "sets.md"


def test_the_code_of_the_page_runs(capsys):
  text = PAGE.read_text(encoding="utf-8")
  blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
  assert len(blocks) == 3
  names: dict = {}
  exec(compile("\n".join(blocks), str(PAGE), "exec"), names)
  assert "ms for a chunk of 25 frames" in capsys.readouterr().out
  assert names["latents"].shape == (2, 3, 32, 64)
