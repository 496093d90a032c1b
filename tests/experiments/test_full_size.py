"""Every recipe at full size: its model and its training step are traced.

Recipes that differ in numbers only share one trace. One step is made, with few
latents and layers and a short context, for all modules and losses that no
`mini` has; those are trained by tests of their own, at a tiny size.
"""

import dataclasses
import enum

import chex
import jax
import numpy as np
import pytest

from experiments import train
from experiments.cli import arguments
from experiments.cli import registry
from experiments.image_classification.imagenet import painted_digits
from experiments.training import program
from experiments.training import sharding
from experiments.training import state
import perceiver
from tests.helpers import tiny_configs

# Beside synthetic data, for few of them.
_OPTIONS = {
  "glue": "--data.synthetic.train 4",
  "starcraft": "--data.num-steps 1 --data.num-transitions 1",
}


def form(value):
  """Returns a configuration without its numbers."""
  if dataclasses.is_dataclass(value):
    fields = {
      field.name: form(getattr(value, field.name))
      for field in dataclasses.fields(value)
      if field.name not in ("path", "checkpoint")
    }
    return type(value).__name__, tuple(fields.items())
  if isinstance(value, tuple):
    return tuple(dict.fromkeys(map(form, value)))
  if isinstance(value, (bool, enum.Enum)):
    return value
  return type(value).__name__


def by_form():
  """Returns one recipe of every form."""
  found = {}
  for name in sorted(set(registry.names()) - {"digits", "smax"}):
    for choice in registry.choices(name):
      experiment = choice.experiment
      labels = experiment.data.max_labels if name == "imagenet" else 1
      loss = getattr(experiment, "loss", None)
      key = name, labels, form(experiment.model), form(loss)
      if choice.recipe.startswith("mini") or "sentencepiece" in choice.recipe:
        continue
      found.setdefault(key, choice)
  return [(choice.name, choice.recipe) for choice in found.values()]


def test_every_model_is_built():
  """Those of the library have tests of their own."""
  built = {perceiver.create(name).config for name in perceiver.list_models()}
  of_library = len(built)
  for name in registry.names():
    for choice in registry.choices(name):
      model = choice.experiment.model
      if model not in built:
        built.add(model)
        assert perceiver.create(model).num_parameters() > 1000, choice
  assert len(built) > of_library + 50


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
  root = tmp_path_factory.mktemp("painted")
  painted_digits.prepare(root, copies=1)
  return root


def of_recipe(name, recipe, painted, shrink=lambda value: value):
  """Returns the program of a recipe on synthetic data, and its step."""
  choice = registry.choose(name, recipe)
  experiment = dataclasses.replace(
    choice.experiment,
    model=shrink(choice.experiment.model),
    train=dataclasses.replace(
      choice.experiment.train,
      steps=10_000,
      epochs=None,
      parallel=sharding.ParallelConfig(data=1),
    ),
  )
  source = f"synthetic:{painted}" if name == "imagenet" else "synthetic"
  options = [name, "--data.source", source, *_OPTIONS.get(name, "").split()]
  experiment = arguments.override(
    train.Train, choice._replace(experiment=experiment), options, "train"
  )
  task = registry.fit(choice, experiment).task()
  mesh = sharding.make_mesh(experiment.train.parallel)
  built = program.Program(experiment.train, task, mesh)
  step = state.make_step(
    task,
    built._optimizer,
    mesh,
    built.target,
    parts=experiment.train.accumulate,
  )
  return built, step


@pytest.mark.parametrize(("name", "recipe"), by_form())
def test_a_step_is_traced(name, recipe, painted):
  built, step = of_recipe(name, recipe, painted)
  after, loss = jax.eval_shape(step, built.target, built._batch)
  assert loss.shape == ()
  chex.assert_trees_all_equal_shapes_and_dtypes(after, built.target)


def parts(value, owner=""):
  """Returns the classes and choices of a configuration, with their fields."""
  if dataclasses.is_dataclass(value):
    kind = type(value).__name__
    names = [field.name for field in dataclasses.fields(value)]
    inner = (parts(getattr(value, name), f"{kind}.{name}") for name in names)
    return {kind}.union(*inner)
  if isinstance(value, tuple):
    return set().union(*(parts(x, owner) for x in value))
  chosen = value in (None, 0) or isinstance(value, (bool, enum.Enum))
  return {(owner, str(value))} if chosen else set()


def not_in_mini_recipes():
  """Returns few recipes with, together, all parts that no `mini` has.

  Those of `digits` have the parts of `fashion_mnist`, and those of `smax` the
  parts of `starcraft`, both of which tests of their own train.
  """
  found, trained = {}, set()
  for name in registry.names():
    for choice in registry.choices(name):
      experiment = choice.experiment
      own = parts((experiment.model, getattr(experiment, "loss", None)))
      if choice.recipe == "mini" or name == "starcraft":
        trained |= own
      elif (
        name not in ("digits", "smax") and "sentencepiece" not in choice.recipe
      ):
        found[choice.name, choice.recipe] = own
  chosen = []
  while True:
    best = max(found, key=lambda recipe: len(found[recipe] - trained))
    if found[best] <= trained:
      return chosen
    chosen.append(best)
    trained |= found[best]


@pytest.mark.parametrize(("name", "recipe"), not_in_mini_recipes())
def test_a_step_is_made(name, recipe, painted):
  built, step = of_recipe(name, recipe, painted, tiny_configs.tiny)
  before = built.first_state()
  example = built.split.transform(
    built.split.source[0], np.random.default_rng(0)
  )
  batch = {key: np.asarray(value)[None] for key, value in example.items()}
  batch["weight"] = np.ones(1, np.float32)
  after, loss = step(before, batch)
  assert np.isfinite(loss)
  chex.assert_tree_all_finite(after.variables)
  norm = after.running.sums["gradient_norm"]
  assert np.isfinite(norm)
  assert norm > 0
