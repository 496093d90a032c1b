"""Training, evaluation and report, from the command line."""

import dataclasses
import shutil

import chex
import numpy as np
from PIL import Image
import pytest

from experiments import evaluate
from experiments import train
from experiments.cli import registry
from experiments.optical_flow import configs
from experiments.optical_flow import data
from experiments.optical_flow import evaluator
from experiments.optical_flow import task
from experiments.optical_flow.benchmarks import flow_files
from experiments.runs import log
from experiments.training import config as training_config
import perceiver
from tests.helpers import commands
from tests.helpers import tiny_flow

TINY = "tests.helpers.recipes.flow"


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  """The folder of a finished run."""
  return commands.finished(tmp_path_factory, TINY)


def test_training_writes_metrics_and_plots(workdir):
  rows = commands.rows(workdir)
  assert {row["step"] for row in rows if row["kind"] == "eval"} == {6, 12}
  last = rows[-1]
  assert (last["examples"], last["expected"]) == (6, 6)
  assert {"epe", "zero_epe", "over_1px", "over_3px", "loss"} <= set(last)
  figures = sorted(path.name for path in (workdir / "figures").iterdir())
  assert figures == ["attention.png", "curve.png", "samples.gif", "samples.png"]
  with Image.open(workdir / "figures" / "samples.gif") as animation:
    assert animation.n_frames == 12  # both frames of six examples


def test_an_interrupted_run_ends_the_same(workdir, tmp_path):
  again = tmp_path / "again"
  shutil.copytree(workdir, again)
  (last,) = (p for p in (again / "checkpoints").iterdir() if p.name == "12")
  shutil.rmtree(last)
  before = (workdir / "metrics.jsonl").read_text()
  assert train.main([TINY, "--mini", "--workdir", str(again)]) == 0
  assert (again / "metrics.jsonl").read_text() == before
  models = [d / "model.safetensors" for d in (workdir, again)]
  one, other = (perceiver.load(path)[1].params for path in models)
  chex.assert_trees_all_equal(one, other)


def test_evaluation_writes_a_report(workdir, tmp_path, capsys):
  page = tmp_path / "report"
  arguments = (TINY, "--checkpoint", workdir, "--report", page)
  out = commands.command(capsys, evaluate.main, *arguments)
  assert "6 of 6 examples of synthetic evaluation" in out
  assert f"report: {page / 'index.html'}" in out
  text = (page / "index.html").read_text()
  assert "<td>zero_epe<" in text
  for name in ("curve.png", "samples.png", "attention.png", "samples.gif"):
    assert f'src="figures/{name}"' in text
    assert (page / "figures" / name).exists()


def write_chairs(folder, count, split):
  """Writes translations as FlyingChairs, of another size than the model's."""
  source = tiny_flow.Translations(size=(20, 30), num_examples=count)
  (folder / "data").mkdir(parents=True)
  for i in range(count):
    stem = folder / "data" / f"{i + 1:05d}"
    for number, frame in enumerate(source[i].frames, 1):
      Image.fromarray(frame).save(f"{stem}_img{number}.ppm")
    flow_files.write_flo(
      folder / "data" / f"{stem.name}_flow.flo", source[i].flow
    )
  lines = "".join(f"{part}\n" for part in split)
  (folder / "FlyingChairs_train_val.txt").write_text(lines)


def test_a_data_set_is_evaluated_in_tiles(workdir, tmp_path, capsys):
  write_chairs(tmp_path / "chairs", 5, [1, 2, 2, 1, 2])
  arguments = (TINY, "--checkpoint", workdir)
  arguments += ("--data.evaluate-on", f"flying_chairs:{tmp_path / 'chairs'}")
  error = commands.command(capsys, evaluate.main, *arguments, code=1)
  assert "expected 640" in error
  arguments += ("--data.allow-partial",)
  out = commands.command(capsys, evaluate.main, *arguments)
  assert "3 of 3 examples of flying_chairs evaluation" in out
  assert "epe_s0-10" in out


def test_results_on_other_data_are_noted(workdir, tmp_path, capsys):
  others = shutil.ignore_patterns(log.EVALUATIONS)
  run = shutil.copytree(workdir, tmp_path / "run", ignore=others)
  before = (run / log.METRICS).read_bytes()
  write_chairs(tmp_path / "chairs", 5, [1, 2, 2, 1, 2])
  chairs = ("--data.evaluate-on", f"flying_chairs:{tmp_path / 'chairs'}")
  chairs += ("--data.allow-partial",)
  evaluate_run = lambda *options: commands.command(
    capsys, evaluate.main, TINY, "--checkpoint", run, *options
  )
  evaluate_run()
  evaluate_run(*chairs, "--evaluation.no-even-tiles")
  assert not (run / log.EVALUATIONS).exists()
  evaluate_run(*chairs, "--train.eval-batch-size", 3)
  evaluate_run(*chairs, "--step", 6)
  rows = log.evaluations(run / log.EVALUATIONS)
  assert [row["step"] for row in rows] == [6, 12]
  assert {row["split"] for row in rows} == {
    "flying_chairs evaluation, not the official one"
  }
  assert all(row["epe"] > 0 for row in rows)
  assert (run / log.METRICS).read_bytes() == before
  assert train.main([TINY, "--mini", "--workdir", str(run)]) == 0
  assert log.evaluations(run / log.EVALUATIONS) == rows


def test_a_data_set_is_trained_on(tmp_path, capsys):
  write_chairs(tmp_path / "chairs", 6, [1, 2, 1, 1, 1, 1])
  arguments = (TINY, "--mini", "--workdir", tmp_path / "run")
  arguments += ("--data.source", f"flying_chairs:{tmp_path / 'chairs'}")
  arguments += ("--train.steps", 6)
  arguments += ("--data.allow-partial",)
  out = commands.command(capsys, train.main, *arguments)
  assert "6 of 6 examples of synthetic evaluation" in out


