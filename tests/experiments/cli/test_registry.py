"""The command lines: what they choose, change, refuse and print."""

import importlib
import json
import pathlib
import subprocess
import sys

import pytest

from experiments import evaluate
from experiments import train
from experiments.cli import registry
from experiments.cli import run_choice
from tests.helpers import folders
from tests.helpers.recipes import sums

TINY = "tests.helpers.recipes.sums"


# -------------------------------------------------------------------- choosing


def test_choices(tiny):
  found = [(c.recipe, c.experiment, c.result) for c in registry.choices(tiny)]
  assert found == [
    ("plain", sums.EXPERIMENTS["plain"], sums.RESULTS["plain"]),
    ("wide", sums.EXPERIMENTS["wide"], None),
    ("mini", sums.MINI, None),
  ]


def test_choose(tiny):
  assert registry.choose(tiny).recipe == "plain"
  assert registry.choose(tiny, "wide").recipe == "wide"
  assert registry.choose(tiny, mini=True).recipe == "mini"


def test_the_registered_experiments():
  assert registry.names() == [
    *("audioset", "copy", "digits", "fashion_mnist", "glue", "imagenet"),
    *("masked_language", "modelnet40", "optical_flow", "pixels", "sentences"),
    *("shape_autoencoding", "smax", "starcraft", "text", "time_series"),
    *("tunes", "video_autoencoding"),
  ]


@pytest.mark.parametrize(
  ("file", "name", "expected"),
  [
    ("mine.py", "mine", "mine"),
    ("mine.py", "mine.py", "mine"),
    ("mine.py", "./mine.py", "mine"),
    ("mine/recipe.py", "mine/recipe.py", "mine.recipe"),
    ("v1.2/recipe_b.py", "v1.2/recipe_b.py", "recipe_b"),
    ("../elsewhere.py", "../elsewhere.py", "elsewhere"),
  ],
)
def test_modules_of_ones_own(tmp_path, monkeypatch, file, name, expected):
  folder = tmp_path / "here"
  (folder / file).parent.mkdir(parents=True, exist_ok=True)
  (folder / file).write_text(f"from {TINY} import EXPERIMENTS, MINI\n")
  monkeypatch.chdir(folder)
  monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
  monkeypatch.setattr(sys, "modules", dict(sys.modules))
  importlib.invalidate_caches()
  choice = registry.choose(name)
  assert (choice.name, choice.recipe) == (expected, "plain")
  assert registry.matching([name]) == [name]
  assert registry.default_workdir(choice) == pathlib.Path("runs") / expected


def test_a_folder_that_is_a_file(tiny, tmp_path, capsys):
  (tmp_path / "run").write_text("notes")
  assert train.main([tiny, "--workdir", str(tmp_path / "run")]) == 1
  assert f"{tmp_path / 'run'}" in capsys.readouterr().err.splitlines()[-1]
  assert (tmp_path / "run").read_text() == "notes"


def test_hyphens_mean_underscores():
  found = registry.choose("optical-flow", "conv-small")
  assert (found.name, found.recipe) == ("optical_flow", "conv_small")
  assert found == registry.choose("optical_flow", "conv_small")


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (["tny"], "no experiment 'tny'. Did you mean 'tiny'? There are: tiny"),
    (["tiny.nothing"], "there is no module 'tiny.nothing'"),
    ([".nothing"], "there is no module '.nothing'"),
    (["nothing.py"], "there is no file 'nothing.py'"),
    (["json"], "the module 'json' has no EXPERIMENTS and MINI"),
    (
      ["tiny", "--recipe", "wid"],
      "of tiny 'wid'. Did you mean 'wide'",
    ),
    (["tiny", "--recipe", "wide", "--mini"], "leave out --recipe"),
    (["tiny", "--train.batch-size", "6"], "batch_size=6 does not divide"),
    (["tiny", "--train.parallel.fsdp", "3"], "4 devices do not divide"),
  ],
)
def test_senseless_commands_are_refused(
  tiny, tmp_path, monkeypatch, capsys, arguments, message
):
  monkeypatch.chdir(tmp_path)
  assert train.main(arguments) == 2
  assert message in capsys.readouterr().err
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (["--train.batchsize", "4"], "--train.batch-size"),
    (["--train.epochs", "3"], "exactly one of steps and epochs"),
    (["--train.steps", "many"], "--train.steps"),
    (["--min"], "--min"),
  ],
)
def test_wrong_options_are_answered(tiny, capsys, arguments, message):
  with pytest.raises(SystemExit) as caught:
    train.main([tiny, *arguments])
  assert caught.value.code == 2
  assert message in capsys.readouterr().err


