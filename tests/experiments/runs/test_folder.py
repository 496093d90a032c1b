"""A run's folder belongs to one configuration."""

import json

import pytest

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
