"""The guide to modalities of one's own: its code runs, and learns."""

import re

from tests.helpers import folders

GUIDE = folders.ROOT / "docs" / "modalities.md"


def test_the_guide_teaches_depth(capsys):
  text = GUIDE.read_text(encoding="utf-8")
  blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
  assert len(blocks) == 4
  names: dict = {}
  exec(compile("\n".join(blocks), str(GUIDE), "exec"), names)
  assert "of the best constant" in capsys.readouterr().out
  assert names["error"] < 0.8 * names["constant"]
  # Depth was found in the picture alone.
  modules = set(names["params"])
  assert any("depth_mask_token" in module for module in modules)


def test_the_guide_names_files_that_exist():
  text = GUIDE.read_text(encoding="utf-8")
  root = GUIDE.parent.parent
  named = re.findall(r"`((?:perceiver|experiments|tests)/[\w/.]*)`", text)
  assert len(named) >= 5
  assert all((root / name).exists() for name in named)
