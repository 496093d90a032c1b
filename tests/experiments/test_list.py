"""The list of runs."""

from experiments import list as list_experiments
from tests.helpers import foreign


def test_damaged_runs_are_listed_too(tmp_path, capsys):
  for name, text in (("a", "["), ("b", '[{"devices": 5, "git": []}]')):
    (tmp_path / name).mkdir()
    for file in ("provenance.json", "metrics.jsonl", "config.json"):
      (tmp_path / name / file).write_text(text)
  foreign.add(tmp_path)
  assert list_experiments.main(["--runs", str(tmp_path)]) == 0
  assert capsys.readouterr().out.count("  experiment  –\n") == 2
  assert list_experiments.main(["--runs", str(tmp_path / "none")]) == 1
  assert "has no runs" in capsys.readouterr().err
