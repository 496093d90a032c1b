"""Kinds and places of data, on the command line and in configurations."""

import dataclasses
import enum
import pathlib

import pytest

from experiments.cli import arguments
from experiments.data import files
from experiments.data import paths
from experiments.data import sources
from perceiver import config_json


class Kind(enum.Enum):
  SYNTHETIC = "synthetic"
  SHIPPED = "shipped"
  SET = "set"
  FOLDER = "folder"


@dataclasses.dataclass(frozen=True)
class Source(sources.Source):
  kind: Kind
  of_path = Kind.FOLDER
  needs_path = (Kind.FOLDER,)
  takes_path = (Kind.SET,)
  advice = "Buy it."


@dataclasses.dataclass(frozen=True)
class Data:
  source: Source = Source(Kind.FOLDER)
  evaluate_on: Source = Source(Kind.SYNTHETIC)


@dataclasses.dataclass(frozen=True)
class Experiment:
  data: Data = Data()


def parse(text):
  return arguments.parse(Experiment, ["--data.source", text], "train")


@pytest.mark.parametrize(
  ("text", "kind", "path"),
  [
    ("synthetic", Kind.SYNTHETIC, None),
    ("set", Kind.SET, None),
    ("set:/a/b", Kind.SET, "/a/b"),
    ("folder:a:b", Kind.FOLDER, "a:b"),
    ("/a/b", Kind.FOLDER, "/a/b"),
    ("./synthetic", Kind.FOLDER, "synthetic"),
    ("other:a", Kind.FOLDER, "other:a"),
  ],
)
def test_kinds_and_places(text, kind, path):
  found = parse(text)
  assert found.data.source == Source(kind, path and pathlib.Path(path))
  assert parse(str(found.data.source)) == found
  assert config_json.from_json(config_json.to_json(found), Experiment) == found
  assert sources.find(found) == {
    "--data.source": found.data.source,
    "--data.evaluate-on": Source(Kind.SYNTHETIC),
  }


def test_what_has_no_path(capsys):
  with pytest.raises(SystemExit):
    parse("shipped:/a")
  words = capsys.readouterr().err.replace("│", " ").split()
  assert "expected shipped alone" in " ".join(words)
  with pytest.raises(paths.PathError) as caught:
    Source.parse("set:s3://a/b")
  assert caught.value.text == "set:s3://a/b"


def test_the_help_lists_all_forms(capsys):
  with pytest.raises(SystemExit):
    arguments.parse(Experiment, ["--help"], "train")
  text = capsys.readouterr().out
  assert "synthetic|shipped|set[:PATH]|folder:PATH|PATH" in text
  assert "folder" in text


def test_a_place_is_needed(tmp_path):
  with pytest.raises(files.InputError) as caught:
    Data().source.check("--data.source")
  assert str(caught.value) == (
    "folder is read from a folder: give --data.source folder:PATH or "
    "--data.source PATH, or --data.source synthetic. Buy it."
  )
  for text in ("set", "synthetic", "shipped", str(tmp_path), "set:/none"):
    Source.parse(text).check("--data.source")
  (tmp_path / "pictures").mkdir()
  with pytest.raises(files.InputError) as caught:
    Source.parse(f"{tmp_path}/picture").check("--data.source")
  assert str(caught.value) == (
    f"There is no {tmp_path}/picture; expected --data.source synthetic | "
    "shipped | set[:PATH] | folder:PATH | PATH. Did you mean "
    f"{tmp_path}/pictures?"
  )
