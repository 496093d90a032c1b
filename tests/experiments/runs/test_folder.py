"""A run's folder belongs to one configuration."""

import dataclasses
import json
from typing import Any

import pytest

from experiments.cli import registry
from experiments.runs import folder


def test_a_folder_belongs_to_one_configuration(tmp_path):
  workdir = tmp_path / "runs" / "tiny"
  config = {"model": {"depth": 2}, "train": {"keep": 3, "mesh": {"data": 1}}}
  folder.claim(workdir, json.dumps(config))
  folder.claim(workdir, json.dumps(config))
  changed = {"model": {"depth": 4}, "train": {"keep": 5, "mesh": {"data": 2}}}
  with pytest.raises(folder.ConfigError) as caught:
    folder.claim(workdir, json.dumps(changed), ("train.keep", "train.mesh"))
  assert "model.depth: 2 then, 4 now" in str(caught.value)
  assert "keep" not in str(caught.value)
  assert "mesh" not in str(caught.value)
  assert json.loads((workdir / "config.json").read_text()) == config


def test_fields_that_may_differ_may(tmp_path):
  folder.claim(tmp_path, '{"train": {"keep": 3, "keepsake": 1}}')
  now = '{"train": {"keep": 5, "keepsake": 1}}'
  folder.claim(tmp_path, now, ("train.keep",))
  assert (tmp_path / "config.json").read_text() == now
  with pytest.raises(folder.ConfigError, match="keepsake: 1 then, 2 now"):
    folder.claim(
      tmp_path, '{"train": {"keep": 5, "keepsake": 2}}', ("train.keep",)
    )


def test_a_configuration_that_is_gone_is_named(tmp_path, capsys):
  folder.claim(tmp_path, "{}")
  assert not capsys.readouterr().err
  (tmp_path / folder.CHECKPOINTS / "30").mkdir(parents=True)
  (tmp_path / folder.CONFIG).unlink()
  for text in ("config.json is gone", ""):
    folder.claim(tmp_path, "{}")
    assert text in (err := capsys.readouterr().err)
    assert bool(err) == bool(text)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Data:
  size: int = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Experiment:
  data: Any = _Data()


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Listed:
  sizes: tuple[int, ...] | None = None
  names: object = "a"


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Good:
  data: _Data = _Data()
  sizes: tuple[int, ...] = ()
  rate: float = 1


@pytest.mark.parametrize(
  ("experiment", "field"),
  [
    (_Experiment(), "data"),
    (_Experiment(data=lambda: 3), "lambda"),
    (_Listed(), "names"),
    (_Good(sizes=[1, 2]), "what is read is not"),
  ],
)
def test_what_cannot_be_read_again_is_refused_before_a_run(experiment, field):
  with pytest.raises(folder.ConfigError, match=rf"{field}.*Annotate"):
    folder.to_json(experiment)
  assert folder.to_json(_Good(sizes=(1,)))


@pytest.mark.parametrize("name", registry.names())
def test_every_recipe_can_be_kept_with_its_run(name):
  for choice in registry.choices(name):
    assert folder.to_json(choice.experiment), choice.recipe
    module = type(choice.experiment).__module__  # as the provenance says it
    assert registry.name_of(module) == name