@pytest.mark.parametrize(
  ("arguments", "hint"),
  [
    (["--train.non-finite", "SKIP"], "Values are in lower case: skip, not"),
    (["--train.non-finite=SKIP"], "Values are in lower case: skip, not"),
    (["--train.log-images", "True"], "Booleans are written --a.x and --a.no-x"),
    (["--judging.all", "3"], "--judging.all is --evaluation.all since"),
    (["--model.perceiver.encoder.num-reads=2"], "encoder.num-cross-attends"),
    (
      ["--model.a.decoder.num-heads", "2"],
      ".decoder.cross-attention.num-heads",
    ),
    (["--data.generator.shift", "2"], "is --data.synthetic.shift since"),
    (["--train.non-finite", "GENERATED"], "lower case: synthetic, not"),
    (["--model.layers.num-layers", "2"], "layers.num-self-attends-per-block"),
    (["--data.augmentation.flip"], "augmentation.horizontal-flip"),
    (["--data.corpus", "files"], "--data.corpus is --data.source since"),
    (["--data.train-on=hd1k"], "--data.train-on is --data.source since"),
    (["--data.evaluate-dir", "a"], "is --data.evaluate-on KIND:PATH or PATH"),
    (["--model.encoder.direct"], "reference=True"),
  ],
)
def test_spellings_of_before_are_answered_with_todays(
  tiny, capsys, arguments, hint
):
  with pytest.raises(SystemExit) as caught:
    train.main([tiny, *arguments])
  assert caught.value.code == 2
  assert hint in capsys.readouterr().err


def test_options_that_are_not_refused_get_no_hint(tiny, capsys):
  """A folder may have the name of a boolean of before."""
  arguments = [tiny, "--workdir", "True", "--train.setps", "3"]
  with pytest.raises(SystemExit):
    train.main(arguments)
  error = capsys.readouterr().err
  assert "--train.setps" in error
  assert "Booleans" not in error


def test_values_of_enums_and_booleans(tiny, tmp_path):
  arguments = ("--train.non-finite", "skip", "--train.checkpoint-in-background")
  workdir = tmp_path / "run"
  settings = ("--train.steps", "5", "--workdir", str(workdir))
  assert train.main([tiny, *arguments, *settings]) == 0
  config = json.loads((workdir / "config.json").read_text())["train"]
  assert config["non_finite"] == "skip"
  assert config["checkpoint_in_background"] is True


def test_options_may_come_first(tiny, capsys):
  assert train.main(["--mini", tiny, "--recipe", "wide"]) == 2
  assert "leave out --recipe" in capsys.readouterr().err


@pytest.mark.parametrize(
  ("arguments", "words"),
  [
    (["--help"], ["EXPERIMENT", "--mini", "--workdir", "Experiments: tiny."]),
    (["tiny", "--help"], ["--train.batch-size", "examples per step", "--mini"]),
    (["tiny", "--help"], ["experiments.train tiny [-h]", "{stop,skip}"]),
    (["tiny", "--help"], ["--recipe {plain, wide, mini} (plain)\n"]),
    (["tiny", "--help"], ["values:\n", "  --train.seed (0)\n"]),
    (["tiny", "--help"], ["--distributed.detect, --distributed.no-detect"]),
  ],
)
def test_help(tiny, capsys, arguments, words):
  with pytest.raises(SystemExit) as caught:
    train.main(arguments)
  assert caught.value.code == 0
  text = capsys.readouterr().out
  assert all(word in text for word in words)