def test_frames_without_flow_are_evaluated(workdir, tmp_path, capsys):
  frames = tiny_flow.Translations(size=(20, 30))[0].frames
  for i, frame in enumerate([*frames, frames[0]]):
    Image.fromarray(frame).save(tmp_path / f"{i}.png")
  arguments = (TINY, "--checkpoint", workdir, "--report", tmp_path / "report")
  arguments += ("--data.evaluate-on", f"frames:{tmp_path}")
  out = commands.command(capsys, evaluate.main, *arguments)
  assert "2 of 2 examples of frames evaluation" in out
  assert (tmp_path / "report" / "figures" / "samples.png").exists()


def test_a_missing_folder_is_one_paragraph(workdir, capsys):
  arguments = (TINY, "--checkpoint", workdir)
  arguments += ("--data.evaluate-on", "sintel_clean")
  error = commands.command(capsys, evaluate.main, *arguments, code=1)
  assert "give --data.evaluate-on sintel_clean:PATH, or --data.ev" in error
  assert "Traceback" not in error


# --------------------------------------------------------------------- recipes


def test_every_model_of_the_table_has_a_recipe():
  models = {experiment.model for experiment in configs.EXPERIMENTS.values()}
  names = [n for n in perceiver.list_models() if n.startswith("optical_flow")]
  named = {perceiver.create(name).config for name in names}
  assert len(models & named) == 7
  assert models - named == {configs.EXPERIMENTS["medium"].model}
  # The eighth is not in the table.
  assert named - models == {perceiver.create("optical_flow_small").config}
  assert set(configs.RESULTS) == {*configs.EXPERIMENTS, "mini"}
  for choice in registry.choices("optical_flow"):
    registry.check(choice.experiment)


def test_the_published_schedule():
  experiment = configs.EXPERIMENTS["main"]
  rate, steps = training_config.learning_rate(experiment.train, 400_000)
  assert steps == 375_000
  assert steps * 512 / 400_000 == 480
  np.testing.assert_allclose(
    [rate(0), rate(187_500), rate(steps)], [4e-4, 2e-4, 0], atol=1e-9
  )
  assert experiment.model.frames.size == (368, 496)


def test_the_papers_numbers_belong_to_their_data_sets():
  (clean, final, kitti) = configs.RESULTS["main"].row()
  assert (final.split, final.paper) == ("sintel_final evaluation", 2.42)
  assert (clean.split, clean.paper) == ("sintel_clean evaluation", 1.81)
  assert (kitti.split, kitti.paper) == ("kitti_2015 evaluation", 4.98)
  metrics = [result.metric for result in (final, clean, kitti)]
  assert metrics == ["epe", "epe", "epe_by_image"]


def test_the_mini_recipe_is_the_same_code():
  assert type(configs.MINI) is type(configs.EXPERIMENTS["main"])
  assert configs.MINI.data.evaluate_on.is_synthetic


def test_the_medium_recipe_is_of_a_size_to_publish():
  recipe = configs.EXPERIMENTS["medium"]
  height, width = recipe.model.frames.size
  assert height >= 96
  assert width >= 128
  assert 2 * perceiver.create(recipe.model).num_parameters() < 10e6  # float16


@pytest.mark.parametrize(
  ("recipe", "changes", "message"),
  [
    (
      "conv",
      {"loss": task.LossConfig(output_points=8)},
      "not decoded one by one",
    ),
    (
      "main",
      {"loss": task.LossConfig(output_points=368 * 496 + 1)},
      "expected at most the 182528 pixels",
    ),
  ],
)
def test_losses_that_do_not_fit_the_model_are_refused(recipe, changes, message):
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(configs.EXPERIMENTS[recipe], **changes)


@pytest.mark.parametrize(
  ("dataset", "accepted"),
  [
    (data.Dataset.KITTI_2015, True),
    (data.Dataset.HD1K, False),  # has a test part, but its form is not known
    (data.Dataset.FLYING_CHAIRS, False),
  ],
)
def test_submissions_are_refused_before_anything_is_evaluated(
  tmp_path, dataset, accepted
):
  changes = {
    "data": data.DataConfig(evaluate_on=data.Source(dataset, tmp_path)),
    "evaluation": evaluator.EvaluationConfig(submission_dir=tmp_path),
  }
  experiment = configs.EXPERIMENTS["main"]
  if accepted:
    dataclasses.replace(experiment, **changes)
  else:
    with pytest.raises(ValueError, match=f"{dataset.value}.*no submissions"):
      dataclasses.replace(experiment, **changes)


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"num_eval": 0}, "num_eval is 0"),
    ({"source": data.Source(data.Dataset.FRAMES)}, "whose flow is unknown"),
    ({"test_part": True}, "evaluate_on is synthetic, which has no test part"),
  ],
)
def test_impossible_data_is_refused(changes, message):
  with pytest.raises(ValueError, match=message):
    data.DataConfig(**changes)


def test_evaluation_pairs_differ_from_training_pairs():
  config = dataclasses.replace(
    data.DataConfig(),
    synthetic=dataclasses.replace(configs.MINI.data.synthetic, size=(24, 32)),
    num_eval=4,
  )
  held_out = data.eval_split(config, (24, 32))
  train = data.train_split(config, (24, 32), 100).transform
  assert len(held_out.source) == 4
  for i in range(4):
    trained = train.source[i].frames
    assert not np.array_equal(held_out.source[i].frames, trained)
