"""The recipe of a run whose settings are those of no recipe."""

import dataclasses

import pytest

from experiments import evaluate
from experiments.cli import errors
from experiments.cli import registry
from experiments.cli import run_choice
from experiments.runs import folder


@pytest.mark.parametrize("recipe", ["mini", "mini_ragged"])
def test_of_recipes_for_one_model_the_nearest_is_named(tmp_path, recipe):
  known = {c.recipe: c for c in registry.choices("modelnet40")}
  made = known[recipe].experiment
  changed = dataclasses.replace(
    made, train=dataclasses.replace(made.train, steps=7, log_every=1)
  )
  (tmp_path / folder.CONFIG).write_text(folder.to_json(changed))
  options = evaluate.Evaluate(experiment="modelnet40")
  found = run_choice.of_folder(options.choose(), options, tmp_path)
  assert found == known[recipe]._replace(experiment=changed)
  title = run_choice.title(found, tmp_path)
  assert title == f"Evaluation of modelnet40 {recipe}"


def test_a_configuration_of_another_version_is_refused_in_sentences(tmp_path):
  text = folder.to_json(registry.choose("digits").experiment)
  text = text.replace('"steps"', '"stairs"')
  (tmp_path / folder.CONFIG).write_text(text)
  options = evaluate.Evaluate(experiment="digits")
  with pytest.raises(errors.UsageError, match="stairs") as caught:
    run_choice.of_folder(options.choose(), options, tmp_path)
  assert ".." not in str(caught.value)