def test_help_ends_without_room(tiny, monkeypatch, capsys):
  monkeypatch.setenv("COLUMNS", "1")
  with pytest.raises(SystemExit) as caught:
    train.main([tiny, "--help"])
  assert caught.value.code == 0
  assert "--train.batch-size" in capsys.readouterr().out


@pytest.mark.parametrize("options", [("--help",), ("digits", "--help")])
def test_help_may_be_cut(options):
  with subprocess.Popen(
    [sys.executable, "-m", "experiments.train", *options],
    cwd=folders.ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  ) as process:
    process.stdout.close()
    assert process.stderr.read() == ""


def test_an_import_that_fails_inside_an_experiment_is_not_hidden(monkeypatch):
  def fails(path):
    raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")

  monkeypatch.setattr(registry.importlib, "import_module", fails)
  with pytest.raises(ModuleNotFoundError, match="sklearn"):
    registry.choices("digits")


def test_default_folders(tiny):
  folder = lambda *a, **k: registry.default_workdir(registry.choose(*a, **k))
  assert folder(tiny) == pathlib.Path("runs/tiny")
  assert folder(tiny, "wide") == pathlib.Path("runs/tiny-wide")
  assert folder(tiny, mini=True) == pathlib.Path("runs/tiny-mini")
  assert folder(TINY) == pathlib.Path("runs") / TINY


# -------------------------------------------------------------------- training


