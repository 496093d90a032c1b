"""Training, evaluation, search and submission, from the command line."""

import dataclasses
import shutil

import chex
import jax
import pytest

from experiments import evaluate
from experiments import predict
from experiments import train
from experiments.language.glue import configs
from experiments.language.glue import data
from experiments.language.glue import glue_tasks
from experiments.language.glue import sweep
from experiments.language.glue import synthetic
from experiments.language.text import bert
from experiments.training import pretrained
import perceiver
from perceiver.models import glue
from tests.helpers import commands
from tests.helpers import noise
from tests.helpers import tiny_glue
from tests.helpers.recipes import glue as recipe

TINY = "tests.helpers.recipes.glue"
SYNTHETIC = (
  *("--data.source", "synthetic", "--data.synthetic.words", "3"),
  *("--data.synthetic.train", "16", "--data.synthetic.dev", "6"),
)


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
  """A language model's file."""
  path = tmp_path_factory.mktemp("trunk") / "model.safetensors"
  model = perceiver.create(tiny_glue.TRUNK)
  perceiver.save(path, model, model.init(jax.random.key(7)))
  return path


@pytest.fixture(scope="module")
def workdir(tmp_path_factory, trunk):
  """The folder of a finished run, fine-tuned, of eight tasks."""
  folder = tmp_path_factory.mktemp("run")
  arguments = [TINY, "--mini", "--workdir", folder, "--checkpoint", trunk]
  assert train.main([str(a) for a in arguments]) == 0
  return folder


def test_eight_tasks_at_once(workdir):
  rows = commands.rows(workdir)
  assert {row["step"] for row in rows if row["kind"] == "eval"} == {2, 4}
  last = rows[-1]
  assert (last["examples"], last["expected"]) == (54, 54)  # MNLI has two sets
  expected = {
    f"{name}{split.suffix}_{metric}"
    for name in glue_tasks.AVERAGED
    for split in glue_tasks.TASKS[name].eval_splits
    for metric in glue_tasks.TASKS[name].metrics
  }
  assert expected | {"score", "loss"} <= set(last)
  assert len(expected) == 13
  figures = sorted(path.name for path in (workdir / "figures").iterdir())
  assert figures == ["attention.png", "curve.png"]


def test_an_interrupted_run_ends_the_same(workdir, trunk, tmp_path):
  again = tmp_path / "again"
  shutil.copytree(workdir, again)
  shutil.rmtree(again / "checkpoints" / "4")
  arguments = [TINY, "--mini", "--workdir", again, "--checkpoint", trunk]
  assert train.main([str(a) for a in arguments]) == 0
  name = "metrics.jsonl"
  assert (again / name).read_text() == (workdir / name).read_text()
  models = [d / "model.safetensors" for d in (workdir, again)]
  chex.assert_trees_all_equal(*(perceiver.load(m)[1] for m in models))


def test_evaluation_of_a_folder_and_of_a_file(workdir, capsys):
  for path in (workdir, workdir / "model.safetensors"):
    out = commands.command(capsys, evaluate.main, TINY, "--checkpoint", path)
    assert "54 of 54 examples of synthetic 8 tasks dev" in out
  # Metrics do not depend on the batch size.
  arguments = (TINY, "--checkpoint", workdir, "--train.eval-batch-size", 4)
  rows = [line.split()[:2] for line in out.splitlines()[1:]]
  again = commands.command(capsys, evaluate.main, *arguments).splitlines()
  for (name, value), line in zip(rows, again[-len(rows) :]):
    assert line.split()[0] == name
    assert float(line.split()[1]) == pytest.approx(float(value), abs=2e-4)


def test_a_wrong_checkpoint_is_one_paragraph(tmp_path, capsys):
  path = tmp_path / "model.safetensors"
  path.write_bytes(b"\x00" * 100)
  arguments = (TINY, "--mini", "--workdir", tmp_path, "--checkpoint", path)
  error = commands.command(capsys, train.main, *arguments, code=1)
  assert f"{path} cannot be read" in error
  assert "Traceback" not in error


@pytest.mark.parametrize(
  "query_kind", [glue.QueryKind.SHARED_TOKEN, glue.QueryKind.TASK_TOKENS]
)
def test_other_query_kinds(query_kind):
  model = glue.multitask(query_kind, tiny_glue.TRUNK)
  experiment = dataclasses.replace(recipe.MINI, model=model)
  task = experiment.task()
  assert task.encoder.max_length == 24 - model.num_tokens
  variables = task.model.init(jax.random.key(0))
  found = task.make_evaluator()(variables)
  assert (found.examples, found.expected) == (54, 54)
  assert found.metrics["loss"] > 0


