"""The list of runs."""

from experiments import list as list_experiments
from tests.helpers import foreign


def test_links_to_runs_are_followed(tmp_path, capsys):
  run = tmp_path / "elsewhere" / "run"
  run.mkdir(parents=True)
  (run / "provenance.json").write_text("[]")
  for name, target in (("here", run), ("all", run.parent), ("no", "none")):
    (tmp_path / name).mkdir()
    (tmp_path / name / "link").symlink_to(target)
  for name, path in (("here", "here/link"), ("all", "all/link/run")):
    assert list_experiments.main(["--runs", str(tmp_path / name)]) == 0
    assert f"{tmp_path / path}\n" in capsys.readouterr().out
  assert list_experiments.main(["--runs", str(tmp_path / "no")]) == 1


def test_damaged_runs_are_listed_too(tmp_path, capsys):
  for name, text in (("a", "["), ("b", '[{"devices": 5, "git": []}]')):
    (tmp_path / name).mkdir()
    for file in ("provenance.json", "metrics.jsonl", "config.json"):
      (tmp_path / name / file).write_text(text)
  foreign.add(tmp_path)
  (tmp_path / "a" / "up").symlink_to(tmp_path)  # An endless way.
  assert list_experiments.main(["--runs", str(tmp_path)]) == 0
  assert capsys.readouterr().out.count("  experiment  –\n") == 2
  assert list_experiments.main(["--runs", str(tmp_path / "none")]) == 1
  assert "has no runs" in capsys.readouterr().err


def test_recipes_of_generation_are_listed(capsys):
  assert list_experiments.main(["copy"]) == 0
  assert "mirrored_131072" in capsys.readouterr().out


def test_sizes_are_counted_of_named_experiments_only(capsys, monkeypatch):
  assert list_experiments.main(["copy"]) == 0
  named = capsys.readouterr().out
  assert "26,776,835" in named
  assert "list NAME" not in named
  monkeypatch.setattr(
    list_experiments.registry, "matching", lambda names: ("copy",)
  )
  assert list_experiments.main([]) == 0
  found = capsys.readouterr().out
  assert "mirrored_131072" in found
  assert "26,776,835" not in found
  assert "list NAME" in found