def test_links_of_a_folder_are_followed_once(tiny, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  choice = registry.choose(tiny)
  assert registry.workdir(None, choice) == pathlib.Path("runs/tiny")
  assert registry.workdir(tmp_path / "a", choice) == tmp_path / "a"
  (tmp_path / "link").symlink_to(tmp_path / "b")
  for link in (pathlib.Path("link"), tmp_path / "link"):
    assert registry.workdir(link / "run", choice) == tmp_path / "b" / "run"


def test_train_prints_what_came_out(tiny, tmp_path, monkeypatch, capsys):
  monkeypatch.chdir(tmp_path)
  assert train.main([tiny, "--train.steps", "5"]) == 0
  out = capsys.readouterr().out
  assert "21 of 21 examples of tiny eval" in out
  assert "(paper 0.9, difference " in out
  assert "model: runs/tiny/model.safetensors" in out
  assert "plot: runs/tiny/picture.txt" in out
  config = json.loads((tmp_path / "runs/tiny/config.json").read_text())
  assert config["train"]["steps"] == 5


def test_another_configuration_in_the_same_folder_is_an_error(run, capsys):
  arguments = [TINY, "--mini", "--workdir", str(run), "--train.seed", "7"]
  assert train.main(arguments) == 1
  error = capsys.readouterr().err
  assert "train.seed: 0 then, 7 now" in error
  assert "Traceback" not in error


# ------------------------------------------------------------------ evaluation


def _evaluate(capsys, *arguments):
  code = evaluate.main([TINY, *map(str, arguments)])
  captured = capsys.readouterr()
  return code, captured.out, captured.err


def test_a_run_and_its_model_file_are_judged_alike(run, capsys):
  code, from_run, _ = _evaluate(capsys, "--checkpoint", run)
  assert code == 0
  assert from_run.startswith("checkpoint of step 6 in ")
  file = run / "model.safetensors"
  code, from_file, _ = _evaluate(capsys, "--checkpoint", file, "--mini")
  assert code == 0
  assert "21 of 21 examples of tiny eval" in from_file
  assert from_run.endswith(from_file)


def test_the_folder_of_a_run_says_all(run, capsys):
  assert evaluate.main([str(run)]) == 0
  out = capsys.readouterr().out
  assert out.startswith("checkpoint of step 6 in ")
  assert "21 of 21 examples of tiny eval" in out


def test_a_folder_that_does_not_say_what_it_is_of(run, tmp_path, capsys):
  config = (run / "config.json").read_text()
  (tmp_path / "config.json").write_text(config)
  assert evaluate.main([str(tmp_path)]) == 2
  assert f"name it: EXPERIMENT --checkpoint {tmp_path}" in (
    capsys.readouterr().err
  )


def test_settings_of_ones_own_are_no_known_recipe(run, tmp_path):
  config = json.loads((run / "config.json").read_text())
  config["model"]["channels"] += 1
  (tmp_path / "config.json").write_text(json.dumps(config))
  options = evaluate.Evaluate(experiment=TINY)
  found = run_choice.of_folder(options.choose(), options, tmp_path)
  assert (found.recipe, found.result) == ("with settings of its own", None)
  title = run_choice.title(found, tmp_path)
  assert title == f"Evaluation of {tmp_path.name}, a run of {TINY}"


def test_a_part_is_called_a_part(run, capsys):
  code, out, _ = _evaluate(capsys, "--checkpoint", run, "--examples", "5")
  assert code == 0
  assert "5 of 21 examples of tiny eval, the first ones only" in out
  assert "paper" not in out
  _, whole, _ = _evaluate(capsys, "--checkpoint", run, "--examples", "99")
  assert "21 of 21 examples of tiny eval\n" in whole
  with pytest.raises(SystemExit) as caught:
    _evaluate(capsys, "--checkpoint", run, "--examples", "0")
  assert caught.value.code == 2
  assert "--examples must be at least 1" in capsys.readouterr().err


def test_a_run_of_an_older_version_is_refused_by_name(run, tmp_path, capsys):
  old = tmp_path / "old"
  old.mkdir()
  text = (run / "config.json").read_text()
  (old / "config.json").write_text(text.replace("num_eval", "num_judged"))
  starts = [{"experiment": TINY, "git": {"commit": "a" * 40}}]
  (old / "provenance.json").write_text(json.dumps(starts))
  assert evaluate.main([str(old)]) == 2
  error = capsys.readouterr().err
  assert "num_judged" in error
  assert "version 0.1.0 or earlier" in error
  assert f"commit {'a' * 40}" in error


def test_modules_of_older_versions_have_their_names():
  old = registry.name_of("experiments.optical_flow.configs")
  older = registry.name_of("experiments.glue.configs")
  new = registry.name_of("experiments.language.glue.configs")
  assert (old, older, new) == ("optical_flow", "glue", "glue")


def test_evaluation_takes_options(run, capsys):
  _, out, _ = _evaluate(capsys, "--checkpoint", run, "--data.num-eval", "5")
  assert "5 of 5 examples" in out


def test_a_file_brings_its_own_model(tmp_path, capsys):
  workdir = tmp_path / "wide"
  settings = ("--train.steps", "5", "--workdir", str(workdir))
  assert train.main([TINY, "--recipe", "wide", *settings]) == 0
  code, _, _ = _evaluate(capsys, "--checkpoint", workdir / "model.safetensors")
  assert code == 0


@pytest.mark.parametrize(
  ("arguments", "code", "message"),
  [
    ([], 2, "--checkpoint PATH is needed"),
    (["--checkpoint", "{run}", "--mini"], 2, "leave out --recipe and --mini"),
    (["--checkpoint", "{empty}"], 2, "it has no config.json"),
    (["--checkpoint", "{empty}/none"], 1, "empty/none.\n"),
    (["--checkpoint", "{empty}y"], 1, "emptyy. Did you mean "),
    (["--checkpoint", "{started}"], 1, "There is no checkpoint in"),
    (["--checkpoint", "{foreign}"], 2, "is not a configuration of"),
  ],
)
def test_what_cannot_be_judged(run, tmp_path, capsys, arguments, code, message):
  for name in ("empty", "started", "foreign"):
    (tmp_path / name).mkdir()
  text = (run / "config.json").read_text()
  (tmp_path / "started" / "config.json").write_text(text)
  (tmp_path / "foreign" / "config.json").write_text(
    text.replace("num_eval", "num_evil")
  )
  places = {name: tmp_path / name for name in ("empty", "started", "foreign")}
  arguments = [a.format(run=run, **places) for a in arguments]
  found, _, error = _evaluate(capsys, *arguments)
  assert (found, message in error) == (code, True), error


def test_a_checkpoint_of_another_model_is_one_paragraph(run, capsys):
  code, _, error = _evaluate(
    capsys, "--checkpoint", run, "--model.channels", "16"
  )
  assert code == 1
  assert "is of another model" in error
  assert error.count("\n") == 1
