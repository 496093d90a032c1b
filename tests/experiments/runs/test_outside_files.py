"""Files outside a run's folder."""

import dataclasses
import pathlib

import pytest

from experiments.runs import folder
from experiments.runs import outside_files
from perceiver import config_json


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data:
  data_dir: pathlib.Path | None = None
  sentencepiece_model: pathlib.Path | None = None
  size: int = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
  data: Data = Data()
  page: pathlib.Path = pathlib.Path("page.html")


def experiment(**data):
  return Experiment(data=Data(**data))


def test_paths():
  found = outside_files.paths(experiment(data_dir=pathlib.Path("x")))
  assert found == {
    "data.data_dir": pathlib.Path("x"),
    "data.sentencepiece_model": None,
    "page": pathlib.Path("page.html"),
  }


def test_paths_become_absolute(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  monkeypatch.setenv("HOME", str(tmp_path / "home"))
  resolve = lambda path: outside_files.for_run(
    experiment(data_dir=pathlib.Path(path)), tmp_path / "run"
  )
  assert resolve("x").data.data_dir == tmp_path / "x"
  assert resolve("x").page == tmp_path / "page.html"
  assert resolve("~/x").data.data_dir == tmp_path / "home" / "x"
  assert resolve("/x").data.data_dir == pathlib.Path("/x")


def test_files_that_are_kept(tmp_path):
  given, run = tmp_path / "pieces.model", tmp_path / "run"
  given.write_bytes(b"pieces")
  first = outside_files.for_run(experiment(sentencepiece_model=given), run)
  assert first.data.sentencepiece_model == given
  outside_files.keep(run, config_json.to_json(first))
  kept = run / "files" / "data.sentencepiece_model.model"
  assert kept.read_bytes() == b"pieces"
  given.write_bytes(b"others")
  with pytest.raises(folder.ConfigError, match="expected the file that the"):
    outside_files.for_run(first, run)
  given.unlink()
  assert outside_files.for_run(first, run).data.sentencepiece_model == kept
  there = run.rename(tmp_path / "there")
  outside_files.keep(there, config_json.to_json(first))
  found = outside_files.from_run(first, there).data.sentencepiece_model
  assert found == there / "files" / kept.name


def test_paths_may_differ_between_the_parts_of_a_run(tmp_path):
  claim = lambda text: folder.claim(tmp_path, text, paths={"data.split"})
  claim('{"data": {"split": "/a", "other": "/a"}}')
  claim('{"data": {"split": "/b", "other": "/a"}}')
  with pytest.raises(folder.ConfigError, match="other: /a then, /b now"):
    claim('{"data": {"split": "/b", "other": "/b"}}')
  with pytest.raises(folder.ConfigError, match="split: /b then, None now"):
    claim('{"data": {"split": null, "other": "/a"}}')