def test_the_baseline_starts_from_its_own_pretraining(tmp_path):
  size = {"text": tiny_glue.TRUNK.text, "num_layers": 1, "num_heads": 2}
  of_tokens = perceiver.create(bert.BertConfig(**size))
  variables = noise.variables(of_tokens)
  path = tmp_path / "model.safetensors"
  perceiver.save(path, of_tokens, variables)
  rte = bert.BertConfig(**size, tasks=(glue.TASKS["rte"],))
  model = perceiver.create(rte)
  start = pretrained.read(model, path)
  found = start.put_into(model.init(jax.random.key(0))).params
  shared = found.keys() & variables.params.keys()
  assert len(shared) > 8
  assert "bert/rte_head/output" not in shared
  for module in shared:
    chex.assert_trees_all_equal(found[module], variables.params[module])


def test_the_papers_search_of_other_recipes():
  config = sweep.SweepConfig(recipes="bert_sentencepiece_", checkpoint="x")
  found = sweep.experiment(config, "rte", 16, 1e-5)
  assert found.model == bert.base_bert((glue.TASKS["rte"],))


def test_the_baseline_in_the_same_task():
  seen = tiny_glue.TRUNK.text
  names = ("rte", "stsb")
  model = bert.BertConfig(
    text=seen,
    tasks=tuple(glue_tasks.TASKS[name].config for name in names),
    num_layers=1,
    num_heads=2,
  )
  experiment = configs.Experiment(
    model=model, data=recipe.MINI.data, train=recipe.MINI.train
  )
  task = experiment.task()
  assert task.encoder.max_length == 23
  variables = task.model.init(jax.random.key(0))
  found = task.make_evaluator()(variables)
  assert set(found.metrics) == {
    "score",
    "loss",
    "rte_accuracy",
    "stsb_pearson",
    "stsb_spearman",
  }


# ------------------------------------------------------------------ the search


def test_sweep(trunk, tmp_path, capsys):
  arguments = ("--checkpoint", trunk, *SYNTHETIC, "--workdir", tmp_path)
  arguments += ("--tasks", "rte", "--epochs", 2, "--warmup-steps", 1)
  arguments += ("--batch-sizes", 16, "--rates", 1e-2, 1e-4)
  out = commands.command(capsys, train.main, "glue-sweep", *arguments)
  lines = out.splitlines()
  headers, _, *rows = (
    [cell.strip() for cell in line.strip("|").split("|")] for line in lines[:4]
  )
  assert headers == ["rte: batch", "rate", "score", "rte_accuracy"]
  assert sorted(row[:2] for row in rows) == [["16", "0.0001"], ["16", "0.01"]]
  values = [float(row[2]) for row in rows]
  assert values == sorted(values, reverse=True)
  assert lines[-1] == f"average of rte: {values[0]:.2f}"
  path = lines[4].removeprefix("best: ")
  assert path.endswith(f"rte/batch_16_rate_{rows[0][1]}/model.safetensors")
  model, _ = perceiver.load(path)
  assert [task.name for task in model.config.tasks] == ["rte"]
  assert model.config.trunk == tiny_glue.TRUNK
  # Finished runs are not repeated.
  times = [p.stat().st_mtime_ns for p in tmp_path.rglob("checkpoints/*")]
  assert commands.command(capsys, train.main, "glue-sweep", *arguments) == out
  again = [p.stat().st_mtime_ns for p in tmp_path.rglob("checkpoints/*")]
  assert again == times


def test_the_papers_search():
  config = sweep.SweepConfig()
  assert config.batch_sizes == (16, 32, 64)
  assert config.rates == (1e-4, 5e-5, 2e-5, 1e-5)
  assert config.tasks == glue_tasks.AVERAGED
  found = sweep.experiment(config, "rte", 64, 1e-5)
  assert (found.train.epochs, found.train.batch_size) == (10, 64)
  assert (found.train.base_rate, found.train.schedule.warmup_steps) == (
    1e-5,
    200,
  )
  assert found.train.optimizer.weight_decay == 0.01
  assert found.model == glue.single_task("rte")


