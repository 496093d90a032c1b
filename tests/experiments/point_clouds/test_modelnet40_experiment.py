"""Training, evaluation and report, from the command line."""

import dataclasses
import shutil

import chex
import jax
import numpy as np
import pytest

from experiments import evaluate
from experiments import train
from experiments.cli import registry
from experiments.data import files
from experiments.data import loader
from experiments.point_clouds import configs
from experiments.point_clouds import data as points_data
from experiments.point_clouds import task as points_task
from experiments.point_clouds.files import hdf5_files
from experiments.runs import confusions
from experiments.training import config
import perceiver
from tests.helpers import commands
from tests.helpers import noise
from tests.helpers import tiny_points

TINY = "tests.helpers.recipes.points"


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  """The folder of a finished run."""
  return commands.finished(tmp_path_factory, TINY)


def names_in(folder):
  return sorted(path.name for path in folder.iterdir())


def test_training_leaves_numbers_and_pictures(workdir):
  rows = commands.rows(workdir)
  assert {row["step"] for row in rows if row["kind"] == "eval"} == {6, 12}
  last = rows[-1]
  assert (last["examples"], last["expected"]) == (22, 22)
  assert {"loss", "top_1"} <= set(last)
  expected = ["attention.png", "confusion.png", "curve.png"]
  assert names_in(workdir / "figures") == expected


def test_an_interrupted_run_ends_the_same(workdir, tmp_path):
  again = tmp_path / "again"
  shutil.copytree(workdir, again)
  shutil.rmtree(again / "checkpoints" / "12")
  assert train.main([TINY, "--mini", "--workdir", str(again)]) == 0
  models = [d / "model.safetensors" for d in (workdir, again)]
  chex.assert_trees_all_equal(*(perceiver.load(m)[1] for m in models))


def test_evaluation_writes_a_report(workdir, tmp_path, capsys):
  page = tmp_path / "report"
  arguments = (TINY, "--checkpoint", workdir, "--report", page)
  out = commands.command(capsys, evaluate.main, *arguments)
  assert "22 of 22 examples of synthetic test" in out
  text = (page / "index.html").read_text()
  for name in ("curve.png", "confusion.png", "attention.png"):
    assert f'src="figures/{name}"' in text


def write_modelnet40(root):
  """Writes prisms of two classes: the one flat, the other high."""
  for name, height in (("table", 0.2), ("lamp", 4)):
    for i in range(10):
      folder = root / name / ("test" if i < 3 else "train")
      folder.mkdir(parents=True, exist_ok=True)
      top = height * (1 + i / 10)
      base = [(0, 0), (1, 0), (1, 1), (0, 1)]
      lines = [f"{x} {y} {z}" for z in (0, top) for x, y in base]
      faces = ["4 0 1 2 3", "4 4 5 6 7", "4 0 1 5 4"]
      faces += ["4 1 2 6 5", "4 2 3 7 6", "4 3 0 4 7"]
      text = "\n".join(["OFF", "8 6 0", *lines, *faces])
      (folder / f"{name}_{i:04d}.off").write_text(text)


def test_files_are_trained_on(tmp_path, capsys):
  root = tmp_path / "ModelNet40"
  write_modelnet40(root)
  arguments = (TINY, "--recipe", "modelnet40", "--workdir", tmp_path / "run")
  arguments += ("--data.source", root)
  error = commands.command(capsys, train.main, *arguments, code=1)
  assert "lacks airplane/train" in error
  assert not (tmp_path / "run").exists()
  arguments += ("--data.allow-partial", "--train.steps", 6)
  out = commands.command(capsys, train.main, *arguments)
  assert "6 of 6 examples of modelnet40 test" in out
  cached = root / "sampled_points" / "32"
  assert [len(names_in(cached / split)) for split in ("train", "test")] == [
    14,
    6,
  ]


# ------------------------------------------------------------------------ task


@pytest.fixture(scope="module")
def task():
  data = dataclasses.replace(configs.MINI.data, num_eval=22)
  model = perceiver.create(tiny_points.model_config())
  return points_task.PointClassification(model=model, data=data)


@pytest.fixture(scope="module")
def batch(task):
  return next(loader.eval_batches(task.eval_split(), batch_size=22))


def losses(task, variables, batch):
  return task.losses(variables, batch, rng=None, is_training=False)


def test_the_loss_of_equal_logits(task, batch):
  found = losses(task, task.model.init(jax.random.key(0)), batch)
  np.testing.assert_allclose(found.loss, np.full(22, np.log(10)), rtol=1e-6)
  # Of equal logits the first counts: shapes 0, 10 and 20 are boxes.
  assert np.flatnonzero(found.metrics["top_1"]).tolist() == [0, 10, 20]


