"""Models of the tutorials: their names, and what every recipe makes."""

import pytest

from scripts import train_tutorial_models as tutorial_models
from tests.helpers import folders

FILES = folders.ROOT / tutorial_models.FILES


def test_every_file_has_a_recipe_and_is_small():
  found = sorted(FILES.glob("*.safetensors"))
  assert {path.stem for path in found} == set(tutorial_models.MODELS)
  assert all(path.stat().st_size <= 1_000_000 for path in found)


def test_unknown_names_are_refused_before_anything_is_trained(tmp_path):
  with pytest.raises(SystemExit, match=r"no model birds; expected .* flow,"):
    tutorial_models.main(("birds", "flow"), workdir=tmp_path)
  assert not list(tmp_path.iterdir())