def test_impossible_searches():
  with pytest.raises(ValueError, match="no task"):
    sweep.SweepConfig(tasks=("ax",))
  with pytest.raises(ValueError, match="at least one each"):
    sweep.SweepConfig(rates=())
  with pytest.raises(ValueError, match="the beginning of names of recipes"):
    sweep.SweepConfig(recipes="bart_")


# -------------------------------------------------------------- the test server


@pytest.fixture(scope="module")
def submission(workdir, tmp_path_factory):
  """Folders of test sets and of their predictions."""
  folder, output = (tmp_path_factory.mktemp(n) for n in ("data", "output"))
  synthetic.write(folder, synthetic.SyntheticConfig(train=2, dev=2, test=5))
  arguments = ["--models", workdir / "model.safetensors", "--output", output]
  arguments += ["--data.source", folder, "--data.allow-partial"]
  arguments = ["glue-submission", *map(str, arguments)]
  assert predict.main(arguments) == 0
  return folder, output


def test_files_for_the_test_server(submission):
  _, output = submission
  tested = [glue_tasks.TASKS[name] for name in glue_tasks.AVERAGED]
  tested.append(glue_tasks.AX)
  assert {path.name for path in output.iterdir()} == {
    split.submission for task in tested for split in task.eval_splits
  }
  assert (output / "AX.tsv").exists()
  for task in tested:
    for split in task.eval_splits:
      lines = (output / split.submission).read_text().splitlines()
      assert lines[0] == "index\tprediction"
      rows = [line.split("\t") for line in lines[1:]]
      assert [row[0] for row in rows] == ["0", "1", "2", "3", "4"]
      for _, value in rows:
        if task.classes:
          assert value in task.classes
        else:
          assert 0 <= float(value) <= 5
          assert len(value) == 5


def test_predictions_do_not_depend_on_the_batch(
  submission, workdir, tmp_path, capsys
):
  folder, output = submission
  arguments = ["glue-submission", "--models", workdir / "model.safetensors"]
  arguments += ["--output", tmp_path]
  arguments += ["--data.source", folder, "--data.allow-partial"]
  commands.command(capsys, predict.main, *arguments, "--batch-size", 2)
  for path in output.iterdir():
    assert (tmp_path / path.name).read_text() == path.read_text()


def test_impossible_submissions(trunk, workdir, tmp_path, capsys):
  arguments = ("glue-submission", "--models", trunk, "--output", tmp_path)
  error = commands.command(capsys, predict.main, *arguments, code=1)
  assert "LanguageModelConfig; expected a model of GLUE" in error
  arguments = ("glue-submission", "--models", workdir / "model.safetensors")
  arguments += ("--output", tmp_path, "--data.source", "files")
  error = commands.command(capsys, predict.main, *arguments, code=1)
  assert "give --data.source files:PATH or --data.source PATH, or" in error


# --------------------------------------------------------------------- recipes


def test_recipes():
  assert set(configs.EXPERIMENTS) == {
    *("multitask", "multitask_shared_token", "multitask_task_tokens"),
    *(
      f"{prefix}{name}"
      for prefix in (
        *("", "bytes_large_", "sentencepiece_"),
        *("bert_", "bert_sentencepiece_", "mini_"),
      )
      for name in glue_tasks.TASKS
    ),
  }
  without = {name for name in configs.EXPERIMENTS if name.endswith("wnli")}
  assert len(without) == 6
  minis = {name for name in configs.EXPERIMENTS if name.startswith("mini_")}
  others = {*configs.EXPERIMENTS} - without - minis
  assert set(configs.RESULTS) == {*others, "mini"}
  for name in glue_tasks.AVERAGED:
    assert configs.EXPERIMENTS[name].model == glue.single_task(name)
  for name, experiment in configs.EXPERIMENTS.items():
    kind = data.Kind.SYNTHETIC if name in minis else data.Kind.TFDS
    assert experiment.data.source.kind is kind
    if name.startswith("multitask"):
      known = "multitask_queries" if name == "multitask" else name
      assert experiment.model == glue.CONFIGS[f"glue_{known}"]


def test_impossible_experiments():
  wrong = (glue.TaskConfig(name="rte", num_outputs=3),)
  with pytest.raises(ValueError, match="rte has 3 outputs; expected 2"):
    configs.Experiment(
      model=glue.GlueConfig(trunk=tiny_glue.TRUNK, tasks=wrong),
      train=recipe.MINI.train,
    )