def test_rows_of_clouds_of_unequal_size_have_the_mean_loss_of_each(task):
  ragged = points_data.RaggedConfig(min_points=8, row_points=80)
  data = dataclasses.replace(task.data, ragged=ragged)
  packed = dataclasses.replace(task, data=data)
  batches = loader.train_batches(packed.train_split(), batch_size=2, seed=0)
  batch = next(batches)
  batches.close()
  assert jax.tree.map(lambda x: (x.shape[1:], x.dtype), batch) == {
    **jax.tree.map(lambda x: (x.shape, x.dtype), packed.example_shapes()),
    "weight": ((), np.float32),
  }
  variables = noise.variables(task.model)
  found = losses(packed, variables, batch)
  counts = []
  for row in range(2):
    ids = batch["segment_ids"][row]
    each = [
      losses(
        task,
        variables,
        {
          "points": batch["points"][row][None, ids == number],
          "labels": batch["labels"][row, number, None],
        },
      )
      for number in range(ids.max() + 1)
    ]
    expected = np.mean([x.loss for x in each])
    np.testing.assert_allclose(found.loss[row], expected, rtol=1e-5)
    counts.append(len(each))
  assert min(counts) >= 2
  np.testing.assert_array_equal(batch["set_weight"].sum(1), counts)


def test_only_a_perceiver_takes_clouds_of_unequal_size():
  data = dataclasses.replace(
    configs.MINI.data, ragged=points_data.RaggedConfig(min_points=8)
  )
  other = dataclasses.replace(configs.EXPERIMENTS["mini_pointnet"], data=data)
  with pytest.raises(files.InputError, match="expected no ragged data"):
    other.task()
  with pytest.raises(ValueError, match="a cloud has 7 points; expected from"):
    points_data.train_split(data, 7)


def test_order_of_points_changes_nothing(task, batch):
  variables = noise.variables(task.model)
  logits = task.model.apply(variables, batch["points"])
  order = np.random.default_rng(0).permutation(tiny_points.NUM_POINTS)
  shuffled = {**batch, "points": batch["points"][:, order]}
  np.testing.assert_allclose(
    task.model.apply(variables, shuffled["points"]), logits, atol=2e-5
  )
  one, other = (losses(task, variables, x) for x in (batch, shuffled))
  np.testing.assert_allclose(one.loss, other.loss, atol=2e-5)
  assert one.loss.std() > 0.1


def test_confusions_are_counted(task, batch):
  variables = noise.variables(task.model)
  predict = lambda batch: task.model.apply(variables, batch["points"])
  counts = confusions.count(predict, task.eval_split(), 10)
  assert counts.sum(axis=1).tolist() == [3, 3, 2, 2, 2, 2, 2, 2, 2, 2]
  guesses = np.asarray(task.model.apply(variables, batch["points"])).argmax(-1)
  expected = np.zeros((10, 10), int)
  for label, guess in zip(batch["labels"], guesses):
    expected[label, guess] += 1
  np.testing.assert_array_equal(counts, expected)


def test_plots_of_a_model_without_attention(task, tmp_path):
  model = perceiver.create(tiny_points.point_net())
  other = dataclasses.replace(task, model=model)
  found = other.plots(noise.variables(model), tmp_path)
  assert found == [tmp_path / "figures" / "confusion.png"]
  assert found[0].exists()


# --------------------------------------------------------------------- recipes


def test_the_published_recipe():
  """2103.03206 §4.3."""
  experiment = configs.EXPERIMENTS["main"]
  rate, steps = config.learning_rate(experiment.train, 9843)
  assert (steps, rate(0), rate(steps - 1)) == (50_000, 1e-3, 1e-3)
  assert experiment.train.batch_size == 512
  assert type(experiment.train.optimizer).__name__ == "Lamb"
  assert experiment.data.point_scaling == 0.01
  assert experiment.model.num_points == 2000
  assert experiment.model.inputs.positions.num_bands == 64
  assert experiment.model.perceiver.encoder.num_cross_attends == 2
  assert experiment.model.perceiver.processor.num_self_attends_per_block == 6
  assert registry.choices("modelnet40")[0].result.paper == 0.857


def test_all_recipes_fit_their_data():
  for choice in registry.choices("modelnet40"):
    registry.check(choice.experiment)
    is_synthetic = choice.recipe.startswith("mini")
    assert choice.experiment.data.source.is_synthetic == is_synthetic
  assert {e.model for e in configs.EXPERIMENTS.values()} >= {
    perceiver.create(name).config
    for name in perceiver.list_models()
    if "modelnet40" in name
  }


def test_another_number_of_classes_is_refused():
  with pytest.raises(ValueError, match="has 10 classes; expected 40, those of"):
    dataclasses.replace(configs.MINI, data=points_data.DataConfig()).task()


def test_solids_have_the_classes_of_their_files(tmp_path):
  names = ("solids", "solids_pointnet", "solids_transformer")
  models = [configs.EXPERIMENTS[name].model for name in names]
  assert [type(model).__name__ for model in models] == [
    "PointClassifierConfig",
    "PointNetConfig",
    "TransformerConfig",
  ]
  for name in names:
    choice = registry.choose("modelnet40", name)
    experiment = choice.experiment
    assert experiment.task().model.config.num_points == 1024
    assert experiment.data.stretch == 1.5
    with pytest.raises(files.InputError, match="prepare components ARCHIVE"):
      experiment.task().train_split()
    (tmp_path / hdf5_files.NAMES).write_text("a\nb\nc\n")
    source = points_data.Source(points_data.Dataset.HDF5, tmp_path)
    data = dataclasses.replace(experiment.data, source=source)
    fitted = registry.fit(choice, dataclasses.replace(experiment, data=data))
    assert fitted.task().model.config.num_classes == 3
