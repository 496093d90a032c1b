"""The reference of modalities agrees with the code."""

import re
import typing

from perceiver.adapters import adapter
from perceiver.adapters import multimodal
from tests.helpers import folders

PAGE = folders.ROOT / "docs" / "modalities.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_lists_the_members_of_an_adapter():
  table = TEXT.partition("## What an adapter provides")[2].partition("```")[0]
  found = re.findall(r"^\| `(\w+)", table, re.MULTILINE)
  assert found == [n for n in vars(adapter.InputAdapter) if n[0] != "_"]


def test_the_page_lists_what_a_modality_also_has():
  sentence = re.search(r"(?s)To be one of several modalities,.*?, as\s", TEXT)
  members = re.findall(r"`(\w+)(?:\(\w*\))?`", sentence[0])
  assert members == ["shape", "num_inputs", "module", "resizable_tables"]
  for kind in typing.get_args(multimodal.ModalityInput):
    if kind is not multimodal.VectorInputConfig:  # It needs no module.
      assert all(hasattr(kind, name) for name in members)


def test_the_page_names_files_that_exist():
  named = re.findall(r"`((?:perceiver|experiments|tests)/[\w/.]*)`", TEXT)
  assert len(named) >= 5
  assert all((folders.ROOT / name).exists() for name in named)
